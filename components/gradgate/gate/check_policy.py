"""Whether the rules of a policy make sense: does the signal exist, does the aggregate fit it.

A document can have the right form and still ask for what nobody measures; that is said before a
model is judged, not by a rule that stays unknown for ever.
"""

import difflib
from collections.abc import Iterator

from gradgate.contracts import Policy, Rule
from gradgate.contracts.aggregates import Improvement, Quantile, Reduce, TailMedian, Variation
from gradgate.gate.places import Path, short
from gradgate.gate.reach import unreachable
from gradgate.gate.signals import CATALOGUE, FactSignal, Signal, columns_called, per_variable

_OF_MAGNITUDES = (Improvement, TailMedian, Quantile, Variation)


def check_policy(policy: Policy) -> list[tuple[Path, str]]:
    """Returns the fields that make no sense, each with what to do."""
    problems: list[tuple[Path, str]] = []
    for place, rule in enumerate(policy.rules):
        signal = CATALOGUE.get(rule.signal)
        found = _unknown(rule.signal) if signal is None else _misfits(rule, signal)
        problems += [(("rules", place, *path), text) for path, text in found]
    return [*problems, *_shadows(policy), *_required(policy), *_anchors(policy)]


def did_you_mean(word: str, known: list[str], *, cutoff: float = 0.5) -> str:
    """` did you mean X?`, if one of the known words is close; else empty."""
    if len(word) > 100:
        return ""
    close = difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
    return f" did you mean {close[0]}?" if close else ""


def _shadows(policy: Policy) -> Iterator[tuple[Path, str]]:
    known = [rule.id for rule in policy.rules]
    for place, name in enumerate(policy.shadow_rules):
        if name not in known:
            hint = did_you_mean(name, known)
            yield (
                ("shadow_rules", place),
                f"there is no rule {short(name)};{hint} the rules are {', '.join(known)}",
            )
        elif name in policy.shadow_rules[:place]:
            yield ("shadow_rules", place), f"{short(name)} stands twice; keep one"


def _required(policy: Policy) -> Iterator[tuple[Path, str]]:
    for place, name in enumerate(policy.required_signals):
        if name not in CATALOGUE:
            yield ("required_signals", place), _no_signal(name)
        elif name in policy.required_signals[:place]:
            yield ("required_signals", place), f"{short(name)} stands twice; keep one"


def _anchors(policy: Policy) -> Iterator[tuple[Path, str]]:
    pinned = policy.baseline.anchor
    to_anchor = [i for i, r in enumerate(policy.rules) if r.compare and r.compare.to == "anchor"]
    if pinned and not to_anchor:
        text = "no rule compares with it; write compare: {to: anchor} in one, or remove the anchor"
        yield ("baseline", "anchor"), text
    for place in to_anchor if pinned is None else ():
        text = "there is no anchor; pin the id of a verdict in baseline.anchor"
        yield ("rules", place, "compare", "to"), text


def _unknown(name: str) -> Iterator[tuple[Path, str]]:
    yield ("signal",), _no_signal(name)


def _no_signal(name: str) -> str:
    hint = did_you_mean(name, list(CATALOGUE))
    rest = "" if hint else f" the signals are {', '.join(CATALOGUE)}"
    return f"there is no signal {short(name)};{hint}{rest}"


def _misfits(rule: Rule, signal: Signal) -> Iterator[tuple[Path, str]]:
    if not per_variable(signal) and "scope" in rule.model_fields_set:
        yield ("scope",), f"{signal.name} is of the run as a whole and has no scope; remove it"
    if (noun := columns_called(signal)) != "variables" and rule.scope.min_rank:
        yield ("scope", "min_rank"), f"{signal.name} is of {noun}, which have no rank; remove it"
    for kind, globs in (("include", rule.scope.include), ("exclude", rule.scope.exclude)):
        for place, glob in enumerate(globs):
            if not glob:
                yield ("scope", kind, place), "is empty and matches nothing; remove it"
    if rule.when_improving and never_mild(signal):
        text = f"{signal.name} is never harmless, however well the loss falls; remove it"
        yield ("when_improving",), text
    if rule.warn_for and never_mild(signal):
        yield ("warn_for",), f"{signal.name} is harmless to no optimizer; remove it"
    if rule.compare and rule.compare.how == "ratio" and never_mild(signal):
        text = f"{signal.name} is 0 in a healthy training, so there is no ratio to it"
        yield ("compare",), f"{text}; compare as difference"
    if isinstance(signal, FactSignal):
        yield from _misfits_of_fact(rule, signal)
    elif signal.kind == "indicator" and isinstance(rule.aggregate, _OF_MAGNITUDES):
        text = f"{rule.aggregate.fn} does not fit {signal.name}, which is 0 or 1 at every step"
        yield ("aggregate", "fn"), f"{text}; use sum, mean or persistence"
    elif signal.kind == "measure" and rule.aggregate.fn in {"sum", "rate"}:
        text = f"{rule.aggregate.fn} does not fit {signal.name}, a magnitude"
        yield ("aggregate", "fn"), f"{text}; use mean, max, min or last"
    if rule.aggregate.fn in {"slope", "variation"} and rule.min_samples == 1:
        yield ("min_samples",), f"a single sample has no {rule.aggregate.fn}; ask for 2 or more"
    beyond = unreachable(rule, signal)
    if beyond is not None:
        yield beyond


def never_mild(signal: Signal) -> bool:
    """Whether a failure means that numbers or wiring are broken, whatever the loss does."""
    return isinstance(signal, FactSignal) or "nonfinite" in signal.name


def _misfits_of_fact(rule: Rule, signal: FactSignal) -> Iterator[tuple[Path, str]]:
    if not isinstance(rule.aggregate, Reduce) or rule.aggregate.fn == "count":
        yield (
            ("aggregate", "fn"),
            f"{rule.aggregate.fn} needs steps, and {signal.name} is known once; use sum",
        )
    if "window" in rule.model_fields_set:
        yield ("window",), f"{signal.name} is known once and has no steps; remove the window"
    if (rule.min_samples or 1) > 1:
        yield ("min_samples",), f"{signal.name} is known once, so 1 sample is all; remove it"
