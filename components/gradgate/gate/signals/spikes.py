"""Sudden rises of a series against its own recent past, on the steps that were applied.

These signals remember the last samples of earlier batches, so each pass over the steps needs a
reader of its own. A sample that is not finite counts as a spike and never enters the past.

Source of the loss spike: llm-foundry, KillLossSpike. Of the gradient spike: gradsnitch (8 times
the median); a window of 128 with at least 64 observations, and the score, from OLMo (6 deviations;
here by the median and the median absolute deviation, which the spikes themselves hardly move).
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

_DEVIATION = 1.4826  # of a normal distribution, over its median absolute deviation
_LEAST_SPREAD = 0.01  # of the median (ours): norms that hardly differ have no deviation to speak of

_Usual = Callable[[Float64s, Ints], Float64s]
"""What is usual, [n, p], after windows [n, w] that hold so many samples [n] and NaN in front. The
first of the p numbers is where samples lie; what is not above 0 there gives no sample."""
_Judge = Callable[[Float64s, Float64s], Float64s]
"""Of samples [n] and what was usual before each [n, p], the samples of the signal [n]."""


class _AgainstThePast:
    """Reads one pass: each sample against what was usual in the `window` finite ones before it."""

    def __init__(
        self,
        series: Callable[[StepBatch], Samples],
        usual: _Usual,
        judge: _Judge,
        *,
        numbers: int = 1,
        window: int,
        least: int,
    ) -> None:
        self._series, self._usual, self._judge = series, usual, judge
        self._numbers, self._window, self._least = numbers, window, least
        self._past: Float64s = np.full(window, np.nan)  # the last finite samples, NaN in front

    def __call__(self, batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG002
        samples = self._series(batch)
        value = samples.value[:, 0]
        is_finite = np.isfinite(value)
        known = np.concatenate([self._past, value[is_finite]])
        self._past = known[-self._window :]
        seen = np.cumsum(is_finite) - is_finite  # finite samples of this batch before each
        usual = self._usual_before(known, seen)
        is_judged = usual[:, 0] > 0  # false of NaN, where the past is too short
        found = self._judge(value[is_judged], usual[is_judged])
        return Samples(step=samples.step[is_judged], value=found[:, np.newaxis])

    def _usual_before(self, known: Float64s, seen: Ints) -> Float64s:
        """What was usual before each sample, float64 [n, p]; NaN where the past is too short.

        Every window is as wide as any, so that a result does not depend on how the steps were
        cut into batches.
        """
        usual = np.full((len(seen), self._numbers), np.nan)
        windows = sliding_window_view(known, self._window)
        for start in range(0, len(seen), _ROWS):
            part = np.ascontiguousarray(windows[seen[start : start + _ROWS]])
            counts = np.count_nonzero(~np.isnan(part), axis=1)
            enough: Bools = counts >= self._least
            if enough.any():
                usual[start : start + _ROWS][enough] = self._usual(part[enough], counts[enough])
        return usual


def _mean(windows: Float64s, counts: Ints) -> Float64s:
    total = np.where(np.isnan(windows), 0.0, windows).sum(axis=1, keepdims=True)
    means: Float64s = total / counts[:, np.newaxis]
    return means


def _median(windows: Float64s, counts: Ints) -> Float64s:
    """Medians of rows; their NaN come last in order, and do not count."""
    low, high = (counts - 1) // 2, counts // 2
    ordered = np.partition(windows, np.union1d(low, high), axis=1)
    row = np.arange(len(ordered))
    medians: Float64s = (ordered[row, low] + ordered[row, high]) / 2
    return medians[:, np.newaxis]


def _median_and_spread(windows: Float64s, counts: Ints) -> Float64s:
    """Median, and the standard deviation that the median absolute deviation stands for."""
    median = _median(windows, counts)
    spread = _DEVIATION * _median(np.abs(windows - median), counts)
    return np.concatenate([median, np.maximum(spread, _LEAST_SPREAD * median)], axis=1)


def _stands_not(stands: Comparison, factor: float) -> _Judge:
    """1 where a sample does not stand so to `factor` times what was usual, else 0."""

    def judge(value: Float64s, usual: Float64s) -> Float64s:
        return (~compare(value, stands, factor * usual[:, 0])).astype(np.float64)

    return judge


def _score(value: Float64s, usual: Float64s) -> Float64s:
    scores: Float64s = (value - usual[:, 0]) / usual[:, 1]
    return scores


def _loss(batch: StepBatch) -> Samples:
    return of_run(batch, batch.loss, keep=batch.applied)


def _norm(batch: StepBatch) -> Samples:
    return of_run(batch, batch.global_norm, keep=batch.applied)


def _loss_spikes() -> Read:
    return _AgainstThePast(_loss, _mean, _stands_not("<", 2), window=100, least=20)


def _gradient_spikes() -> Read:
    return _AgainstThePast(_norm, _median, _stands_not("<=", 10), window=128, least=64)


def _gradient_scores() -> Read:
    return _AgainstThePast(_norm, _median_and_spread, _score, numbers=2, window=128, least=64)


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
GRADIENT_SPIKE_SCORE = StepSignal(
    name="gradient.spike_score",
    noun="score of a gradient spike",
    unit="deviations",
    what="Global norm less the median of the last 128 before it (of at least 64, if that is above"
    " 0), over 1.4826 times their median absolute deviation, at least 1% of the median; applied"
    " steps.",
    source="signals 13",
    level="run",
    kind="measure",
    reader=_gradient_scores,
    remedy="a spike is a rise above at least 64 finite norms before it, whose median is above 0",
)
