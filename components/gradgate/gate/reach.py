"""What numbers an aggregate of a signal can come to, and whether a rule could ever say no, or yes.

A fraction that is expected to be at most 50 is a mistake for 0.5, and such a rule would pass every
training: it protects nobody, and looks as if it did.
"""

import math
from typing import Final

from gradgate.contracts import Rule
from gradgate.contracts.aggregates import Persistence, Rate
from gradgate.contracts.policy import Between, Comparison
from gradgate.gate.compare import in_words
from gradgate.gate.signals import FactSignal, Signal
from gradgate.gate.wording import aggregate_in_words, is_indicator, number

_Range = tuple[float, float]
_ANY: Final[_Range] = (-math.inf, math.inf)
_UNIT: Final[_Range] = (0.0, 1.0)
# Of these the number lies among the samples, or between two of them.
_AMONG_SAMPLES: Final = frozenset(
    {"mean", "max", "min", "last", "quantile", "rolling_max", "rolling_min", "sustained_max"}
) | {"tail_median"}


def unreachable(rule: Rule, signal: Signal) -> tuple[tuple[str, ...], str] | None:
    """The field of a rule that decides the same of every training, and what to do; else None.

    Only limits beyond what the signal can be are meant: at most 1 of a fraction says that it must
    have been measured, and stays.
    """
    aggregate = rule.aggregate
    if isinstance(aggregate, Persistence):
        word = _constant(aggregate.op, aggregate.value, _bounds(signal))
        if word:
            said = f"{signal.name} is {_between(_bounds(signal))}, so its samples {word} are that"
            return ("aggregate", "value"), f"{said}; {_remedy(aggregate.value, _bounds(signal))}"
    if rule.compare:  # what is expected is expected of a ratio, or a difference
        return None
    reach = _reach(rule, signal)
    expect = rule.expect
    if isinstance(expect, Between):
        is_all = expect.low <= reach[0] and expect.high >= reach[1]
        is_all = is_all and reach not in {(expect.low, expect.high), _ANY}
        is_none = expect.high < reach[0] or expect.low > reach[1]
        word, field, value = "always" if is_all else "never" if is_none else "", "high", expect.high
    else:
        word, field, value = _constant(expect.op, expect.value, reach), "value", expect.value
    if not word:
        return None
    said = f"{aggregate_in_words(aggregate)} of {signal.name} is {_between(reach)}, so it {word} is"
    return ("expect", field), f"{said} {in_words(expect)}; {_remedy(value, reach)}"


def _reach(rule: Rule, signal: Signal) -> _Range:
    """Least and greatest finite number that the rule's aggregate can be."""
    aggregate, (low, high) = rule.aggregate, _bounds(signal)
    if aggregate.fn in _AMONG_SAMPLES or isinstance(signal, FactSignal):
        return low, high
    if isinstance(aggregate, Persistence):
        return _UNIT
    if isinstance(aggregate, Rate):
        return 0.0, float(aggregate.per)
    if aggregate.fn in {"count", "variation"} or (aggregate.fn == "sum" and low >= 0):
        return 0.0, math.inf
    return _ANY


def _bounds(signal: Signal) -> _Range:
    return _UNIT if is_indicator(signal) else signal.bounds


def _constant(op: Comparison, value: float, reach: _Range) -> str:
    """`always` or `never` where the comparison is that of every number in reach; else empty."""
    low, high = reach
    if op in {"<", "<="}:
        is_never = value < low or (op == "<" and value == low)
        return "always" if value > high else "never" if is_never else ""
    if op in {">", ">="}:
        is_never = value > high or (op == ">" and value == high)
        return "always" if value < low else "never" if is_never else ""
    return "never" if not low <= value <= high else ""


def _between(reach: _Range) -> str:
    low, high = reach
    if math.isinf(high):
        return f"at least {number(low)}"
    return f"from {number(low)} to {number(high)}"


def _remedy(value: float, reach: _Range) -> str:
    if reach == _UNIT and 1 < value <= 100:
        return f"for {number(value)}% write {number(value / 100)}"
    return "give a limit that a training can keep, and can break"
