"""The axes of a picture: steps and epochs below, values at the left, a limit across."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.plots.frame import HALF, RIGHT, Frame
from gradgate.gate.plots.scales import Scale, round_steps, short


def draw_axes(frame: Frame, scale: Scale, unit: str = "") -> None:
    """Draws the edge of the data, the y axis with its ticks, and the steps below."""
    for share, text in scale.ticks(5):
        frame.sheet.line("grid", frame.left, frame.y(share), frame.right, frame.y(share))
        frame.sheet.text("soft", frame.left - 6, frame.y(share) + 4, text, end="end")
    if unit:
        frame.sheet.text("soft", 0, frame.top - 6, unit)
    draw_steps(frame)


def draw_steps(frame: Frame) -> None:
    """Draws the axis of steps, with the epochs where they begin."""
    history, sheet = frame.history, frame.sheet
    first, last = history.first_step, history.last_step
    sheet.line("axis", frame.left, frame.bottom, frame.right, frame.bottom)
    most = 8 if sheet.width > HALF else 5
    ticks = round_steps(first, last, most) if last > first else [float(first)]
    for step in sorted({int(tick) for tick in ticks}):
        x = frame.x(step)
        sheet.line("axis", x, frame.bottom, x, frame.bottom + 4)
        sheet.text("soft", x, frame.bottom + 16, short(step) if step >= 1e5 else str(step),
                   end="middle")  # fmt: skip
    sheet.text("soft", 0, frame.bottom + 16, "step")
    for x, epoch in _epochs(frame):
        sheet.line("axis", x, frame.bottom + 24, x, frame.bottom + 32)
        sheet.text("soft", x + 4, frame.bottom + 32, str(epoch))
    if len(history.epochs) > 1:
        sheet.text("soft", 0, frame.bottom + 32, "epoch")


def _epochs(frame: Frame) -> Iterator[tuple[float, int]]:
    """Place and number of the epochs that are shown: of very many, every so many."""
    if len(frame.history.epochs) < 2:
        return
    last = -np.inf
    for epoch, step in frame.history.epochs:
        x = frame.x(step - 0.5)
        if x - last >= 26 and x + 8 + 7 * len(str(epoch)) <= frame.right + RIGHT:
            last = x
            yield x, epoch


def draw_limit(
    frame: Frame, scale: Scale, value: float, text: str, series: NDArray[np.float64]
) -> None:
    """Draws a limit as a line, with its name on the side where less of a series [stretches] is."""
    y = frame.y(float(scale.share(value)))
    frame.sheet.line("limit", frame.left, y, frame.right, y)
    late = scale.share(series[-max(len(series) // 3, 1) :])
    near = np.array([frame.y(share) for share in late[np.isfinite(late)].tolist()]) - y
    is_above = ((near < 2) & (near > -18)).sum() <= ((near > -2) & (near < 18)).sum()
    if y - frame.top < 18 or frame.bottom - y < 18:
        is_above = y - frame.top >= 18
    frame.sheet.text("halo", frame.right - 4, y - 5 if is_above else y + 13, text, end="end")
