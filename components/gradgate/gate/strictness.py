"""Which way a changed field of a policy points: stricter, milder, or nobody can say.

Only what holds for every training is called stricter or milder; the rest is `changed`.
"""

import math
from collections.abc import Mapping
from typing import Any, Final, Literal

from gradgate.contracts import Rule
from gradgate.contracts.baseline import DEFAULT_FLOOR
from gradgate.contracts.policy import Between, Compare, Comparison, Persistence

Direction = Literal["stricter", "milder", "changed", "neutral"]
# A greater number is stricter (1) or milder (-1). `min_samples` of the defaults is also what a
# loss must have to count as still improving.
_NUMBERS: Final[Mapping[str, int]] = {
    "min_samples": 1,
    "defaults.min_samples": 1,
    "coverage.min_steps": 1,
    "coverage.min_step_fraction": 1,
    "coverage.max_gap_steps": -1,
    "coverage.min_variable_fraction": 1,
    "max_waiver_days": -1,
}
# From mild to strict.
_SCALES: Final[Mapping[str, tuple[Any, ...]]] = {
    "severity": ("warn", "block"),
    "on_missing": ("warn", "block"),
    "when_improving": ("warn", None),
    "require_evaluator": (False, True),
    "require_trained_weights": (False, True),
    "mode": ("shadow", "enforce"),
    "baseline.on_absent": ("absolute_only", "warn", "block"),
}
# More names are stricter (1) or milder (-1).
_SETS: Final[Mapping[str, int]] = {"required_signals": 1, "shadow_rules": -1, "warn_for": -1}
# Rules show what this does to each of them; a description does nothing.
_NEUTRAL: Final = frozenset({"defaults.severity", "description"})
# The aggregate rises (1) or falls (-1) as this number of it does.
_AGGREGATES: Final[Mapping[tuple[str, str], int]] = {
    ("sustained_max", "steps"): -1,
    ("quantile", "q"): 1,
}
_Interval = tuple[float, bool, float, bool]  # low, whether it is in, high, whether it is in


def of_field(name: str, old: Any, new: Any) -> Direction:
    """Returns the direction of a field that is no expectation, aggregate or scope."""
    if name in _NEUTRAL:
        return "neutral"
    if name in _NUMBERS and _is_number(old) and _is_number(new):
        return _sign((new - old) * _NUMBERS[name])
    scale = _SCALES.get(name, ())
    if old in scale and new in scale:
        return _sign(scale.index(new) - scale.index(old))
    if name == "compare" and isinstance(old, dict) and isinstance(new, dict):
        return _of_floors(old, new)
    if name in _SETS and isinstance(old or [], list) and isinstance(new or [], list):
        return _of_sets(set(old or ()), set(new or ()), _SETS[name])
    return "changed"


def of_expect(old: Compare | Between, new: Compare | Between) -> Direction:
    """Returns the direction of an expectation: fewer numbers that pass are stricter."""
    return _of_intervals(_interval(old), _interval(new))


def of_aggregate(old: Rule, new: Rule) -> Direction:
    """Returns the direction of an aggregate, by where its rules expect the number to be."""
    if old.compare or new.compare:  # the baseline changes too
        return "changed"
    up = _points_up(old.expect), _points_up(new.expect)
    if up[0] != up[1] or up[0] is None or old.aggregate.fn != new.aggregate.fn:
        return "changed"
    one, other = (rule.aggregate.model_dump(mode="json") for rule in (old, new))
    fields = {name for name in one | other if one.get(name) != other.get(name)}
    if isinstance(old.aggregate, Persistence) and isinstance(new.aggregate, Persistence):
        if fields <= {"op", "value"}:
            rise = _rise(_holding(old.aggregate), _holding(new.aggregate))
            return "changed" if rise is None else _sign(-rise if up[0] else rise)
        return "changed"
    if len(fields) == 1:
        (name,) = fields
        sign = _AGGREGATES.get((old.aggregate.fn, name))
        if sign is not None and _is_number(one.get(name)) and _is_number(other.get(name)):
            rise = sign * (other[name] - one[name])
            return _sign(-rise if up[0] else rise)
    return "changed"


def of_scope(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Direction:
    """Returns the direction of a scope: each variable in it must satisfy the rule."""
    old, new = old or {}, new or {}
    differing = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    if differing == {"quantifier"}:
        return _of_quantifiers(old["quantifier"], new["quantifier"])
    known = {"include", "exclude", "min_rank"}
    # Where some variables may fail, a wider scope may also let more of them fail.
    if not differing <= known or old.get("quantifier", "all") != "all":
        return "changed"
    found = {
        _of_sets(set(old.get("include", ())), set(new.get("include", ())), 1),
        _of_sets(set(old.get("exclude", ())), set(new.get("exclude", ())), -1),
        _sign(old.get("min_rank", 0) - new.get("min_rank", 0)),
    } - {"neutral"}
    return found.pop() if len(found) == 1 else "changed" if found else "neutral"


def _of_floors(old: Mapping[str, Any], new: Mapping[str, Any]) -> Direction:
    """A baseline below the floor leaves the rule unknown, which is never milder than a failure."""
    differing = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    if differing != {"floor"}:
        return "changed"
    return _sign((new["floor"] or DEFAULT_FLOOR) - (old["floor"] or DEFAULT_FLOOR))


def _of_sets(old: set[Any], new: set[Any], sign: int) -> Direction:
    if old == new:
        return "neutral"
    if old < new:
        return _sign(sign)
    return _sign(-sign) if new < old else "changed"


def _of_quantifiers(old: Any, new: Any) -> Direction:
    """`all`, which is the strictest, `any`, the mildest, or so many that may fail."""
    if "all" in (old, new) or "any" in (old, new):
        ranks = [
            {"all": 0, "any": 2}.get(one, 1) if isinstance(one, str) else 1 for one in (old, new)
        ]
        return _sign(ranks[0] - ranks[1])
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        (name,) = old
        return _sign(old[name] - new[name])
    return "changed"


def _interval(expect: Compare | Between) -> _Interval:
    if isinstance(expect, Between):
        return expect.low, True, expect.high, True
    return _half(expect.op, expect.value)


def _holding(aggregate: Persistence) -> _Interval:
    return _half(aggregate.op, aggregate.value)


def _half(op: Comparison, value: float) -> _Interval:
    if op == "==":
        return value, True, value, True
    if op in {"<", "<="}:
        return -math.inf, False, value, op == "<="
    return value, op == ">=", math.inf, False


def _of_intervals(old: _Interval, new: _Interval) -> Direction:
    rise = _rise(old, new)
    return "changed" if rise is None else _sign(-rise)


def _rise(old: _Interval, new: _Interval) -> int | None:
    """1 if the new one holds all of the old and more, -1 the other way, 0 if equal, else None."""
    is_wider, is_narrower = _holds(new, old), _holds(old, new)
    if is_wider and is_narrower:
        return 0
    return 1 if is_wider else -1 if is_narrower else None


def _holds(outer: _Interval, inner: _Interval) -> bool:
    from_below = (outer[0], not outer[1]) <= (inner[0], not inner[1])
    from_above = (outer[2], outer[3]) >= (inner[2], inner[3])
    return from_below and from_above


def _points_up(expect: Compare | Between) -> bool | None:
    """Whether greater numbers pass; None where neither end is open."""
    low, _, high, _ = _interval(expect)
    if math.isinf(low) == math.isinf(high):
        return None
    return math.isinf(high)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sign(rise: float) -> Direction:
    return "neutral" if rise == 0 else "stricter" if rise > 0 else "milder"
