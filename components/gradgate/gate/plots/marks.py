"""What went wrong, drawn across a picture.

Where a rule was first broken a broken line goes through the whole picture, with the step and the
rule above it; `+2` counts the others that were broken there. Where something was not finite the
ground is coloured and crosses stand at its upper edge.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.plots.frame import LABELLED, MARK, TEXT, Frame
from gradgate.gate.plots.scene import Mark
from gradgate.gate.plots.sheet import cut

_BOLD: Final = 0.6  # width of a bold letter over its size


def draw_marks(frame: Frame, marks: Sequence[Mark]) -> None:
    """Draws where rules were first broken, those of the worst findings with their names."""
    named = [mark for mark in marks if mark.rank < LABELLED]
    rows = {mark.step: i for i, mark in enumerate(named)}
    for mark in marks:
        x, row = frame.x(mark.step), rows.get(mark.step)
        y = frame.top if row is None else frame.top - (len(rows) - row) * MARK + 2
        frame.sheet.line("under", x, frame.top, x, frame.bottom)
        frame.sheet.line(f"mark {mark.level}", x, y, x, frame.bottom)
    for mark in marks:
        if mark.step in rows:
            y = frame.top - (len(rows) - rows[mark.step]) * MARK + 6
            _draw_flag(frame, mark, frame.x(mark.step), y)


def _draw_flag(frame: Frame, mark: Mark, x: float, y: float) -> None:
    """Writes step and rule at the right of the line if they fit, else where there is more room."""
    more = f" +{len(mark.rules) - 1}" if len(mark.rules) > 1 else ""
    step = f"step {mark.step}: "
    right, left = frame.sheet.width - x - 5, x - 5
    letters = int(max(right, left) / (TEXT * _BOLD)) - len(step) - len(more)
    text = f"{step}{cut(mark.rules[0], max(letters, 8))}{more}"
    if right >= min(left, len(text) * TEXT * _BOLD):
        frame.sheet.text(f"flag {mark.level}", x + 5, y, text)
    else:
        frame.sheet.text(f"flag {mark.level}", x - 5, y, text, end="end")


def draw_nonfinite(frame: Frame, bad: NDArray[np.bool_]) -> None:
    """Colours the ground of the stretches [stretches] where something was not finite."""
    crosses = []
    for first, stop in runs(bad):
        left, right = frame.edge(first), frame.edge(stop)
        frame.sheet.rect("bad-ground", left, frame.top, right - left, frame.bottom - frame.top)
        crosses += [(x, frame.top + 6) for x in spaced(left, right, 14)]
    frame.sheet.crosses("bad", crosses)


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one after the last of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False]))
    return [(int(first), int(stop)) for first, stop in edges.reshape(-1, 2)]


def spaced(left: float, right: float, apart: float) -> list[float]:
    """Places between two others, so far apart, in the middle of their parts."""
    count = max(1, int((right - left) / apart))
    return [left + (i + 0.5) * (right - left) / count for i in range(count)]
