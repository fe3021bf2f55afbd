"""What every transform must do. A new one is one line in CASES or NORMALISERS, and one in CLIPS."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import (
    CLIPS,
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
    Weight,
    ZClip,
    clip_from_config,
    clip_to_config,
    norms_of,
)


@dataclasses.dataclass(frozen=True)
class Case:
    """A transform with what it needs to be one that limits something to 1 at once."""

    clip: Any
    state: Callable[[int], tuple] = lambda variables: ()  # after some steps; () is the first step

    def __call__(self, gradients, norms=None, *, is_embedding=False):
        weights = [
            Weight(_zeros_like(gradient), is_embedding=is_embedding) for gradient in gradients
        ]
        context = Context(weights=weights, state=self.state(len(gradients)))
        return self.clip(gradients, norms, context)

    def __repr__(self):
        return repr(self.clip)


def chain_of(*cases):
    clips = tuple(case.clip for case in cases)

    def state(variables):
        parts = [c.state(variables) or c.clip.initial_state(variables) for c in cases]
        return sum(parts, ())

    return Case(Chain(clips=clips), state)


def _zeros_like(gradient):
    if isinstance(gradient, tf.IndexedSlices):
        return tf.zeros(gradient.dense_shape)
    return tf.zeros([1] if gradient is None else gradient.shape)


CASES = [
    Case(ClipByGlobalNorm(max_norm=1.0)),
    Case(ClipByNorm(max_norm=1.0)),
    Case(ClipByValue(max_abs=1.0)),
    Case(AdaptiveGradientClip(max_ratio=1.0, min_weight_norm=1.0)),
    # The median of 1, 1 and any other number at least 1.
    Case(AutoClip(percentile=50, history=3), lambda v: (np.ones(3, np.float32), np.int64(3))),
    Case(ZClip()),  # the absolute limit
    # Norms were always 1, so anything above is an outlier.
    Case(ZClip(max_norm=None), lambda v: (np.array([1.0, 0.0]), np.int64(25))),
    Case(AdaGC()),  # the warm-up
    Case(AdaGC(ratio=1.0, warmup=1), lambda v: (np.ones(v, np.float32), np.int64(1))),
]
NORMALISERS = [Case(NormalizeByGlobalNorm()), Case(NormalizeByNorm()), Case(Centralize())]
ALL = [*CASES, *NORMALISERS]
CHAINS = [
    chain_of(*CASES),
    chain_of(*reversed(CASES)),
    chain_of(*NORMALISERS),
    chain_of(CASES[2], NORMALISERS[2], CASES[4], NORMALISERS[0], CASES[8]),
    Case(Chain()),
]


def _id(case):
    if isinstance(case.clip, Chain):
        return "-".join(type(clip).__name__ for clip in case.clip.clips) or "nothing"
    return type(case.clip).__name__ + ("-seasoned" if case.state(1) else "")


every_clip = pytest.mark.parametrize("clip", CASES, ids=_id)
every_transform = pytest.mark.parametrize("clip", ALL, ids=_id)
every_transform_and_chain = pytest.mark.parametrize("clip", [*ALL, *CHAINS], ids=_id)
flat = tf.nest.flatten
every_dtype = pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])


def test_every_transform_that_a_configuration_can_name_is_tested_here():
    assert {type(case.clip) for case in ALL} == set(CLIPS.values())
    assert {type(case.clip) for case in NORMALISERS} == {
        kind for kind in CLIPS.values() if kind.is_normaliser
    }


@every_dtype
@every_transform_and_chain
def test_keeps_shapes_dtypes_and_nones(clip, values, dtype):
    gradients = [None if g is None else tf.cast(g, dtype) for g in values]
    clipped, report = clip(gradients)
    assert [None if g is None else (g.shape, g.dtype) for g in clipped] == [
        None if g is None else (g.shape, g.dtype) for g in gradients
    ]
    for number in (report.norm_before, report.norm_after, report.scale):
        assert number.shape == ()
        assert number.dtype == tf.float32
    assert report.is_clipped.dtype == tf.bool
    assert report.each_after.shape == (len(values),)


@every_transform_and_chain
def test_keeps_a_sparse_gradient_sparse_and_limits_the_sum_of_its_rows(
    clip, twice_looked_up, dense
):
    (sparse,), of_sparse = clip([twice_looked_up])
    (plain,), of_plain = clip([tf.convert_to_tensor(twice_looked_up)], is_embedding=True)
    assert isinstance(sparse, tf.IndexedSlices)
    np.testing.assert_allclose(dense(sparse), plain, rtol=1e-6)
    assert of_sparse.norm_before == 10.0  # sqrt(6^2 + 8^2), not sqrt(2 * (3^2 + 4^2)) = 7.07
    np.testing.assert_allclose(of_sparse.norm_after, of_plain.norm_after, rtol=1e-6)


@every_transform_and_chain
def test_reports_the_norm_that_is_left(clip, values):
    clipped, report = clip(values)
    left = norms_of(clipped)
    np.testing.assert_allclose(report.norm_after, left.overall, rtol=1e-6)
    np.testing.assert_allclose(report.each_after, left.each, rtol=1e-6, atol=1e-7)
    if not isinstance(clip.clip, Chain) or not any(c.is_normaliser for c in clip.clip.clips):
        ratio = left.overall / report.norm_before
        np.testing.assert_allclose(report.scale, ratio, rtol=1e-6)


@every_transform_and_chain
def test_norms_that_are_known_already_change_nothing(clip, values, dense):
    told, told_report = clip(values, norms_of(values))
    asked, asked_report = clip(values)
    for one, other in zip(told, asked, strict=True):
        np.testing.assert_array_equal(dense(one), dense(other))
    for one, other in zip(flat(told_report), flat(asked_report), strict=True):
        np.testing.assert_array_equal(one, other)


@every_clip
def test_leaves_gradients_below_the_limit_alone(clip, dense):
    gradients = [tf.constant([0.3, -0.4]), None, tf.constant([[0.5]])]
    clipped, report = clip(gradients)
    for before, after in zip(gradients, clipped, strict=True):
        np.testing.assert_array_equal(dense(before), dense(after))
    assert not report.is_clipped
    assert report.scale == 1.0
    assert report.norm_before == report.norm_after


@every_clip
def test_leaves_gradients_alone_at_exactly_the_limit(clip):
    (after,), report = clip([tf.constant([1.0, 0.0])])
    np.testing.assert_array_equal(after, [1.0, 0.0])
    assert not report.is_clipped


@every_transform
def test_clipping_twice_is_clipping_once(clip, values, dense):
    once, _ = clip(values)
    twice, _ = clip(once)
    for one, two in zip(once, twice, strict=True):
        if one is not None:
            np.testing.assert_allclose(dense(one), dense(two), rtol=1e-6)


@every_transform_and_chain
def test_zero_gradients_stay_zero(clip):
    (after,), report = clip([tf.zeros([3])])
    np.testing.assert_array_equal(after, np.zeros(3))
    assert report.scale == 1.0
    assert not report.is_clipped


@every_transform_and_chain
def test_gradients_of_no_variable_are_fine(clip):
    clipped, report = clip([])
    assert clipped == []
    assert report.norm_before == 0.0


@every_transform_and_chain
def test_a_gradient_that_is_not_finite_spoils_no_other(clip, bad):
    clipped, report = clip([tf.constant([bad, 3.0]), tf.constant([0.6, 0.8])])
    # At the limit already. In a chain, after a clip by value, an infinity is none any more, and
    # the two together are above the limit: then this one is scaled, and keeps its direction.
    np.testing.assert_allclose(clipped[1] / np.linalg.norm(clipped[1]), [0.6, 0.8], rtol=1e-6)
    assert (
        isinstance(clip.clip, Chain)
        or clipped[1].numpy().tolist() == np.float32([0.6, 0.8]).tolist()
    )
    assert np.isnan(report.norm_before)


@every_transform_and_chain
def test_a_gradient_that_overflows_when_squared_is_clipped_like_any_other(clip):
    # [3e20, 4e20]: the squares are infinite in float32, the norm is 5e20.
    clipped, report = clip([tf.constant([3e20, 4e20])])
    np.testing.assert_allclose(report.norm_before, 5e20, rtol=1e-6)
    assert np.isfinite(clipped[0]).all()
    if clip in CASES:
        assert report.is_clipped
        assert report.norm_after <= np.sqrt(2) * (1 + 1e-6)


@pytest.mark.parametrize("is_compiled", [False, True], ids=["graph", "XLA"])
@every_transform_and_chain
def test_gives_the_same_in_a_graph_and_is_traced_once(
    clip, values, twice_looked_up, dense, is_compiled
):
    traces = []
    given = [g for g in values if g is not None and g.shape.num_elements()]

    @tf.function(jit_compile=is_compiled)
    def in_graph(gradients, rows):
        traces.append(1)
        sparse = tf.IndexedSlices(rows, twice_looked_up.indices, twice_looked_up.dense_shape)
        clipped, report = clip([*gradients, sparse, None])
        return [tf.convert_to_tensor(g) for g in clipped if g is not None], report

    for _ in range(2):
        clipped, report = in_graph(given, twice_looked_up.values)
    eager, eager_report = clip([*given, twice_looked_up, None])
    assert len(traces) == 1
    for one, other in zip(clipped, eager[:-1], strict=True):
        np.testing.assert_allclose(one, dense(other), rtol=1e-5)
    for one, other in zip(flat(report), flat(eager_report), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize("is_compiled", [False, True], ids=["graph", "XLA"])
@every_transform_and_chain
def test_isolates_what_is_not_finite_in_a_graph_too(clip, is_compiled):
    compiled = tf.function(clip, jit_compile=is_compiled)
    for bad in (np.nan, np.inf, -np.inf):  # one graph for all: it is built for longer than it runs
        clipped, report = compiled([tf.constant([bad, 3.0]), tf.constant([0.6, 0.8])])
        direction = clipped[1] / np.linalg.norm(clipped[1])
        np.testing.assert_allclose(direction, [0.6, 0.8], rtol=1e-6, err_msg=str(bad))
        assert np.isnan(report.norm_before), bad


@every_transform
def test_does_not_change_its_input(clip, values, dense):
    before = [dense(g) for g in values]
    clip(values)
    for one, other in zip(before, values, strict=True):
        np.testing.assert_array_equal(one, dense(other))


@every_clip
def test_never_makes_a_gradient_larger(clip, values):
    _, report = clip(values)
    assert (report.each_after <= norms_of(values).each).numpy().all()


@every_transform_and_chain
def test_what_it_remembers_keeps_its_shapes_and_dtypes(clip, values):
    _, report = clip(values)
    expected = clip.clip.initial_state(len(values))
    assert [(part.shape, part.dtype.as_numpy_dtype) for part in report.state] == [
        (part.shape, part.dtype) for part in expected
    ]


@pytest.mark.parametrize("is_compiled", [False, True], ids=["graph", "XLA"])
@every_transform_and_chain
def test_remembers_the_same_in_a_graph_over_many_steps(clip, is_compiled):
    steps = [[tf.constant([[size], [0.5]]), tf.constant([2 * size])] for size in (1.0, 3.0, 0.2)]
    weights = [Weight(tf.ones([2, 1])), Weight(tf.ones([1]))]

    def step(gradients, state):
        return clip.clip(gradients, context=Context(weights, state))

    compiled = tf.function(step, jit_compile=is_compiled)
    eager = in_graph = clip.state(2) or clip.clip.initial_state(2)
    for gradients in steps:
        one, report = step(gradients, eager)
        other, other_report = compiled(gradients, tuple(map(tf.constant, in_graph)))
        for a, b in zip(flat([one, report]), flat([other, other_report]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
        eager, in_graph = report.state, other_report.state


@every_transform_and_chain
def test_a_step_that_is_not_finite_is_not_remembered(clip, bad):
    _, report = clip([tf.constant([bad, 3.0]), tf.constant([0.6, 0.8])])
    assert not any(np.isnan(part).any() for part in report.state)


@every_transform
def test_is_frozen_and_equal_by_its_numbers(clip):
    clip = clip.clip
    for field in dataclasses.fields(clip):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(clip, field.name, 2.0)
    assert clip == type(clip)(**dataclasses.asdict(clip))
    assert hash(clip) == hash(type(clip)(**dataclasses.asdict(clip)))


@every_transform
def test_takes_its_numbers_by_name_only(clip):
    kind = type(clip.clip)
    with pytest.raises(TypeError, match="positional argument"):
        kind(1.0)


@every_transform
def test_comes_back_from_its_configuration_as_json(clip):
    clip = clip.clip
    assert clip_from_config(json.loads(json.dumps(clip_to_config(clip)))) == clip
