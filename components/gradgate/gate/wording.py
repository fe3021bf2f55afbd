"""The sentences of a finding: what was seen against what was expected, with both numbers."""

import math
from collections.abc import Sequence

from gradgate.contracts import Finding, Rule
from gradgate.contracts.aggregates import (
    Aggregate,
    Improvement,
    Persistence,
    Quantile,
    Rate,
    Reduce,
    Rolling,
    Slope,
    SustainedMax,
    TailMedian,
    Variation,
)
from gradgate.gate.baseline.relation import Relation
from gradgate.gate.compare import in_words
from gradgate.gate.signals import Signal, StepSignal, columns_called


def number(value: float) -> str:
    """A measured number with four digits; a count in full."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("infinity" if value > 0 else "-infinity")
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4g}"


def percent(share: float) -> str:
    """A part of a whole with four digits, such as `12.5%`."""
    return f"{number(100 * share)}%" if math.isfinite(share) else number(share)


def is_share(fn: str, signal: Signal | None) -> bool:
    """Whether an aggregate of a signal is a part of a whole, which a person reads in percent.

    Args:
        fn: Name of the aggregate.
        signal: None for one that the catalogue does not know.
    """
    is_rate = fn in {"mean", "rolling_max", "rolling_min"} and is_indicator(signal)
    return is_rate or fn in {"persistence", "improvement"}


def keeps_unit(fn: str) -> bool:
    """Whether an aggregate has the unit of the samples."""
    return fn not in {"count", "rate", "slope", "variation", "persistence", "improvement"}


def is_indicator(signal: Signal | None) -> bool:
    """Whether a sample of the signal is 0 or 1."""
    return isinstance(signal, StepSignal) and signal.kind == "indicator"


def counted(count: int, noun: str) -> str:
    """`1 sample`, `2 samples`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def what(rule: Rule, signal: Signal, value: float) -> str:
    """What went wrong, as a headline says it."""
    if _is_count(rule, signal):
        return signal.noun
    expected = f"(expected {_expected(rule, signal)})"
    if isinstance(rule.aggregate, Persistence):
        return _share(
            rule, signal, value
        )  # the fault is in the words, the limit would only blur it
    if _is_share(rule, signal):
        return f"{_share(rule, signal, value)} {expected}"
    return f"{signal.noun} {number(value)} {expected}"


def message(
    rule: Rule,
    signal: Signal,
    *,
    value: float,
    variable: str | None,
    samples: int,
    failed: int,
    judged: int,
    may_fail: int = 0,
    against: str = "",
    peak: str = "",
) -> str:
    """What was seen against what was expected, in one sentence."""
    where = f" in {variable}" if variable else ""
    if judged > 1:
        noun = columns_called(signal)
        allowed = f", and {may_fail} may" if may_fail else ""
        after = f", after the {may_fail} that may fail" if may_fail else ""
        where += (
            f" ({failed} of {judged} {noun} failed{allowed})"
            if failed
            else f" (worst of {judged}{after})"
        )
    over = f" over {counted(samples, 'sample')}" if isinstance(signal, StepSignal) else ""
    if _is_count(rule, signal):
        seen = f"{signal.noun} on {number(value)} of {counted(samples, 'step')}{where}"
    elif _is_share(rule, signal):
        seen = f"{_share(rule, signal, value, samples)}{where}"
    else:
        unit = f" {signal.unit}" if signal.unit and keeps_unit(rule.aggregate.fn) else ""
        aggregate = aggregate_in_words(rule.aggregate)
        seen = f"{aggregate} of {signal.name} is {number(value)}{unit}{where}{over}"
    seen = f"{seen}, {peak}" if peak else seen
    seen = f"{seen}; {against}" if against else seen
    return f"{seen}; expected {_expected(rule, signal)}"


def against(relation: Relation | None, value: float, column: int) -> str:
    """What a column was compared with, such as `baseline 0.82 (median of 5), ratio 50.4`.

    Args:
        relation: None where the rule compares with nothing.
        value: The ratio or difference.
        column: Which one.
    """
    if relation is None:
        return ""
    of = f" (median of {relation.of[column]})" if relation.to == "baseline" else ""
    known = number(float(relation.reference[column]))
    return f"{relation.to} {known}{of}, {relation.how} {number(value)}"


def what_against(rule: Rule, signal: Signal, compared: float) -> str:
    """What went wrong, as a headline says it, of a rule that compares."""
    how = rule.compare
    assert how is not None, rule.id
    if how.how == "ratio":
        seen = f"{number(compared)} times the {how.to}"
    else:
        seen = f"{number(abs(compared))} {'below' if compared < 0 else 'above'} the {how.to}"
    return f"{signal.noun} {seen} (expected {in_words(rule.expect)})"


def not_compared(names: Sequence[str]) -> str:
    """Which variables have no baseline, while others do."""
    shown = ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
    return f"{counted(len(names), 'variable')} not compared, since no baseline knows {shown}"


def aggregate_in_words(aggregate: Aggregate) -> str:
    """The aggregate as a person says it, such as `median of the last 10 %`."""
    if isinstance(aggregate, Reduce):
        return _REDUCED.get(aggregate.fn, aggregate.fn)
    if isinstance(aggregate, Rate):
        return f"rate in {aggregate.per}"
    if isinstance(aggregate, Quantile):
        return f"{aggregate.q:g} quantile"
    if isinstance(aggregate, Slope):
        return "slope a sample"
    if isinstance(aggregate, Variation):
        return "coefficient of variation"
    if isinstance(aggregate, Rolling):
        which = "greatest" if aggregate.fn == "rolling_max" else "least"
        return f"{which} mean of {counted(aggregate.over, 'sample')} in a row"
    if isinstance(aggregate, SustainedMax):
        return f"greatest value held for {counted(aggregate.steps, 'sample')}"
    if isinstance(aggregate, Persistence):
        return f"fraction {_OPERATORS[aggregate.op]} {aggregate.value:g}"
    if isinstance(aggregate, TailMedian):
        return f"median of the last {aggregate.portion:.0%}"
    return "relative fall"


def headline(decision: str, finding: Finding, phrase: str) -> str:
    """`BLOCK <rule>: <what> at step N in <variable>`."""
    offence = finding.first_offence
    step = f" at step {offence.step}" if offence and offence.step is not None else ""
    variable = offence.variable if offence else finding.observed.variable
    where = f" in {variable}" if variable else ""
    waived = f", waived by {', '.join(finding.waived_by)}" if finding.waived_by else ""
    return f"{decision.upper()} {finding.id}: {phrase}{step}{where}{waived}"


_REDUCED = {
    "max": "greatest value",
    "min": "least value",
    "last": "last value",
    "count": "number of samples",
}
_OPERATORS = {"==": "equal to", "<": "below", "<=": "at most", ">": "above", ">=": "at least"}


def _expected(rule: Rule, signal: Signal) -> str:
    if rule.compare is not None:
        words = in_words(rule.expect)
        if rule.compare.how == "ratio":
            return f"{words} times the {rule.compare.to}"
        return f"to differ from the {rule.compare.to} by {words}"
    return in_words(rule.expect, as_percent=_is_share(rule, signal))


def _is_share(rule: Rule, signal: Signal) -> bool:
    return is_share(rule.aggregate.fn, signal)


def _share(rule: Rule, signal: Signal, value: float, samples: int | None = None) -> str:
    aggregate = rule.aggregate
    steps, of = ("steps", "samples")
    if samples is not None:
        steps, of = counted(samples, "step"), counted(samples, "sample")
    if not math.isfinite(value):
        return f"{signal.noun} not finite on some of {of}"
    if isinstance(aggregate, Improvement):
        way = "rose" if value < 0 else "fell"
        over = "" if samples is None else f" over {steps}"
        return f"{signal.noun} {way} by {percent(abs(value))}{over}"
    if isinstance(aggregate, Persistence):
        limit = f"{_OPERATORS[aggregate.op]} {aggregate.value:g}"
        return f"{signal.noun} {limit} on {percent(value)} of {of}"
    if isinstance(aggregate, Rolling):
        stretch = f"{counted(aggregate.over, 'step')} in a row"
        way = "at most" if aggregate.fn == "rolling_max" else "at least"
        return f"{signal.noun} on {way} {percent(value)} of {stretch}"
    return f"{signal.noun} on {percent(value)} of {steps}"


def _is_count(rule: Rule, signal: Signal) -> bool:
    is_sum = isinstance(rule.aggregate, Reduce) and rule.aggregate.fn == "sum"
    return is_sum and is_indicator(signal)
