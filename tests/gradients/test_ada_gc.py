import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import AdaGC, Context

SMALL = AdaGC(ratio=2.0, decay=0.5, warmup=2, max_norm=5.0)
WARM = [(3.0, 4.0), (6.0, 8.0)]  # what the usual norms are after: 3 and 4


def norms_after(clip, steps):
    """Returns the norms of each variable that a training with these norms is left with."""
    state, after = (), []
    for norms in steps:
        gradients = [None if norm is None else tf.constant([norm]) for norm in norms]
        clipped, report = clip(gradients, context=Context(state=state))
        state = report.state
        after.append([None if g is None else float(g[0]) for g in clipped])
    return after, state


def test_the_warm_up_clips_by_global_norm_and_takes_the_least():
    # ||(3, 4)|| = 5 is at the limit; ||(6, 8)|| = 10 is halved.
    after, (usual, count) = norms_after(SMALL, WARM)
    np.testing.assert_allclose(after, [(3, 4), (3, 4)], rtol=1e-6)
    np.testing.assert_allclose(usual, [3, 4], rtol=1e-6)
    assert count == 2


def test_each_variable_is_held_to_a_multiple_of_its_own_usual_norm():
    # Limits 6 and 8. Usual norms become (3 + 6) / 2 and (4 + 2) / 2.
    after, (usual, _) = norms_after(SMALL, [*WARM, (100.0, 2.0)])
    np.testing.assert_allclose(after[-1], (6, 2), rtol=1e-6)
    np.testing.assert_allclose(usual, [4.5, 3.0], rtol=1e-6)


def test_one_that_explodes_takes_no_other_along():
    after, _ = norms_after(SMALL, [*WARM, (1e33, 2.0)])
    np.testing.assert_allclose(after[-1], (6, 2), rtol=1e-6)


def test_one_that_is_not_finite_leaves_its_average_and_the_others_go_on(bad):
    # As above for the second: (4 + 2) / 2.
    _, (usual, count) = norms_after(SMALL, [*WARM, (bad, 2.0)])
    np.testing.assert_allclose(usual, [3.0, 3.0], rtol=1e-6)
    assert count == 3


def test_a_step_that_is_not_finite_is_no_part_of_the_warm_up(bad):
    after, (usual, count) = norms_after(SMALL, [(bad, 1.0), *WARM])
    assert after[0][1] == 1.0
    np.testing.assert_allclose(usual, [3, 4], rtol=1e-6)
    assert count == 2


@pytest.mark.parametrize("nothing", [0.0, None], ids=["zero", "none"])
def test_a_gradient_of_zero_does_not_freeze_a_variable(nothing):
    # The first that is not zero, after the warm-up, is taken for the usual one.
    steps = [(nothing, 4.0), (nothing, 4.0), (7.0, 4.0), (100.0, 4.0)]
    after, (usual, _) = norms_after(SMALL, steps)
    assert after[2][0] == 7.0
    np.testing.assert_allclose(after[3][0], 14.0, rtol=1e-6)
    np.testing.assert_allclose(usual[0], (7 + 14) / 2, rtol=1e-6)


def test_a_zero_later_leaves_the_average_as_it_is():
    _, (usual, _) = norms_after(SMALL, [*WARM, (0.0, 4.0)])
    np.testing.assert_allclose(usual, [3.0, 4.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("ratio", None, "ratio must be a finite number above 0, got None. The paper's is 1.05."),
        (
            "ratio",
            0.9,
            (
                "ratio must be at least 1, got 0.9: below, each step would lower the limit of the"
                " next. The paper's is 1.05."
            ),
        ),
        ("decay", 0, "decay must be a number above 0 and below 1, got 0."),
        ("warmup", 0, "warmup must be a whole number from 1 to 1000000, got 0."),
        (
            "max_norm",
            -1,
            (
                "max_norm must be a finite number above 0, got -1. To train without clipping, leave"
                " the clip out of the chain."
            ),
        ),
    ],
)
def test_refuses_what_it_cannot_work_with(field, value, message):
    with pytest.raises(ValueError, match=r"^") as caught:
        AdaGC(**{field: value})
    assert str(caught.value) == f"AdaGC: {message}"
