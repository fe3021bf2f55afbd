"""What a chain makes of its transforms: one report, one state, no cost of its own."""

import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import (
    AdaGC,
    AdaptiveGradientClip,
    AutoClip,
    Centralize,
    Chain,
    ClipByGlobalNorm,
    ClipByNorm,
    ClipByValue,
    Context,
    NormalizeByGlobalNorm,
    NormalizeByNorm,
    ZClip,
    norms_of,
)

G = [tf.constant([3.0, 4.0])]


def test_a_chain_applies_in_order_and_reports_the_whole():
    # By value: [3, 4] to [2, 2], norm 2.83; then by norm to 1: [0.707, 0.707].
    chain = Chain(clips=(ClipByValue(max_abs=2.0), ClipByNorm(max_norm=1.0)))
    (g,), report = chain([tf.constant([3.0, 4.0])])
    np.testing.assert_allclose(g, [np.sqrt(0.5)] * 2, rtol=1e-6)
    assert report.norm_before == 5.0
    np.testing.assert_allclose(report.scale, 0.2, rtol=1e-6)
    assert report.is_clipped


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_chain_is_clipped_when_any_of_its_clips_is(order):
    clips = (ClipByValue(max_abs=100.0), ClipByGlobalNorm(max_norm=1.0))
    _, report = Chain(clips=tuple(clips[i] for i in order))([tf.constant([3.0, 4.0])])
    assert report.is_clipped


def test_a_chain_says_what_each_of_its_transforms_did():
    # 5, to 1 by the normaliser, to 0.5 by the clip; the last clip finds nothing to do.
    clips = (NormalizeByGlobalNorm(), ClipByGlobalNorm(max_norm=0.5), ClipByNorm(max_norm=9.0))
    _, report = Chain(clips=clips)(G)
    assert [stage.fired.numpy() for stage in report.stages] == [True, True, False]
    norms = [stage.norm_after.numpy() for stage in report.stages]
    np.testing.assert_allclose(norms, [1.0, 0.5, 0.5], rtol=1e-6)
    assert report.norm_before == 5.0
    np.testing.assert_allclose(report.norm_after, 0.5, rtol=1e-6)


def test_the_scale_is_that_of_its_clips_without_its_normalisers():
    # 5 to 2.5: 0.5. Then 2.5 to 1, which is not counted. Then 1 to 0.25: together 0.125.
    clips = (
        ClipByGlobalNorm(max_norm=2.5),
        NormalizeByGlobalNorm(),
        ClipByGlobalNorm(max_norm=0.25),
    )
    _, report = Chain(clips=clips)(G)
    np.testing.assert_allclose(report.scale, 0.125, rtol=1e-6)
    assert report.is_clipped


@pytest.mark.parametrize(
    "clips",
    [(NormalizeByNorm(),), (NormalizeByNorm(), ClipByNorm(max_norm=2.0))],
    ids=["alone", "with a clip that does nothing"],
)
def test_a_normaliser_alone_counts_as_no_clip(clips):
    _, report = Chain(clips=clips)(G)
    assert not report.is_clipped
    assert report.scale == 1.0
    assert report.stages[0].fired
    np.testing.assert_allclose(report.norm_after, 1.0, rtol=1e-6)


def test_one_transform_alone_has_a_stage_too_and_nothing_has_none():
    _, report = Chain(clips=(ClipByGlobalNorm(max_norm=1.0),))(G)
    assert len(report.stages) == 1
    assert Chain()(G)[1].stages == ()


def test_its_state_is_that_of_its_transforms_one_after_the_other():
    chain = Chain(clips=(AutoClip(history=4), ClipByNorm(max_norm=1.0), AdaGC()))
    assert [part.shape for part in chain.initial_state(3)] == [(4,), (), (3,), ()]
    context, reports = Context(), []
    for _ in range(2):
        _, report = chain(G, context=context)
        context = Context(state=report.state)
        reports.append(report)
    ring, count, usual, steps = reports[-1].state
    np.testing.assert_array_equal(ring, [5.0, 5.0, 0.0, 0.0])
    assert (count, steps) == (2, 2)
    np.testing.assert_allclose(usual, [1.0], rtol=1e-6)


def test_a_state_of_another_chain_is_refused():
    with pytest.raises(ValueError, match=r"^") as caught:
        Chain(clips=(ZClip(),))(G, context=Context(state=(tf.constant(0.0),)))
    assert str(caught.value) == (
        "Chain: its transforms remember 2 tensors, got a state of 1. Give the state that the same"
        " chain reported, or none."
    )


def test_it_needs_weights_when_one_of_its_transforms_does():
    assert not Chain(clips=(ZClip(), ClipByNorm(max_norm=1.0))).needs_weights
    assert Chain(clips=(ZClip(), AdaptiveGradientClip())).needs_weights
    assert Chain(clips=(Centralize(),)).needs_weights


@pytest.mark.parametrize(
    "clip", [ClipByGlobalNorm(max_norm=1.0), ClipByNorm(max_norm=1.0), ClipByValue(max_abs=1.0)]
)
def test_around_one_clip_a_chain_costs_nothing(clip):
    def operations(transform):
        def step(gradient):
            norms = norms_of([gradient])
            clipped, report = transform([gradient], norms)
            return clipped, report

        spec = tf.TensorSpec([2], tf.float32)
        graph = tf.function(step).get_concrete_function(spec).graph
        return sorted(each.type for each in graph.get_operations() if each.type != "Identity")

    assert operations(Chain(clips=(clip,))) == operations(clip)
