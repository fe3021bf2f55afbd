"""What a rule on a baseline asks of its own number: between which limits that must lie.

The ratio to a constant and the difference from one are monotone, rounding included. So the numbers
for which a comparison holds are all those from one float to another, and both are found by halving
the floats there are, 64 times. Who follows the number itself needs nothing else.
"""

from collections.abc import Callable

import numpy as np

from gradgate.contracts.policy import Between, Compare
from gradgate.gate.aggregates.keys import keys_of, values_of
from gradgate.gate.baseline.relation import Relation
from gradgate.gate.compare import Limits, compare
from gradgate.gate.evidence import Bools, Float64s

_MOST = float(np.finfo(np.float64).max)
_Test = Callable[[Float64s], Bools]


def raw_limits(expect: Compare | Between, relation: Relation, part: slice = slice(None)) -> Limits:
    """Returns the limits of some columns, or of all."""
    reference = relation.reference[part]
    rises = np.full(len(reference), relation.how != "ratio") | (reference > 0)

    def is_high_enough(raw: Float64s) -> Bools:
        return _is_high_enough(expect, relation.compared(raw, part))

    def is_low_enough(raw: Float64s) -> Bools:
        return _is_low_enough(expect, relation.compared(raw, part))

    def begins(raw: Float64s) -> Bools:
        return np.where(rises, is_high_enough(raw), is_low_enough(raw))

    def lasts(raw: Float64s) -> Bools:
        return np.where(rises, is_low_enough(raw), is_high_enough(raw))

    low = _first(begins, len(reference))
    beyond = _first(lambda raw: ~lasts(raw), len(reference))
    with np.errstate(over="ignore"):  # below the least finite number lies -inf: nothing passes
        high = np.nextafter(beyond, -np.inf)
    return Limits(low=low, high=high)


def _is_high_enough(expect: Compare | Between, values: Float64s) -> Bools:
    if isinstance(expect, Between):
        return values >= expect.low
    if expect.op in {"<", "<="}:
        return compare(values, ">=", -_MOST)
    return compare(values, ">" if expect.op == ">" else ">=", expect.value)


def _is_low_enough(expect: Compare | Between, values: Float64s) -> Bools:
    if isinstance(expect, Between):
        return values <= expect.high
    if expect.op in {">", ">="}:
        return compare(values, "<=", _MOST)
    return compare(values, "<" if expect.op == "<" else "<=", expect.value)


def _first(test: _Test, size: int) -> Float64s:
    """The first float, for each column, from which on a test holds; infinity if it never does."""
    low = keys_of(np.full(size, -_MOST))
    high = keys_of(np.full(size, _MOST)) + np.uint64(1)
    while (low < high).any():
        middle = low + (high - low) // np.uint64(2)
        is_there = test(values_of(middle))
        is_open = low < high
        high = np.where(is_open & is_there, middle, high)
        low = np.where(is_open & ~is_there, middle + np.uint64(1), low)
    return values_of(high)
