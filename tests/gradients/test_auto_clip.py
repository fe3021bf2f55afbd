import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gradgate.gradients import AutoClip, Context


def norms_after(clip, norms):
    """Returns the global norms that a training with these global norms is left with."""
    state, after = (), []
    for norm in norms:
        (g,), report = clip([tf.constant([norm])], context=Context(state=state))
        state = report.state
        after.append(float(g[0]))
    return after, state


def test_the_limit_is_the_percentile_of_the_last_norms():
    # Medians of (1), (1, 3), (1, 3, 2) and, 1 being forgotten, (3, 2, 10): 1, 2, 2 and 3.
    after, _ = norms_after(AutoClip(percentile=50, history=3), [1.0, 3.0, 2.0, 10.0])
    np.testing.assert_allclose(after, [1.0, 2.0, 2.0, 3.0], rtol=1e-6)


def test_a_percentile_between_two_norms_is_interpolated():
    # The 10th percentile of (1, 2) is 1.1.
    after, _ = norms_after(AutoClip(), [1.0, 2.0])
    np.testing.assert_allclose(after, [1.0, 1.1], rtol=1e-6)


def test_a_norm_that_is_not_finite_never_enters(bad):
    clip = AutoClip(percentile=50, history=3)
    plain, plain_state = norms_after(clip, [1.0, 3.0])
    after, state = norms_after(clip, [bad, 1.0, bad, 3.0])
    np.testing.assert_array_equal([after[1], after[3]], plain)
    for one, other in zip(state, plain_state, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_norm_that_is_remembered_is_the_one_before_the_clip():
    _, (ring, count) = norms_after(AutoClip(percentile=50, history=3), [1.0, 3.0])
    np.testing.assert_array_equal(ring, [1.0, 3.0, 0.0])
    assert count == 2


def test_equal_norms_are_never_clipped():
    after, _ = norms_after(AutoClip(percentile=37, history=5), [0.1] * 8)
    np.testing.assert_array_equal(after, np.float32([0.1] * 8))


@given(
    st.lists(st.floats(2**-10, 1e6, width=32), min_size=1, max_size=9),
    st.floats(1, 99),
    st.integers(2, 6),
)
def test_the_limit_is_what_numpy_says(norms, percentile, history):
    after, _ = norms_after(AutoClip(percentile=percentile, history=history), norms)
    limits = [
        np.percentile(norms[max(0, i + 1 - history) : i + 1], percentile) for i in range(len(norms))
    ]
    np.testing.assert_allclose(after, np.minimum(norms, limits), rtol=1e-5)


@pytest.mark.parametrize("value", [0, 100, -1.0, np.nan, "10", None, True], ids=repr)
def test_refuses_what_is_no_percentile(value):
    with pytest.raises(ValueError, match=r"^") as caught:
        AutoClip(percentile=value)
    assert str(caught.value) == (
        f"AutoClip: percentile must be a number above 0 and below 100, got {value!r}."
    )


@pytest.mark.parametrize("value", [1, 1_000_001, 10.0, "10", None, True], ids=repr)
def test_refuses_what_is_no_history(value):
    with pytest.raises(ValueError, match=r"^") as caught:
        AutoClip(history=value)
    assert str(caught.value) == (
        f"AutoClip: history must be a whole number from 2 to 1000000, got {value!r}."
    )
