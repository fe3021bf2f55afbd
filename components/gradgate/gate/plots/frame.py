"""What stands around every picture: title, legend, and where steps lie from left to right."""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.plots.history import History
from gradgate.gate.plots.scene import Scene
from gradgate.gate.plots.sheet import CHARACTER, Sheet, cut

HALF, WIDE, HEIGHT = 448.0, 912.0, 288.0
"""Widths of a picture in a column of two and alone; height of one in two columns."""
TEXT: Final = 11.0
"""Size of what is written beside the data."""
MARK: Final = 14.0
"""Height of a line above the data that names an offence."""
LABELLED: Final = 3
"""Offences that are named; of the others the line alone is drawn."""
RIGHT: Final = 14.0
"""Room at the right of the data."""
_TITLE, _SUBTITLE, _LEGEND, _FOOT = 17.0, 17.0, 16.0, 42.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
    """The sheet and the part of it where the data goes.

    Attributes:
        left, right, top, bottom: Edges of that part.
    """

    sheet: Sheet
    history: History
    left: float
    right: float
    top: float
    bottom: float

    def x(self, step: float) -> float:
        """Place of a step, its middle."""
        history = self.history
        share = (step + 0.5 - history.first_step) / (history.last_step + 1 - history.first_step)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)

    def y(self, share: float) -> float:
        """Place of a share of the height, 0 at the bottom."""
        return self.bottom - share * (self.bottom - self.top)

    def xs(self) -> NDArray[np.float64]:
        """Places of the middles of all stretches."""
        return np.array([self.x(step) for step in self.history.middles().tolist()])

    def edge(self, column: int) -> float:
        """Place where a stretch begins."""
        return self.x(self.history.first_step + column * self.history.width - 0.5)


def open_frame(
    scene: Scene,
    *,
    title: str,
    subtitle: str,
    legend: Sequence[tuple[str, str]] = (),
    width: float = HALF,
    left: float = 50.0,
    body: float | None = None,
    beside: float = 0.0,
) -> Frame:
    """Returns a frame with title and legend drawn.

    Args:
        scene: Its offences need room.
        title: In a few words.
        subtitle: What there is to see, in a sentence; its end is cut off if it is too long.
        legend: Kind of line and name of each series, two in a row.
        width: Of the whole picture.
        left: Room for what is written at the y axis.
        body: Height of the data; None makes the picture `HEIGHT` high.
        beside: Room that the title leaves at its right.
    """
    labels = min(len(scene.marks), LABELLED)
    rows = -(-len(legend) // 2)
    top = 4 + _TITLE + _SUBTITLE + rows * _LEGEND + labels * MARK + 8
    height = HEIGHT if body is None else top + body + _FOOT
    sheet = Sheet(width, height)
    sheet.text("title", 0, 4 + 11, title)
    letters = int((width - beside) / (TEXT * CHARACTER))
    clipped = subtitle if len(subtitle) <= letters else f"{subtitle[: letters - 1]}\u2026"
    sheet.text("soft", 0, 4 + _TITLE + 12, clipped)
    for i, (kind, name) in enumerate(legend):
        x, y = (i % 2) * width / 2, 4 + _TITLE + _SUBTITLE + (i // 2) * _LEGEND + 8
        sheet.line(kind, x, y, x + 22, y)
        sheet.text("soft", x + 28, y + 4, cut(name, 32))
    return Frame(
        sheet=sheet,
        history=scene.history,
        left=left,
        right=width - RIGHT,
        top=top,
        bottom=height - _FOOT,
    )
