"""The sentences of a finding: what was seen against what was expected, with both numbers."""

import math

from gradgate.contracts import Finding, Rule
from gradgate.contracts.policy import (
    Aggregate,
    Improvement,
    Persistence,
    Reduce,
    SustainedMax,
    TailMedian,
)
from gradgate.gate.compare import in_words
from gradgate.gate.signals import Signal, StepSignal


def number(value: float) -> str:
    """A measured number with four digits; a count in full."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("infinity" if value > 0 else "-infinity")
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4g}"


def what(rule: Rule, signal: Signal, value: float) -> str:
    """What went wrong, as a headline says it."""
    aggregate = rule.aggregate
    if isinstance(aggregate, Persistence):
        limit = f"{_OPERATORS[aggregate.op]} {aggregate.value:g}"
        return f"{signal.noun} {limit} on {_percent(value)} of samples"
    if isinstance(aggregate, Improvement):
        return f"{signal.noun} fell by {_percent(value)} (expected {in_words(rule.expect)})"
    if _is_count(rule, signal):
        return signal.noun
    return f"{signal.noun} {number(value)} (expected {in_words(rule.expect)})"


def message(
    rule: Rule,
    signal: Signal,
    *,
    value: float,
    variable: str | None,
    samples: int,
    failed: int,
    judged: int,
) -> str:
    """What was seen against what was expected, in one sentence."""
    where = f" in {variable}" if variable else ""
    if judged > 1:
        where += f" ({failed} of {judged} variables failed)" if failed else f" (worst of {judged})"
    if _is_count(rule, signal) and isinstance(signal, StepSignal):
        seen = f"{signal.noun} on {number(value)} of {samples} steps"
    else:
        unit = f" {signal.unit}" if signal.unit and not isinstance(rule.aggregate, _RATIOS) else ""
        seen = f"{aggregate_in_words(rule.aggregate)} of {signal.name} is {number(value)}{unit}"
        where += f" over {samples} samples" if isinstance(signal, StepSignal) else ""
    return f"{seen}{where}; expected {in_words(rule.expect)}"


def aggregate_in_words(aggregate: Aggregate) -> str:
    """The aggregate as a person says it, such as `median of the last 10 %`."""
    if isinstance(aggregate, Reduce):
        return {"max": "greatest value", "min": "least value", "last": "last value"}.get(
            aggregate.fn, aggregate.fn
        )
    if isinstance(aggregate, SustainedMax):
        return f"greatest value held for {aggregate.steps} samples"
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
    return f"{decision.upper()} {finding.id}: {phrase}{step}{where}"


_RATIOS = (Persistence, Improvement)
_OPERATORS = {"==": "equal to", "<": "below", "<=": "at most", ">": "above", ">=": "at least"}


def _is_count(rule: Rule, signal: Signal) -> bool:
    is_indicator = isinstance(signal, StepSignal) and signal.kind == "indicator"
    return isinstance(rule.aggregate, Reduce) and rule.aggregate.fn == "sum" and is_indicator


def _percent(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else number(value)
