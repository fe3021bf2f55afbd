"""Which number stands where in what the device writes: the row of a step, and a sample.

row     v norms | the scalars | losses and norms of r replicas, if r > 1 | scale and skips of the
        loss, if it is scaled | norms after and firing of t transforms, if t > 1
sample  the fields, v numbers each | histograms, bin by bin | sketches, bucket by bucket |
        norms of the updates | RMS of the gradients by Adam's second moment, if it keeps one
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradgate.telemetry.batch import HISTOGRAM_BINS

SCALARS = ("loss", "global_norm", "clipped_norm", "clip_scale", "flags")
CLIPPED, APPLIED, SKETCHED, SAMPLED, ODD = 1, 2, 4, 8, 16  # bits of `flags`
SKETCH = 32  # buckets: the standard error of a cosine is about 1 / sqrt(32)

_FIELDS = ("mean_abs", "max_abs", "zero_fraction", "nonfinite", "weight_norm")
_DATA_FIELDS = ("data_norm", "data_mean_abs", "data_max_abs", "data_zero_fraction")
Columns = dict[str, NDArray[np.float32]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Sizes of a row and of a sample.

    Attributes:
        variables: Number of variables, v.
        replicas: Number of replicas, r.
        stages: Number of transforms, t.
        loss_scaled: Whether the loss is scaled.
        has_data: Whether the data-loss gradient is looked at, besides the whole one.
        is_sampled: Whether samples are ever taken.
        has_moments: Whether the optimizer keeps a second moment as Adam does.
    """

    variables: int
    replicas: int = 1
    stages: int = 0
    loss_scaled: bool = False
    has_data: bool = False
    is_sampled: bool = True
    has_moments: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields of a sample, in order."""
        return _FIELDS + (_DATA_FIELDS if self.has_data else ())

    @property
    def looked_width(self) -> int:
        """Numbers of a sample that are known before the update."""
        per_variable = len(self.fields) + HISTOGRAM_BINS + SKETCH
        return self.variables * per_variable if self.is_sampled else 0

    @property
    def sample_width(self) -> int:
        """Numbers of a sample."""
        return self.looked_width + (self.update_width if self.is_sampled else 0)

    @property
    def update_width(self) -> int:
        """Numbers of a sample that are known after the update."""
        return self.variables * len(self._of_update)

    @property
    def _of_update(self) -> tuple[str, ...]:
        return ("update_norm", "adam_rms") if self.has_moments else ("update_norm",)

    @property
    def row_width(self) -> int:
        """Numbers of a row."""
        return sum(width or 1 for _, width in self._row())

    def split_rows(self, rows: NDArray[np.float32]) -> Columns:
        """Returns the parts of rows [n, row_width]: [n, width] each, scalars [n]."""
        return _split(rows, self._row())

    def split_samples(self, samples: NDArray[np.float32]) -> Columns:
        """Returns the parts of samples [m, sample_width]: [m, v] each, or [m, v, depth]."""
        v, depths = self.variables, {"histogram": HISTOGRAM_BINS, "sketch": SKETCH}
        names = (*self.fields, "histogram", "sketch", *self._of_update)
        parts = _split(samples, [(name, v * depths.get(name, 1)) for name in names])
        for name, depth in depths.items():
            parts[name] = parts[name].reshape(len(samples), depth, v).swapaxes(1, 2)
        return parts

    def _row(self) -> list[tuple[str, int | None]]:
        """The parts of a row and their widths; None is a scalar."""
        widths: list[tuple[str, int | None]] = [("norms", self.variables)]
        widths += [(name, None) for name in SCALARS]
        if self.replicas > 1:
            widths += [("replica_loss", self.replicas), ("replica_norm", self.replicas)]
        if self.loss_scaled:
            widths += [("loss_scale", None), ("loss_scale_skips", None)]
        if self.stages > 1:
            widths += [("stage_norms", self.stages), ("stage_fired", self.stages)]
        return widths


def _split(rows: NDArray[np.float32], widths: Sequence[tuple[str, int | None]]) -> Columns:
    parts, start = {}, 0
    for name, width in widths:
        stop = start + (1 if width is None else width)
        parts[name] = rows[:, start] if width is None else rows[:, start:stop]
        start = stop
    return parts
