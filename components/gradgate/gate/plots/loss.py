"""The loss, with the steps at which rules were first broken, and what a constant would reach."""

import math

import numpy as np

from gradgate.gate.plots.axes import draw_axes, draw_limit
from gradgate.gate.plots.bands import draw_band
from gradgate.gate.plots.frame import open_frame
from gradgate.gate.plots.history import Band
from gradgate.gate.plots.marks import draw_marks, draw_nonfinite
from gradgate.gate.plots.scales import Scale, linear_scale, log_scale, short
from gradgate.gate.plots.scene import Scene
from gradgate.gate.render.picture import Picture
from gradgate.gate.wording import counted

_WIDE_RANGE = 100.0  # greatest over least from which on the axis is logarithmic


def loss(scene: Scene) -> Picture | None:
    """Returns the picture; None if the loss was not measured."""
    band, ends = scene.history.loss, scene.history.loss_ends
    if band is None:
        return None
    constant = scene.summary.constant_loss
    constant = constant if constant is not None and math.isfinite(constant) else None
    scale = _scale(band, constant)
    subtitle = "Never finite."
    if ends is not None:
        bad = int(band.nonfinite.sum())
        subtitle = f"From {short(ends[0])} to {short(ends[1])}"
        subtitle += f"; NaN or infinite on {counted(bad, 'step')}." if bad else "."
    frame = open_frame(scene, title="Loss", subtitle=subtitle)
    draw_axes(frame, scale)
    draw_nonfinite(frame, band.nonfinite[0] > 0)
    draw_band(frame, scale, band, "s1")
    draw_marks(frame, scene.marks)
    if constant is not None:
        draw_limit(frame, scale, constant, f"best constant answer, {short(constant)}", band.mean[0])
    return Picture.of(frame.sheet, name="loss", title="Loss")


def _scale(band: Band, constant: float | None) -> Scale:
    values = np.concatenate([band.least[0], band.greatest[0], [constant or np.nan]])
    known = values[np.isfinite(values)]
    if known.size and known.min() > 0 and known.max() > _WIDE_RANGE * known.min():
        return log_scale(known)
    return linear_scale(known)
