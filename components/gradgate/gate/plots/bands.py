"""A series as a line of means in the band from its least to its greatest values."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.plots.frame import Frame
from gradgate.gate.plots.history import Band
from gradgate.gate.plots.scales import Scale

Values = NDArray[np.float64]
_FEW = 40  # points that are also drawn as dots


def draw_band(frame: Frame, scale: Scale, band: Band, kind: str, row: int = 0) -> None:
    """Draws one row of a band; it is broken where nothing was finite, and never bridged there."""
    draw_area(frame, scale, band.least[row], band.greatest[row], kind, band.nonfinite[row])
    draw_line(frame, scale, band.mean[row], kind, band.nonfinite[row])


def draw_line(
    frame: Frame, scale: Scale, values: Values, kind: str, nonfinite: Values | None = None
) -> None:
    """Draws a line through values [stretches]; NaN was not measured, and is passed over."""
    xs, shares = frame.xs(), scale.share(values)
    known = int(np.isfinite(values).sum())
    for columns in _pieces(np.isfinite(values), nonfinite):
        places = [(xs[i], frame.y(shares[i])) for i in columns]
        frame.sheet.polyline(f"line {kind}", places)
        if known < _FEW or len(places) == 1:
            frame.sheet.dots(f"dot {kind}", places)


def draw_area(
    frame: Frame,
    scale: Scale,
    least: Values,
    greatest: Values,
    kind: str,
    nonfinite: Values | None = None,
) -> None:
    """Fills what lies between two lines of values [stretches]."""
    xs, low, high = frame.xs(), scale.share(least), scale.share(greatest)
    for columns in _pieces(np.isfinite(least) & np.isfinite(greatest), nonfinite):
        if any(low[i] != high[i] for i in columns):
            upper = [(xs[i], frame.y(high[i])) for i in columns]
            lower = [(xs[i], frame.y(low[i])) for i in reversed(columns)]
            frame.sheet.area(f"area {kind}", upper + lower)


def _pieces(known: NDArray[np.bool_], nonfinite: Values | None) -> Iterator[list[int]]:
    """The known columns, cut where one holds nothing but what is not finite."""
    piece: list[int] = []
    for i, is_known in enumerate(known.tolist()):
        if is_known:
            piece.append(i)
        elif piece and nonfinite is not None and nonfinite[i] > 0:
            yield piece
            piece = []
    if piece:
        yield piece
