"""Sudden rises of a series against its own recent past, on the steps that were applied.

These signals remember the last samples of earlier batches, so each pass over the steps needs a
reader of its own. A sample that is not finite counts as a spike and never enters the past.

Source of the loss spike: llm-foundry, KillLossSpike. Of the gradient spike: gradsnitch (8 times
the median); a window of 128 with at least 64 observations from OLMo.
"""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gradgate.contracts.policy import Comparison
from gradgate.gate.compare import compare
from gradgate.gate.evidence import Bools, Evidence, Float64s, Ints, StepBatch
from gradgate.gate.signals.base import Read, Samples, StepSignal, of_run
from gradgate.gate.signals.loss import loss_unmeasured

_ROWS = 4096  # windows in memory at a time

_Usual = Callable[[Float64s, Ints], Float64s]
"""What is usual, [n], after windows [n, w] that hold so many samples [n] and NaN in front."""


class _Spikes:
    """Reads one pass: 0 where a sample stands so to `factor` times what was usual before it."""

    def __init__(
        self,
        series: Callable[[StepBatch], Samples],
        usual: _Usual,
        stands: Comparison,
        *,
        factor: float,
        window: int,
        least: int,
    ) -> None:
        self._series, self._usual, self._stands = series, usual, stands
        self._factor, self._window, self._least = factor, window, least
        self._past: Float64s = np.full(window, np.nan)  # the last finite samples, NaN in front

    def __call__(self, batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG002
        samples = self._series(batch)
        value = samples.value[:, 0]
        is_finite = np.isfinite(value)
        known = np.concatenate([self._past, value[is_finite]])
        self._past = known[-self._window :]
        seen = np.cumsum(is_finite) - is_finite  # finite samples of this batch before each
        usual = self._usual_before(known, seen)
        is_judged = usual > 0  # false of NaN, where the past is too short
        is_spike = ~compare(value, self._stands, self._factor * usual)
        return Samples(
            step=samples.step[is_judged],
            value=is_spike[is_judged].astype(np.float64)[:, np.newaxis],
        )

    def _usual_before(self, known: Float64s, seen: Ints) -> Float64s:
        """What was usual before each sample, float64 [n]; NaN where the past is too short.

        Every window is as wide as any, so that a result does not depend on how the steps were
        cut into batches.
        """
        usual = np.full(len(seen), np.nan)
        windows = sliding_window_view(known, self._window)
        for start in range(0, len(seen), _ROWS):
            part = np.ascontiguousarray(windows[seen[start : start + _ROWS]])
            counts = np.count_nonzero(~np.isnan(part), axis=1)
            enough: Bools = counts >= self._least
            if enough.any():
                usual[start : start + _ROWS][enough] = self._usual(part[enough], counts[enough])
        return usual


def _mean(windows: Float64s, counts: Ints) -> Float64s:
    total: Float64s = np.where(np.isnan(windows), 0.0, windows).sum(axis=1)
    return total / counts


def _median(windows: Float64s, counts: Ints) -> Float64s:
    """Medians of rows; their NaN come last in order, and do not count."""
    low, high = (counts - 1) // 2, counts // 2
    ordered = np.partition(windows, np.union1d(low, high), axis=1)
    row = np.arange(len(ordered))
    medians: Float64s = (ordered[row, low] + ordered[row, high]) / 2
    return medians


def _loss(batch: StepBatch) -> Samples:
    return of_run(batch, batch.loss, keep=batch.applied)


def _norm(batch: StepBatch) -> Samples:
    return of_run(batch, batch.global_norm, keep=batch.applied)


def _loss_spikes() -> Read:
    return _Spikes(_loss, _mean, "<", factor=2, window=100, least=20)


def _gradient_spikes() -> Read:
    return _Spikes(_norm, _median, "<=", factor=10, window=128, least=64)


LOSS_SPIKE = StepSignal(
    name="loss.spike",
    noun="loss spike",
    unit="of applied steps",
    what="1 where the loss is at least 2 times the mean of the last 100 before it (of at least"
    " 20, if that is above 0), else 0; applied steps.",
    source="signals 14",
    level="run",
    kind="indicator",
    reader=_loss_spikes,
    unmeasured=loss_unmeasured,
    remedy="a spike is a rise above at least 20 finite losses before it, whose mean is above 0",
)
GRADIENT_SPIKE = StepSignal(
    name="gradient.spike",
    noun="gradient spike",
    unit="of applied steps",
    what="1 where the global norm is above 10 times the median of the last 128 before it (of"
    " at least 64, if that is above 0), else 0; applied steps.",
    source="signals 13",
    level="run",
    kind="indicator",
    reader=_gradient_spikes,
    remedy="a spike is a rise above at least 64 finite norms before it, whose median is above 0",
)
