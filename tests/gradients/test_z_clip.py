import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gradgate.gradients import Context, ZClip

# After a warm-up of two norms, 1 and 3, the mean is 2 and the variance 1.
SMALL = ZClip(z_threshold=2.0, decay=0.5, warmup=2, max_norm=None)


def norms_after(clip, norms):
    """Returns the global norms that a training with these global norms is left with."""
    state, after = (), []
    for norm in norms:
        (g,), report = clip([tf.constant([norm])], context=Context(state=state))
        state = report.state
        after.append(float(g[0]))
    return after, state


def test_the_warm_up_takes_mean_and_variance_and_clips_nothing():
    after, (moments, count) = norms_after(SMALL, [1.0, 3.0])
    assert after == [1.0, 3.0]
    np.testing.assert_allclose(moments, [2.0, 1.0])
    assert count == 2


def test_an_outlier_is_brought_back_and_enters_as_it_was_left():
    # z = (6 - 2) / 1 = 4, above 2: the limit is 2 + 2 * 1 / (4 / 2) = 3. The mean becomes
    # (2 + 3) / 2 = 2.5, the variance (1 + 0.5^2) / 2 = 0.625.
    after, (moments, _) = norms_after(SMALL, [1.0, 3.0, 6.0])
    np.testing.assert_allclose(after[-1], 3.0, rtol=1e-5)
    np.testing.assert_allclose(moments, [2.5, 0.625], rtol=1e-5)


def test_what_is_no_outlier_is_left_alone():
    # z = (3.9 - 2) / 1 = 1.9.
    after, _ = norms_after(SMALL, [1.0, 3.0, 3.9])
    assert after[-1] == np.float32(3.9)


def test_the_absolute_limit_holds_always_and_is_not_remembered():
    clip = ZClip(z_threshold=2.0, decay=0.5, warmup=2, max_norm=0.5)
    after, (moments, _) = norms_after(clip, [1.0, 3.0, 6.0])
    np.testing.assert_allclose(after, [0.5, 0.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(moments, [2.5, 0.625], rtol=1e-5)


def test_a_norm_that_is_not_finite_never_enters(bad):
    plain, plain_state = norms_after(SMALL, [1.0, 3.0, 6.0, 9.0])
    after, state = norms_after(SMALL, [bad, 1.0, bad, 3.0, bad, 6.0, 9.0])
    np.testing.assert_array_equal([after[i] for i in (1, 3, 5, 6)], plain)
    for one, other in zip(state, plain_state, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_norm_whose_square_overflows_does_not_turn_it_off():
    # The mean of 1e30 and 3e30 is 2e30, their deviation 1e30: as above.
    after, (moments, _) = norms_after(SMALL, [1e30, 3e30, 6e30])
    np.testing.assert_allclose(after[-1], 3e30, rtol=1e-5)
    np.testing.assert_allclose(moments, [2.5e30, 0.625e60], rtol=1e-5)


def reference(norms, *, z_threshold, decay, warmup):
    """The algorithm of the paper on plain numbers."""
    seen, after = [], []
    for norm in norms:
        if len(seen) < warmup:
            seen.append(norm)
            mean, variance = np.mean(seen), np.var(seen)
            after.append(norm)
            continue
        deviation = np.sqrt(variance)
        z = (norm - mean) / (deviation + 1e-6)
        left = mean + z_threshold * deviation / (z / z_threshold) if z > z_threshold else norm
        after.append(left)
        mean = decay * mean + (1 - decay) * left
        variance = decay * variance + (1 - decay) * (left - mean) ** 2
    return after


@given(
    st.lists(st.floats(0.125, 1e3, width=32), min_size=1, max_size=12),
    st.floats(0.5, 4),
    st.floats(0.1, 0.99),
    st.integers(2, 6),
)
def test_it_is_the_algorithm_of_the_paper(norms, z_threshold, decay, warmup):
    numbers = {"z_threshold": z_threshold, "decay": decay, "warmup": warmup}
    after, _ = norms_after(ZClip(**numbers, max_norm=None), norms)
    # A variance of rounding errors, where all norms were equal, makes any z.
    np.testing.assert_allclose(after, reference(norms, **numbers), rtol=1e-4)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "z_threshold",
            0,
            (
                "z_threshold must be a finite number above 0, got 0. To train without clipping,"
                " leave the clip out of the chain."
            ),
        ),
        ("decay", 1.0, "decay must be a number above 0 and below 1, got 1.0."),
        ("warmup", 1, "warmup must be a whole number from 2 to 1000000, got 1."),
        (
            "max_norm",
            0.0,
            "max_norm must be a finite number above 0, got 0.0. For no absolute limit, give None.",
        ),
    ],
)
def test_refuses_what_it_cannot_work_with(field, value, message):
    with pytest.raises(ValueError, match=r"^") as caught:
        ZClip(**{field: value})
    assert str(caught.value) == f"ZClip: {message}"
