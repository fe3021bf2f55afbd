"""The global norm of the gradient before and after the clips, with the limit of the clip."""

import numpy as np

from gradgate.gate.plots.axes import draw_axes, draw_limit
from gradgate.gate.plots.bands import draw_band, draw_line
from gradgate.gate.plots.frame import open_frame
from gradgate.gate.plots.marks import draw_marks, draw_nonfinite
from gradgate.gate.plots.scales import log_scale, short
from gradgate.gate.plots.scene import Scene
from gradgate.gate.render.picture import Picture


def global_norm(scene: Scene) -> Picture:
    """Returns the picture."""
    history, limit = scene.history, scene.clip_limit
    before, after = history.global_norm, history.clipped_norm
    known = np.concatenate([before.least[0], before.greatest[0], after.mean[0]])
    known = np.append(known, [limit] if limit else [])
    scale = log_scale(np.append(0.8 * known, 1.25 * known))
    has_clips = bool(scene.card.clips)
    legend = [("line s1", "before the clips"), ("line s2", "after them")] if has_clips else []
    subtitle = "Never finite."
    if history.peak is not None:
        subtitle = f"Greatest {short(history.peak[0])} at step {history.peak[1]}"
        subtitle += f"; the clip lets {short(limit)} through." if limit else "."
    frame = open_frame(scene, title="Global norm of the gradient", subtitle=subtitle, legend=legend)
    draw_axes(frame, scale)
    draw_nonfinite(frame, before.nonfinite[0] > 0)
    draw_band(frame, scale, before, "s1")
    if has_clips:
        draw_line(frame, scale, after.mean[0], "s2", after.nonfinite[0])
    draw_marks(frame, scene.marks)
    if limit:
        draw_limit(frame, scale, limit, f"clip limit {short(limit)}", before.mean[0])
    return Picture.of(frame.sheet, name="global-norm", title="Global norm of the gradient")
