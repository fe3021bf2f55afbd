"""The values that TensorBoard shows of a run as a whole, step by step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import ModelCard
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.sinks.extremes import Floats

_ROLLING = 100
CLIP_RATE = f"clip_rate_last_{_ROLLING}"
NONFINITE, SKIPPED = "nonfinite_steps_total", "skipped_steps_total"


class RunValues:
    """The values of the run's series; some run on from one batch to the next."""

    def __init__(self, card: ModelCard) -> None:
        names = ["global_norm", "clipped_norm", "clip_scale", CLIP_RATE]
        names += [NONFINITE, SKIPPED]
        names += ["loss"] if card.loss_measured else []
        names += ["loss_scale", "loss_scale_skips_total"] if card.loss_scaled else []
        self.keys = [f"gradgate/{name}" for name in names]
        self._loss_measured, self._loss_scaled = card.loss_measured, card.loss_scaled
        self._clipped = np.zeros(0, bool)
        self._nonfinite = self._skipped = self._loss_scale_skips = 0

    def of(self, batch: StepBatch) -> Floats:
        """Returns float64 [n, k], in the order of `keys`."""
        is_bad = ~np.isfinite(batch.norms).all(1)
        if self._loss_measured:
            is_bad |= ~np.isfinite(batch.loss)
        nonfinite = self._nonfinite + np.cumsum(is_bad)
        skipped = self._skipped + np.cumsum(~batch.applied)
        self._nonfinite, self._skipped = int(nonfinite[-1]), int(skipped[-1])
        columns: list[NDArray[Any]] = [batch.global_norm, batch.clipped_norm, batch.clip_scale]
        columns += [self._clip_rate(batch), nonfinite, skipped]
        columns += [batch.loss] if self._loss_measured else []
        columns += self._scaling(batch) if self._loss_scaled else []
        return np.asarray(np.stack(columns, 1), dtype=np.float64)

    def _clip_rate(self, batch: StepBatch) -> Floats:
        clipped = np.concatenate([self._clipped, batch.clipped])
        sums = np.concatenate([[0], np.cumsum(clipped)])
        ends = np.arange(len(batch)) + len(self._clipped) + 1
        starts = np.maximum(ends - _ROLLING, 0)
        self._clipped = clipped[-_ROLLING:]
        return np.asarray((sums[ends] - sums[starts]) / (ends - starts))

    def _scaling(self, batch: StepBatch) -> list[NDArray[Any]]:
        assert batch.loss_scale is not None, "the card says that it is measured"
        assert batch.loss_scale_skips is not None, "the card says that it is measured"
        skips = self._loss_scale_skips + np.cumsum(batch.loss_scale_skips)
        self._loss_scale_skips = int(skips[-1])
        return [batch.loss_scale, skips]
