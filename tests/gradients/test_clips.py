"""What each clip does, by hand, and for any numbers."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gradgate.gradients import ClipByGlobalNorm, ClipByNorm, ClipByValue

pytestmark = pytest.mark.half("both")  # what it leans on differs from stack to stack

NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=8)
LIMITS = st.floats(1e-3, 1e3)


def test_the_global_norm_is_over_all_variables_and_scales_them_alike():
    # ||[3, 4]|| = 5 and ||[12]|| = 12, together 13; clipped to 6.5 all are halved.
    (a, b), report = ClipByGlobalNorm(max_norm=6.5)([tf.constant([3.0, 4.0]), tf.constant([12.0])])
    np.testing.assert_array_equal(a, [1.5, 2.0])
    np.testing.assert_array_equal(b, [6.0])
    assert report.norm_before == 13.0
    assert report.norm_after == 6.5
    assert report.scale == 0.5
    np.testing.assert_array_equal(report.each_after, [2.5, 6.0])


def test_a_non_finite_norm_leaves_all_gradients_as_they_came(bad):
    gradients = [tf.constant([bad, 4.0]), tf.constant([30.0, 40.0])]
    clipped, report = ClipByGlobalNorm(max_norm=1.0)(gradients)
    for before, after in zip(gradients, clipped, strict=True):
        np.testing.assert_array_equal(before, after)
    assert not report.is_clipped
    assert report.scale == 1.0


def test_by_norm_scales_only_the_variables_above_the_limit():
    # ||[3, 4]|| = 5 is scaled to 1, ||[0.5]|| stays: together sqrt(1 + 0.25) of sqrt(25.25).
    (a, b), report = ClipByNorm(max_norm=1.0)([tf.constant([3.0, 4.0]), tf.constant([0.5])])
    np.testing.assert_allclose(a, [0.6, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(b, [0.5])
    np.testing.assert_allclose(report.norm_after, np.sqrt(1.25), rtol=1e-6)
    np.testing.assert_allclose(report.scale, np.sqrt(1.25 / 25.25), rtol=1e-6)


def test_by_norm_still_clips_the_others_when_one_is_not_finite(bad):
    (a, b), report = ClipByNorm(max_norm=1.0)([tf.constant([bad]), tf.constant([3.0, 4.0])])
    np.testing.assert_array_equal(a, np.float32([bad]))
    np.testing.assert_allclose(b, [0.6, 0.8], rtol=1e-6)
    assert report.is_clipped
    assert np.isnan(report.scale)


def test_by_value_limits_each_entry():
    (g,), report = ClipByValue(max_abs=1.0)([tf.constant([3.0, -4.0, 0.5])])
    np.testing.assert_array_equal(g, [1.0, -1.0, 0.5])
    assert report.norm_after == 1.5  # sqrt(1 + 1 + 0.25)


def test_by_value_turns_an_infinity_into_the_limit_and_keeps_a_nan():
    (g,), report = ClipByValue(max_abs=1.0)([tf.constant([np.inf, -np.inf, np.nan])])
    np.testing.assert_array_equal(g, [1.0, -1.0, np.nan])
    assert np.isnan(report.norm_before)


def test_a_half_is_multiplied_in_float32():
    # 300 * (1 / 424.26) is 0.70711; the scale alone in bfloat16 would be 0.4 % off.
    (g,), _ = ClipByGlobalNorm(max_norm=1.0)([tf.constant([300.0, 300.0], tf.bfloat16)])
    np.testing.assert_array_equal(g, tf.constant([0.70711, 0.70711], tf.bfloat16))


@given(NUMBERS, LIMITS)
def test_norm_after_is_never_above_the_limit_and_direction_is_kept(values, max_norm):
    (g,), report = ClipByGlobalNorm(max_norm=max_norm)([tf.constant(values)])
    assert np.linalg.norm(g) <= max_norm * (1 + 1e-5)
    np.testing.assert_allclose(g, np.float32(values) * report.scale.numpy(), rtol=1e-5, atol=1e-30)


@given(st.lists(NUMBERS, min_size=1, max_size=4), LIMITS)
def test_by_norm_no_variable_is_above_the_limit_and_each_direction_is_kept(variables, max_norm):
    gradients = [tf.constant(values) for values in variables]
    clipped, _ = ClipByNorm(max_norm=max_norm)(gradients)
    for before, after in zip(map(np.float64, gradients), map(np.float64, clipped), strict=True):
        norms = np.linalg.norm(before), np.linalg.norm(after)
        assert norms[1] <= max_norm * (1 + 1e-5)
        if norms[0] >= 1e-18:  # the square of what is below is denormal
            assert np.dot(before, after) / np.prod(norms) > 1 - 1e-4


@given(NUMBERS, LIMITS)
def test_by_value_is_what_numpy_does(values, max_abs):
    (g,), _ = ClipByValue(max_abs=max_abs)([tf.constant(values)])
    limit = np.float32(max_abs)
    # TensorFlow flushes a denormal number to zero.
    np.testing.assert_allclose(g, np.clip(np.float32(values), -limit, limit), rtol=0, atol=1e-37)


@given(NUMBERS, LIMITS)
def test_a_scale_is_in_0_to_1_and_1_when_untouched(values, limit):
    for clip in (
        ClipByGlobalNorm(max_norm=limit),
        ClipByNorm(max_norm=limit),
        ClipByValue(max_abs=limit),
    ):
        _, report = clip([tf.constant(values), tf.constant(values[:1])])
        assert 0 <= report.scale <= 1 + 1e-6
        assert report.is_clipped or report.scale == 1.0


@pytest.mark.parametrize("clip", [ClipByGlobalNorm, ClipByNorm, ClipByValue])
def test_a_limit_below_the_least_normal_float32_is_refused(clip):
    field = "max_abs" if clip is ClipByValue else "max_norm"
    with pytest.raises(ValueError, match=r"^") as caught:
        clip(**{field: 1e-38})
    assert str(caught.value) == (
        f"{clip.__name__}: {field} must be at least 1.1754944e-38, the least normal float32, got"
        " 1e-38: a smaller one becomes 0 on most devices."
    )
    clip(**{field: 2.0**-126})


@pytest.mark.parametrize("limit", [0, -1.0, np.nan, np.inf, "1", None, True], ids=repr)
@pytest.mark.parametrize("clip", [ClipByGlobalNorm, ClipByNorm, ClipByValue])
def test_refuses_a_limit_that_is_none(clip, limit):
    field = "max_abs" if clip is ClipByValue else "max_norm"
    with pytest.raises(ValueError, match=r"^") as caught:
        clip(**{field: limit})
    assert str(caught.value) == (
        f"{clip.__name__}: {field} must be a finite number above 0, got {limit!r}."
        " To train without clipping, leave the clip out of the chain."
    )
