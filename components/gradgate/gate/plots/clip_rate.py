"""The clip rate: on how many steps a clip changed the gradient, with the policy's limit."""

import numpy as np

from gradgate.gate.plots.axes import draw_axes, draw_limit
from gradgate.gate.plots.bands import draw_area, draw_line
from gradgate.gate.plots.frame import open_frame
from gradgate.gate.plots.marks import draw_marks
from gradgate.gate.plots.scales import Linear
from gradgate.gate.plots.scene import Scene
from gradgate.gate.render.picture import Picture
from gradgate.gate.wording import counted, percent


def clip_rate(scene: Scene) -> Picture | None:
    """Returns the picture; None if no clip was set."""
    history, rate = scene.history, scene.history.clip_rate
    if not scene.card.clips:
        return None
    scale = Linear(low=0.0, high=1.0, is_share=True)
    whole = float(np.nansum(rate * history.steps) / history.steps.sum())
    skipped = int(history.skipped.sum())
    left_out = f"; {counted(skipped, 'step')} not applied" if skipped else ""
    each = f" A point is {history.width} steps." if history.width > 1 else ""
    frame = open_frame(
        scene,
        title="Clip rate",
        subtitle=f"Clipped on {percent(round(whole, 4))} of all steps{left_out}.{each}",
    )
    draw_axes(frame, scale)
    draw_area(frame, scale, np.where(np.isnan(rate), rate, 0.0), rate, "s1")
    draw_line(frame, scale, rate, "s1")
    draw_marks(frame, scene.marks)
    limit = scene.clip_rate_limit
    if limit is not None:
        draw_limit(frame, scale, limit, f"limit of the policy, {percent(limit)}", rate)
    return Picture.of(frame.sheet, name="clip-rate", title="Clip rate")
