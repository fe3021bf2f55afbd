"""What every clip must do. A new one is added to ALL and to CLIPS, and nowhere else."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import (
    CLIPS,
    Chain,
    ClipByGlobalNorm,
    ClipByNorm,
    ClipByValue,
    clip_from_config,
    clip_to_config,
    norms_of,
)

ALL = [ClipByGlobalNorm(max_norm=1.0), ClipByNorm(max_norm=1.0), ClipByValue(max_abs=1.0)]
every_clip = pytest.mark.parametrize("clip", ALL, ids=lambda clip: type(clip).__name__)
CHAINS = [Chain(clips=tuple(ALL)), Chain(clips=tuple(reversed(ALL))), Chain()]
every_clip_and_chain = pytest.mark.parametrize("clip", [*ALL, *CHAINS], ids=repr)
every_dtype = pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])


def test_every_clip_that_a_configuration_can_name_is_tested_here():
    assert {type(clip) for clip in ALL} == set(CLIPS.values())


@every_dtype
@every_clip_and_chain
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


@every_clip_and_chain
def test_keeps_a_sparse_gradient_sparse_and_limits_the_sum_of_its_rows(
    clip, twice_looked_up, dense
):
    (sparse,), of_sparse = clip([twice_looked_up])
    (plain,), of_plain = clip([tf.convert_to_tensor(twice_looked_up)])
    assert isinstance(sparse, tf.IndexedSlices)
    np.testing.assert_allclose(dense(sparse), plain, rtol=1e-6)
    assert of_sparse.norm_before == 10.0  # sqrt(6^2 + 8^2), not sqrt(2 * (3^2 + 4^2)) = 7.07
    np.testing.assert_allclose(of_sparse.norm_after, of_plain.norm_after, rtol=1e-6)


@every_clip_and_chain
def test_reports_the_norm_that_is_left(clip, values):
    clipped, report = clip(values)
    left = norms_of(clipped)
    np.testing.assert_allclose(report.norm_after, left.overall, rtol=1e-6)
    np.testing.assert_allclose(report.each_after, left.each, rtol=1e-6)
    np.testing.assert_allclose(report.scale, left.overall / report.norm_before, rtol=1e-6)


@every_clip_and_chain
def test_norms_that_are_known_already_change_nothing(clip, values, dense):
    told, told_report = clip(values, norms_of(values))
    asked, asked_report = clip(values)
    for one, other in zip(told, asked, strict=True):
        np.testing.assert_array_equal(dense(one), dense(other))
    assert [number.numpy().tolist() for number in told_report] == [
        number.numpy().tolist() for number in asked_report
    ]


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


@every_clip
def test_clipping_twice_is_clipping_once(clip, values, dense):
    once, _ = clip(values)
    twice, _ = clip(once)
    for one, two in zip(once, twice, strict=True):
        if one is not None:
            np.testing.assert_allclose(dense(one), dense(two), rtol=1e-6)


@every_clip_and_chain
def test_zero_gradients_stay_zero(clip):
    (after,), report = clip([tf.zeros([3])])
    np.testing.assert_array_equal(after, np.zeros(3))
    assert report.scale == 1.0
    assert not report.is_clipped


@every_clip_and_chain
def test_gradients_of_no_variable_are_fine(clip):
    clipped, report = clip([])
    assert clipped == []
    assert report.norm_before == 0.0


@every_clip_and_chain
def test_a_gradient_that_is_not_finite_spoils_no_other(clip, bad):
    clipped, report = clip([tf.constant([bad, 3.0]), tf.constant([0.6, 0.8])])
    # At the limit already. In a chain, after a clip by value, an infinity is none any more, and
    # the two together are above the limit: then this one is scaled, and keeps its direction.
    np.testing.assert_allclose(clipped[1] / np.linalg.norm(clipped[1]), [0.6, 0.8], rtol=1e-6)
    assert isinstance(clip, Chain) or clipped[1].numpy().tolist() == np.float32([0.6, 0.8]).tolist()
    assert np.isnan(report.norm_before)


@every_clip_and_chain
def test_a_gradient_that_overflows_when_squared_is_clipped_like_any_other(clip):
    # [3e20, 4e20]: the squares are infinite in float32, the norm is 5e20.
    clipped, report = clip([tf.constant([3e20, 4e20])])
    np.testing.assert_allclose(report.norm_before, 5e20, rtol=1e-6)
    if clip != Chain():
        assert report.is_clipped
        assert np.isfinite(clipped[0]).all()
        assert report.norm_after <= np.sqrt(2) * (1 + 1e-6)


@pytest.mark.parametrize("is_compiled", [False, True], ids=["graph", "XLA"])
@every_clip_and_chain
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
    for one, other in zip(report, eager_report, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize("is_compiled", [False, True], ids=["graph", "XLA"])
@every_clip_and_chain
def test_isolates_what_is_not_finite_in_a_graph_too(clip, bad, is_compiled):
    compiled = tf.function(clip, jit_compile=is_compiled)
    clipped, report = compiled([tf.constant([bad, 3.0]), tf.constant([0.6, 0.8])])
    np.testing.assert_allclose(clipped[1] / np.linalg.norm(clipped[1]), [0.6, 0.8], rtol=1e-6)
    assert np.isnan(report.norm_before)


@every_clip
def test_does_not_change_its_input(clip, values, dense):
    before = [dense(g) for g in values]
    clip(values)
    for one, other in zip(before, values, strict=True):
        np.testing.assert_array_equal(one, dense(other))


@every_clip
def test_is_frozen_and_equal_by_its_numbers(clip):
    (field,) = dataclasses.fields(clip)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(clip, field.name, 2.0)
    assert clip == type(clip)(**dataclasses.asdict(clip))


@every_clip
def test_comes_back_from_its_configuration_as_json(clip):
    assert clip_from_config(json.loads(json.dumps(clip_to_config(clip)))) == clip


@pytest.mark.parametrize("limit", [0, -1.0, np.nan, np.inf, "1", None, True], ids=repr)
@every_clip
def test_refuses_a_limit_that_is_none(clip, limit):
    (field,) = dataclasses.fields(clip)
    name = type(clip).__name__
    with pytest.raises(ValueError, match=r"^") as caught:
        type(clip)(**{field.name: limit})
    assert str(caught.value) == (
        f"{name}: {field.name} must be a finite number above 0, got {limit!r}."
        " To train without clipping, leave the clip out of the chain."
    )
