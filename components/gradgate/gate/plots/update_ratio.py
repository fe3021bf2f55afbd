"""The update-to-weight ratio of the layers: how much each is changed by a step.

About 1e-3 is healthy as a rule of thumb (Stanford CS231n course notes,
https://cs231n.github.io/neural-networks-3/#ratio). Of few layers each has a line, of many those
farthest from it, and the others are a band.
"""

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.plots.axes import draw_axes, draw_limit
from gradgate.gate.plots.bands import draw_area, draw_line
from gradgate.gate.plots.frame import open_frame
from gradgate.gate.plots.history import Band
from gradgate.gate.plots.marks import draw_marks, draw_nonfinite
from gradgate.gate.plots.scales import log_scale
from gradgate.gate.plots.scene import Scene
from gradgate.gate.plots.typical import medians, typically
from gradgate.gate.render.picture import Picture

_HEALTHY = 1e-3
_LINES = 4
_LEAST = 1e-12  # of what is smaller it does not matter how much


def update_ratio(scene: Scene) -> Picture | None:
    """Returns the picture; None if the ratio was never measured."""
    band = scene.history.ratios
    if band is None:
        return None
    names = scene.history.layers.names
    typical = medians(band.mean)
    shown = _choose(typical)
    values = np.append(band.mean, [_HEALTHY / 10, _HEALTHY * 10])
    scale = log_scale(values, least=_LEAST)
    legend = [(f"line s{i + 1}", names[row]) for i, row in enumerate(shown)]
    if len(shown) < len(names):
        legend.append(("line others", f"all {len(names)} layers"))
    frame = open_frame(
        scene,
        title="Update-to-weight ratio",
        subtitle=typically(typical, names, letters=20),
        legend=legend,
    )
    draw_axes(frame, scale)
    draw_nonfinite(frame, _spoilt(band))
    if len(shown) < len(names):
        draw_area(frame, scale, _over_layers(np.fmin, band.mean), _over_layers(np.fmax, band.mean),
                  "others")  # fmt: skip
    for i, row in enumerate(shown):
        draw_line(frame, scale, band.mean[row], f"s{i + 1}", band.nonfinite[row])
    draw_marks(frame, scene.marks)
    draw_limit(frame, scale, _HEALTHY, "healthy: about 1e-3", _over_layers(np.fmin, band.mean))
    return Picture.of(frame.sheet, name="update-ratio", title="Update-to-weight ratio")


def _choose(typical: NDArray[np.float64]) -> list[int]:
    """The layers that get lines: those farthest from what is healthy."""
    distance = np.abs(np.log10(np.maximum(typical, 1e-45)) - np.log10(_HEALTHY))
    ordered = np.argsort(-np.nan_to_num(distance, nan=-1.0), kind="stable")
    return sorted(row for row in ordered[:_LINES].tolist() if np.isfinite(typical[row]))


def _spoilt(band: Band) -> NDArray[np.bool_]:
    """Where weights are not finite [stretches]: from one sample on until the next that is."""
    is_bad = (band.nonfinite > 0).any(0)
    is_sampled = is_bad | np.isfinite(band.mean).any(0)
    latest = np.maximum.accumulate(np.where(is_sampled, np.arange(len(is_bad)), 0))
    return np.asarray(is_bad[latest])


def _over_layers(how: np.ufunc, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(how.reduce(values, axis=0))
