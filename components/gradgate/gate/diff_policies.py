"""What a new policy changes: what was added, removed, became stricter or milder, rule by rule.

"Stricter" means that no training is decided more mildly by it, "milder" that none is decided more
strictly; what could be either is "changed", and is to be looked at. One exception is left to the
reader: a rule whose scope finds no variable at all is unknown, and a wider scope can end that.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from gradgate.contracts import Policy, Rule
from gradgate.gate.compare import in_words
from gradgate.gate.strictness import Direction, of_aggregate, of_expect, of_field, of_scope

_ORDER: Final = {"removed": 0, "milder": 1, "changed": 2, "added": 3, "stricter": 4, "neutral": 5}
# What is compared rule by rule, or says nothing of a training.
_APART: Final = frozenset({"rules", "metadata", "apiVersion", "kind"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One field that differs.

    Attributes:
        subject: Id of the rule; or `policy` for what holds for all of it.
        is_rule: Whether the subject is a rule.
        direction: `added` and `removed` are of whole rules. `neutral` changes no decision.
        field: Such as `expect` or `coverage.min_steps`; empty for a whole rule.
        old, new: As people read them; empty where there is none.
    """

    subject: str
    is_rule: bool
    direction: Direction | Literal["added", "removed"]
    field: str = ""
    old: str = ""
    new: str = ""

    @property
    def may_be_milder(self) -> bool:
        """Whether a training could be decided more mildly because of it."""
        return self.direction in {"removed", "milder", "changed"}


def diff_policies(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Returns every change, what may be milder first."""
    before = {rule.id: rule for rule in old.rules}
    after = {rule.id: rule for rule in new.rules}
    changes = [
        *(_whole(new, after[name], "added") for name in after if name not in before),
        *(_whole(old, before[name], "removed") for name in before if name not in after),
        *_of_policy(old, new),
    ]
    for name, rule in after.items():
        if name in before:
            changes += _of_rule(old, before[name], new, rule)
    return tuple(sorted(changes, key=lambda change: _ORDER[change.direction]))


def _whole(policy: Policy, rule: Rule, direction: Literal["added", "removed"]) -> Change:
    level = {"block": "blocks", "warn": "warns"}[policy.severity_of(rule)]
    text = f"{rule.aggregate.fn} of {rule.signal} {in_words(rule.expect)}, {level}"
    side = {"new": text} if direction == "added" else {"old": text}
    return Change(subject=rule.id, is_rule=True, direction=direction, **side)


def _of_rule(old: Policy, before: Rule, new: Policy, after: Rule) -> Iterator[Change]:
    one, other = _rule(old, before), _rule(new, after)
    for field in dict.fromkeys((*one, *other)):
        was, becomes = one.get(field), other.get(field)
        if was == becomes:
            continue
        if field == "expect":
            direction = of_expect(before.expect, after.expect)
            if before.compare != after.compare:  # the numbers are of different things
                direction = "changed"
            said = in_words(before.expect), in_words(after.expect)
        elif field == "aggregate":
            direction = of_aggregate(before, after)
            said = _said(was), _said(becomes)
        elif field == "scope":
            direction = of_scope(was, becomes)
            said = _said(was), _said(becomes)
        else:
            direction = of_field(field, was, becomes)
            said = _said(was), _said(becomes)
        yield Change(
            subject=after.id,
            is_rule=True,
            direction=direction,
            field=field,
            old=said[0],
            new=said[1],
        )


def _rule(policy: Policy, rule: Rule) -> dict[str, Any]:
    """The rule as plain values, with what it takes from the policy's defaults."""
    severity = policy.severity_of(rule)
    return rule.model_dump(mode="json", by_alias=True) | {
        "severity": severity,
        "min_samples": policy.min_samples_of(rule),
        "on_missing": rule.on_missing or severity,
    }


def _of_policy(old: Policy, new: Policy) -> Iterator[Change]:
    one, other = (_flat(policy.model_dump(mode="json", by_alias=True)) for policy in (old, new))
    for field in sorted(one | other):
        was, becomes = one.get(field), other.get(field)
        if was != becomes:
            yield Change(
                subject="policy",
                is_rule=False,
                direction=of_field(field, was, becomes),
                field=field,
                old=_said(was),
                new=_said(becomes),
            )


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the policy as a whole by their dotted names."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        if name in _APART:
            continue
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": field for inner, field in value.items()}
        else:
            flat[name] = value
    return flat


def _said(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)
