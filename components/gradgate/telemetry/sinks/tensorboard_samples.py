"""Which histograms TensorBoard gets: one sample of each stretch of steps, so not too many."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import ModelCard
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.sinks.buckets import live_buckets

_ALL = 20_000  # of all variables, as far as each then still has 64: about 17 MB
_MOST, _FEWEST = 400, 64


class Sample(NamedTuple):
    """Counts by tag, each int64 [bins]; `seconds` since the training began."""

    step: int
    seconds: float
    counts: dict[str, NDArray[np.int64]]


class Histograms:
    """One sample of each stretch of steps: that of the greatest global norm, NaN above all.

    Args:
        card: Names the variables.
        planned: Steps; None when nobody said.
    """

    def __init__(self, card: ModelCard, planned: int | None) -> None:
        self._tags = {
            i: f"gradient_log10/{variable.path.split('/', 1)[-1]}"
            for i, variable in enumerate(card.variables)
            if variable.has_gradient
        }
        each = _ALL // max(len(self._tags), 1)
        self._buckets = live_buckets(max(min(_MOST, each), _FEWEST), planned)
        self._bucket = -1
        self._norm = -np.inf
        self._held: list[Sample] = []

    def add(self, batch: StepBatch) -> list[Sample]:
        """Takes steps; returns the samples that are settled."""
        statistics, settled = batch.statistics, []
        if statistics.histogram is None:
            return []
        rows = np.searchsorted(batch.step, statistics.step)
        norms = np.nan_to_num(batch.global_norm[rows], nan=np.inf, posinf=np.inf)
        for sample, bucket in enumerate(self._buckets.of(statistics.step).tolist()):
            if bucket != self._bucket:
                settled += self.close()
                self._bucket = bucket
            if not self._held or norms[sample] > self._norm:
                counts = {tag: statistics.histogram[sample, i] for i, tag in self._tags.items()}
                row = rows[sample]
                self._held = [Sample(int(batch.step[row]), float(batch.seconds[row]), counts)]
                self._norm = norms[sample]
        if len(batch) and self._buckets.of(batch.step[-1:] + 1)[0] != self._bucket:
            settled += self.close()
        return settled

    def close(self) -> list[Sample]:
        """Returns the sample that is not settled yet, if there is one."""
        settled, self._held = self._held, []
        return settled
