"""The samples around a first offence as a small drawing, in SVG that needs nothing from outside.

A non-finite sample is a cross at the upper edge: a line cannot show it, and it must be seen.
"""

import dataclasses
import math
from collections.abc import Sequence

from gradgate.contracts.verdict import Finding, Sample
from gradgate.gate.signals import CATALOGUE
from gradgate.gate.wording import is_indicator, number

WIDTH, HEIGHT = 640.0, 132.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 8.0, 8.0, 22.0, 22.0
_CROSS = 8.0
# Aggregates that lie where the samples lie, so that one limit holds for both.
_OF_SAMPLES = frozenset(
    {
        "max",
        "min",
        "last",
        "mean",
        "quantile",
        "rolling_max",
        "rolling_min",
        "sustained_max",
        "tail_median",
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
    """What the template draws; all places are in units of the view box.

    Attributes:
        lines: Point lists of the finite stretches, one each.
        dots: Finite samples.
        crosses: Non-finite samples.
        offence: Place of the first offence from the left; None when it is not in the excerpt.
        limit: Place of the limit from the top; None when the signal is not compared to one.
    """

    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    crosses: tuple[tuple[float, float], ...]
    offence: float | None
    limit: float | None
    first_step: str
    last_step: str
    least: str
    greatest: str
    is_logarithmic: bool
    label: str


def draw(finding: Finding) -> Drawing | None:
    """Returns the drawing of a finding; None when there is nothing to draw."""
    offence = finding.first_offence
    if offence is None or len(offence.excerpt) < 2:
        return None
    samples = offence.excerpt
    bound = _limit_of(finding)
    finite = [s.value for s in samples if math.isfinite(s.value)]
    values = finite + ([bound] if bound is not None else [])
    if is_indicator(CATALOGUE.get(finding.signal)):  # all are 0 or 1, so a level says which
        finite = values = [0.0, 1.0]
        bound = bound if bound is not None and 0 <= bound <= 1 else None
    is_logarithmic = bool(values) and min(values) > 0 and max(values) > 1000 * min(values)
    scale = _Scale(values, is_logarithmic=is_logarithmic)
    first, last = samples[0].step, samples[-1].step
    at = [
        _LEFT + (s.step - first) / max(last - first, 1) * (WIDTH - _LEFT - _RIGHT) for s in samples
    ]
    points = [
        (round(x, 1), scale.place(s.value)) if math.isfinite(s.value) else None
        for x, s in zip(at, samples, strict=True)
    ]
    marked = [x for x, s in zip(at, samples, strict=True) if s.step == offence.step]
    return Drawing(
        lines=_stretches(points),
        dots=tuple(point for point in points if point),
        crosses=tuple(
            (round(x, 1), _CROSS) for x, s in zip(at, samples, strict=True) if _is_bad(s)
        ),
        offence=round(marked[0], 1) if marked else None,
        limit=scale.place(bound) if bound is not None else None,
        first_step=str(first),
        last_step=str(last),
        least=number(min(finite)) if finite else "",
        greatest=number(max(finite)) if finite else "",
        is_logarithmic=is_logarithmic,
        label=f"{finding.signal}, steps {first} to {last}",
    )


def _is_bad(sample: Sample) -> bool:
    return not math.isfinite(sample.value)


def _limit_of(finding: Finding) -> float | None:
    """The limit that single samples are compared with, if there is one."""
    if finding.compare:
        return _limit_against(finding)
    source = finding.aggregate
    fn = str(source.get("fn"))
    if fn in _OF_SAMPLES:
        source = finding.expect
    elif fn != "persistence":
        return None
    value = source.get("value")
    return float(value) if isinstance(value, int | float) else None


def _limit_against(finding: Finding) -> float | None:
    """The limit of a ratio to a baseline, or a difference from it, where the samples lie."""
    offence, value = finding.first_offence, finding.expect.get("value")
    place = offence.variable if offence else None
    each = (finding.observed, *finding.worst)
    baseline = next((seen.baseline for seen in each if seen.variable == place), None)
    is_known = baseline is not None and finding.aggregate.get("fn") in _OF_SAMPLES
    if not is_known or baseline is None or not isinstance(value, int | float):
        return None
    compare = finding.compare or {}
    limit = value + baseline if compare.get("as") == "difference" else value * baseline
    return limit if math.isfinite(limit) else None


class _Scale:
    """From a value to a place from the top."""

    def __init__(self, values: Sequence[float], *, is_logarithmic: bool) -> None:
        self._is_logarithmic = is_logarithmic
        moved = [self._moved(value) for value in values] or [0.0]
        self._low, self._high = min(moved), max(moved)

    def place(self, value: float) -> float:
        span = self._high - self._low
        share = (self._moved(value) - self._low) / span if span > 0 else 0.5
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    def _moved(self, value: float) -> float:
        return math.log10(value) if self._is_logarithmic else value


def _stretches(points: Sequence[tuple[float, float] | None]) -> tuple[str, ...]:
    lines: list[list[str]] = [[]]
    for point in points:
        if point is None:
            lines.append([])
        else:
            lines[-1].append(f"{point[0]},{point[1]}")
    return tuple(" ".join(line) for line in lines if len(line) > 1)
