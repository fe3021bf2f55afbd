"""Gradient flow: the norm of each layer's gradient over time, as a heat map of decades.

A row is a layer, a cell the greatest norm in its stretch of steps.
"""

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.plots.axes import draw_steps
from gradgate.gate.plots.frame import WIDE, Frame, open_frame
from gradgate.gate.plots.heat_map import HeatMap, draw_cells, draw_legend
from gradgate.gate.plots.history import History
from gradgate.gate.plots.marks import draw_marks
from gradgate.gate.plots.scales import short
from gradgate.gate.plots.scene import Scene
from gradgate.gate.plots.sheet import cut, fixed
from gradgate.gate.plots.typical import medians, typically
from gradgate.gate.render.picture import Picture
from gradgate.gate.wording import counted

MOST_ROWS = 60
_NAME = 28  # letters of a layer's name
_PITCH = 6.7  # width of a letter of fixed pitch
_LEGEND, _SIGNS = 220.0, 110.0  # beside the subtitle: the colours, and signs below one another


def gradient_flow(scene: Scene) -> Picture | None:
    """Returns the picture; None if no variable has a gradient."""
    history = scene.history
    rows = choose_rows(scene)
    if not rows:
        return None
    heat = HeatMap(
        values=history.norms.greatest[rows], bad=np.asarray(history.norms.nonfinite[rows] > 0)
    )
    names = [cut(history.layers.names[row], _NAME) for row in rows]
    row_height = min(max(300 / len(rows), 12.0), 26.0)
    way = ", from input to output" if history.layers.is_by_depth and len(rows) > 1 else ""
    frame = open_frame(
        scene,
        title="Gradient flow: norm of each layer\u2019s gradient" + way,
        subtitle=_subtitle(history, len(rows)),
        width=WIDE,
        left=max(_PITCH * max(map(len, names)) + 22, 50.0),
        body=row_height * len(rows) + 6,
        beside=_LEGEND + (_SIGNS if heat.bad.any() and heat.zero().any() else 0),
    )
    draw_cells(frame, heat, row_height)
    _draw_names(frame, scene, rows, names, row_height)
    draw_steps(frame)
    draw_marks(frame, scene.marks)
    draw_legend(frame, heat)
    return Picture.of(frame.sheet, name="gradient-flow", title="Gradient flow", is_wide=True)


def choose_rows(scene: Scene) -> list[int]:
    """The layers that are shown: all, or the worst and others evenly spaced, in their order.

    The worst are those that a rule found fault with, then those that were not finite, then those
    whose norm is farthest from that of the others.
    """
    history = scene.history
    count = len(history.layers)
    if count <= MOST_ROWS:
        return list(range(count))
    logs = np.log10(np.maximum(np.nan_to_num(medians(history.norms.mean)), 1e-45))
    strangeness = np.abs(logs - np.median(logs))
    is_offended = np.array([path in scene.offended for path in history.layers.paths])
    order = np.lexsort((-strangeness, history.first_nonfinite < 0, ~is_offended))
    chosen = {0, count - 1, *order[: MOST_ROWS // 3].tolist()}
    for row in np.linspace(0, count - 1, MOST_ROWS).round().astype(int).tolist():
        if len(chosen) < MOST_ROWS:
            chosen.add(row)
    return sorted(chosen)


def _draw_names(
    frame: Frame, scene: Scene, rows: list[int], names: list[str], row_height: float
) -> None:
    """Writes the layers' names, those with a fault in its colour; the pointer shows them whole."""
    layers = scene.history.layers
    abouts = _abouts(scene.history)
    for i, (row, name) in enumerate(zip(rows, names, strict=True)):
        y = frame.top + (i + 0.5) * row_height
        tone = scene.offended.get(layers.paths[row], "")
        frame.sheet.text(f"name {tone}".strip(), frame.left - 8, y + 4, name, end="end")
        if tone:
            x = frame.left - 8 - _PITCH * len(name) - 12
            frame.sheet.path(f"flag {tone}", f"M{fixed(x)} {fixed(y - 4)}l7 4l-7 4z")
        frame.sheet.rect("hit", 0, y - row_height / 2, frame.right, row_height, abouts[row])


def _subtitle(history: History, shown: int) -> str:
    parts = []
    names, first = history.layers.names, history.first_nonfinite
    bad = np.flatnonzero(first >= 0)
    if len(bad):
        worst = int(bad[first[bad].argmin()])
        more = f" and {counted(len(bad) - 1, 'more layer')}" if len(bad) > 1 else ""
        parts.append(f"Not finite in {cut(names[worst], 24)}{more}, first at step {first[worst]}.")
    if shown < len(names):
        parts.append(f"{shown} of {len(names)} layers are shown.")
    parts.append(typically(medians(history.norms.mean), names, letters=24))
    return " ".join(part for part in parts if part)


def _abouts(history: History) -> list[str]:
    typical: NDArray[np.float64] = medians(history.norms.mean)
    abouts = []
    for name, known, first in zip(
        history.layers.names, typical.tolist(), history.first_nonfinite.tolist(), strict=True
    ):
        says = "never finite" if np.isnan(known) else f"typically {short(known)}"
        since = f"; first not finite at step {first}" if first >= 0 else ""
        abouts.append(f"{name[:200]}: {says}{since}")
    return abouts
