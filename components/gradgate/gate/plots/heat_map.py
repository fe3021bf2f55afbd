"""A heat map of decades, and the legend that tells its colours.

What is not finite has a colour and a sign of its own, and so has what is exactly 0: neither is ever
mixed with a number.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.plots.frame import Frame
from gradgate.gate.plots.marks import runs, spaced
from gradgate.gate.plots.ramp import LEVELS, SHADES, level
from gradgate.gate.plots.scales import Log, log_scale, short
from gradgate.gate.plots.sheet import Sheet, fixed

_LEAST, _GREATEST = -10, 6  # decades beyond are vanished and exploded: no need to tell them apart
_DECADES = 4  # fewer would make much of little
_LEGEND = 168.0
_LETTER = 6.2
_SIGN = len("NaN or infinite")
_APART = 0.2  # share of the legend that a tick needs


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeatMap:
    """What is in the cells, [rows, stretches].

    Attributes:
        values: At least 0; NaN where nothing finite was measured.
        bad: Where something was not finite.
    """

    values: NDArray[np.float64]
    bad: NDArray[np.bool_]

    def zero(self) -> NDArray[np.bool_]:
        """Where all was exactly 0."""
        return np.asarray((self.values == 0) & ~self.bad)

    def positive(self) -> NDArray[np.float64]:
        """All values above 0."""
        return self.values[np.isfinite(self.values) & (self.values > 0)]

    def scale(self) -> Log:
        """The decades of the colours: those of the values, four at least."""
        scale = log_scale(self.values, least=10.0**_LEAST, most=10.0**_GREATEST)
        missing = max(_DECADES - (scale.high - scale.low), 0)
        return Log(low=scale.low - missing // 2, high=scale.high + missing - missing // 2)


def draw_cells(frame: Frame, heat: HeatMap, row_height: float) -> None:
    """Draws the cells; one stroke for those of one colour side by side keeps the file small."""
    values, zero = heat.values, heat.zero()
    levels = level(np.nan_to_num(heat.scale().share(values)))
    levels[np.isnan(values) | heat.bad | zero] = -1
    gap = 1 / row_height if row_height >= 13 else 0.0
    place = f"translate({fixed(frame.left)} {fixed(frame.top + row_height / 2)})"
    stretch = f"scale({frame.edge(1) - frame.left:.4f} {row_height:.3f})"
    extra = f' transform="{place} {stretch}" stroke-width="{1 - gap:.3f}"'
    width, height = frame.right - frame.left, row_height * len(values)
    frame.sheet.rect("ground", frame.left, frame.top, width, height)
    for number, shade in enumerate(SHADES):
        _draw_runs(frame, "cell", levels == number, f'{extra} stroke="{shade}"')
    _draw_runs(frame, "cell zero-cell", zero, extra)
    _draw_runs(frame, "cell bad-cell", heat.bad, extra)
    crosses = [
        (x, frame.top + (i + 0.5) * row_height)
        for i, flags in enumerate(heat.bad)
        for first, stop in runs(flags)
        for x in spaced(frame.edge(first), frame.edge(stop), 16)
    ]
    frame.sheet.crosses("cross", crosses, size=min(row_height - 5, 8))


def _draw_runs(frame: Frame, kind: str, flags: NDArray[np.bool_], extra: str) -> None:
    last = (frame.history.last_step + 1 - frame.history.first_step) / frame.history.width
    data = [
        f"M{first} {i}h{fixed(min(stop, last) - first)}"
        for i, row in enumerate(flags)
        for first, stop in runs(row)
    ]
    if data:
        frame.sheet.path(kind, "".join(data), extra)


def draw_legend(frame: Frame, heat: HeatMap) -> None:
    """Draws the colours with their decades in the upper right corner, and the signs beside.

    The signs stand one above the other, or they would reach into the title.
    """
    sheet = frame.sheet
    left, y = frame.right - _LEGEND - 12, 10.0
    place = f' transform="translate({fixed(left)} {fixed(y)}) scale({_LEGEND / LEVELS:.4f} 10)"'
    for number, shade in enumerate(SHADES):
        sheet.path("cell", f"M{number} 0h1", f'{place} stroke-width="1" stroke="{shade}"')
    for share, text in _ticks(heat):
        sheet.text("soft", left + share * _LEGEND, y + 16, text, end="middle")
    if heat.bad.any():
        _draw_sign(sheet, left - 22, y, "NaN or infinite", "bad-swatch")
        y += 16
    if heat.zero().any():
        _draw_sign(sheet, left - 22, y, "exactly 0", "zero-swatch")


def _ticks(heat: HeatMap) -> list[tuple[float, str]]:
    """Ticks of the colours; an end that stands for all beyond it says so."""
    scale, known = heat.scale(), heat.positive()
    ticks = scale.ticks(5)
    if (known < 10.0**scale.low).any():
        others = [tick for tick in ticks if tick[0] > _APART]
        ticks = [(0.0, f"\u2264 {short(10.0**scale.low)}"), *others]
    if (known > 10.0**scale.high).any():
        others = [tick for tick in ticks if tick[0] < 1 - _APART]
        ticks = [*others, (1.0, f"\u2265 {short(10.0**scale.high)}")]
    return ticks


def _draw_sign(sheet: Sheet, right: float, y: float, text: str, kind: str) -> None:
    """Draws a sign in a column that ends at `right`."""
    left = right - _LETTER * _SIGN
    sheet.text("soft", left, y + 4, text)
    sheet.rect(kind, left - 18, y - 5, 12, 10)
    if kind == "bad-swatch":
        sheet.crosses("cross", [(left - 12, y)])
