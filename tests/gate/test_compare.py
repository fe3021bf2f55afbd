"""Comparisons, at the edges of floating point too."""

import math

import numpy as np
import pytest

from gradgate.contracts.policy import Between, Compare
from gradgate.gate.compare import badness, holds, in_words

LIMIT = 0.5
ABOVE, BELOW = math.nextafter(LIMIT, 1), math.nextafter(LIMIT, 0)


@pytest.mark.parametrize(
    ("op", "below", "equal", "above"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        ("==", False, True, False),
        (">=", False, True, True),
        (">", False, False, True),
    ],
)
def test_one_ulp_decides(op, below, equal, above):
    values = np.array([BELOW, LIMIT, ABOVE])
    assert holds(Compare(op=op, value=LIMIT), values).tolist() == [below, equal, above]


def test_between_includes_its_ends():
    expect = Between(op="between", low=BELOW, high=ABOVE)
    inside = np.array([BELOW, LIMIT, ABOVE])
    outside = np.array([math.nextafter(BELOW, 0), math.nextafter(ABOVE, 1)])
    assert holds(expect, inside).all()
    assert not holds(expect, outside).any()


@pytest.mark.parametrize("op", ["<", "<=", "==", ">=", ">"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_passes_nothing(op, value):
    for limit in (-1e308, 0.0, 1e308):
        assert not holds(Compare(op=op, value=limit), np.array([value])).any()
    assert not holds(Between(op="between", low=-1e308, high=1e308), np.array([value])).any()


def test_zero_has_no_sign_and_subnormals_are_numbers():
    assert holds(Compare(op="==", value=0.0), np.array([-0.0])).all()
    assert not holds(Compare(op="==", value=0.0), np.array([5e-324])).any()


def test_worse_is_further_on_the_wrong_side_and_not_finite_is_worst():
    values = np.array([3.0, math.nan, -5.0, 0.5])
    order = {
        "<": [math.nan, 3.0, 0.5, -5.0],
        ">": [math.nan, -5.0, 0.5, 3.0],
        "==": [math.nan, -5.0, 3.0, 0.5],
    }
    for op, expected in order.items():
        distance = badness(Compare(op=op, value=0.0), values)
        got = values[np.argsort(-distance, kind="stable")]
        np.testing.assert_array_equal(got, expected)
    between = badness(Between(op="between", low=0.0, high=1.0), values)
    np.testing.assert_array_equal(between, [2.0, math.inf, 5.0, -0.5])


def test_expectations_in_words():
    assert in_words(Compare(op="<=", value=0.5)) == "at most 0.5"
    assert in_words(Between(op="between", low=0.2, high=5)) == "from 0.2 to 5"
