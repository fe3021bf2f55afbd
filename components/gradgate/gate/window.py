"""Which steps a rule looks at, in step numbers."""

import dataclasses
import math

from gradgate.contracts.policy import Window


@dataclasses.dataclass(frozen=True, kw_only=True)
class Steps:
    """Steps from `start` to before `stop`.

    Attributes:
        percent_of: `planned` or `observed` steps, where the window has a percentage; else empty.
    """

    start: int
    stop: int
    percent_of: str = ""


def resolve(window: Window, *, planned: int | None, stop: int) -> Steps:
    """Returns the steps of a window.

    Args:
        window: As the policy says it.
        planned: Steps that were asked for; None when nobody said, then percentages are of the
            observed steps.
        stop: One more than the last step of the record.
    """
    total = stop if planned is None else planned
    skipped = _count(window.skip_first, total)
    first = skipped
    last = stop
    if window.range is not None:
        first, last = _count(window.range[0], total), min(stop, _count(window.range[1], total))
    if window.first is not None:
        last = min(stop, _count(window.first, total))
    if window.last is not None:
        first = max(first, stop - _count(window.last, total))
    extents = (window.skip_first, window.first, window.last, *(window.range or ()))
    is_relative = any(isinstance(extent, str) for extent in extents)
    of = "" if not is_relative else ("observed" if planned is None else "planned")
    return Steps(start=first, stop=max(first, last), percent_of=of)


def _count(extent: int | str | None, total: int) -> int:
    if extent is None:
        return 0
    if isinstance(extent, int):
        return extent
    if extent == "burn-in":
        return max(10, math.ceil(total / 100))
    return math.ceil(float(extent.removesuffix("%")) / 100 * total)
