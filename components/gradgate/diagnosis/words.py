"""Numbers and lists as a person reads them."""

import math
import re
from collections.abc import Sequence
from typing import Final

_MOST_NAMES: Final = 3
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./:-]{0,63}")


def number(value: float) -> str:
    """A number with three digits: `0.0312`, `12,300`, `4.1e-09`."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("infinity" if value > 0 else "-infinity")
    if 1e3 <= abs(value) < 1e7:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(share: float) -> str:
    """A part of a whole: `83%`, `0.12%`."""
    return f"{number(100 * share)}%"


def times(factor: float) -> str:
    """`12 times`."""
    return f"{number(factor)} times"


def counted(count: int, noun: str) -> str:
    """`1 layer`, `3 layers`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b, c and 4 more`."""
    known = list(dict.fromkeys(names))
    if len(known) > _MOST_NAMES + 1:
        return f"{', '.join(known[:_MOST_NAMES])} and {len(known) - _MOST_NAMES} more"
    return " and ".join(part for part in (", ".join(known[:-1]), *known[-1:]) if part)


def code(name: str) -> str:
    """A name as it may stand in a line of code that people copy: `...` unless it is plain.

    Names come from training code, and may hold anything.
    """
    return name if _PLAIN.fullmatch(name) else "..."
