"""From a record to the history that pictures are drawn from, in one pass and bounded memory."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.plots.history import Band, History, Values
from gradgate.gate.plots.layers import layers_of
from gradgate.gate.plots.stretches import Place, Stretches

_MOST_EPOCHS: Final = 1000


def history_of(evidence: Evidence) -> History | None:
    """Returns the history of one optimizer's steps; None if there are no steps."""
    reduction = _Reduction(evidence)
    for batch in evidence.batches():
        if len(batch.step):
            reduction.add(batch)
    return reduction.history() if reduction.stretches.count else None


class _Reduction:
    """The pass over the record."""

    def __init__(self, evidence: Evidence) -> None:
        self._card = evidence.card
        self.stretches = stretches = Stretches()
        self._layers = layers_of(evidence.card)
        rows = len(self._layers)
        self._loss, self._global, self._clipped = (_Bands(stretches, 1) for _ in range(3))
        self._norms, self._ratios = _Bands(stretches, rows), _Bands(stretches, rows)
        self._counts = stretches.fold(np.add, 0.0, 3)
        self._epochs: dict[int, int] = {}
        self._first_nonfinite = np.full(rows, -1)
        self._ratios_measured = False
        self._ends: tuple[float, float] | None = None
        self._peak: tuple[float, int] | None = None

    def add(self, batch: StepBatch) -> None:
        self.stretches.follow(batch.step)
        place = self.stretches.place(batch.step)
        for bands, values in (
            (self._loss, batch.loss),
            (self._global, batch.global_norm),
            (self._clipped, batch.clipped_norm),
        ):
            bands.add(place, values[:, None].astype(np.float64))
        flags = (np.ones(len(batch.step)), batch.clipped, ~batch.applied)
        self._counts.add(place, np.stack(flags, 1))
        if len(self._layers):
            norms = self._layers.root_of_squares(batch.norms.astype(np.float64))
            self._norms.add(place, norms)
            self._note_nonfinite(batch, norms)
            self._add_ratios(batch)
        if len(self._epochs) <= _MOST_EPOCHS:
            epochs, firsts = np.unique(batch.epoch, return_index=True)
            for epoch, row in zip(epochs.tolist(), firsts.tolist(), strict=True):
                self._epochs.setdefault(epoch, int(batch.step[row]))
        finite = batch.loss[np.isfinite(batch.loss)]
        if len(finite):
            first = self._ends[0] if self._ends else float(finite[0])
            self._ends = (first, float(finite[-1]))
        if (known := np.isfinite(batch.global_norm)).any():
            row = int(np.where(known, batch.global_norm, -np.inf).argmax())
            if self._peak is None or batch.global_norm[row] > self._peak[0]:
                self._peak = (float(batch.global_norm[row]), int(batch.step[row]))

    def _note_nonfinite(self, batch: StepBatch, norms: Values) -> None:
        bad = ~np.isfinite(norms)
        newly = bad.any(0) & (self._first_nonfinite < 0)
        self._first_nonfinite[newly] = batch.step[bad.argmax(0)[newly]]

    def _add_ratios(self, batch: StepBatch) -> None:
        seen = batch.statistics
        if seen.update_ratio is None or seen.weight_norm is None or not len(seen.step):
            return
        weight = seen.weight_norm.astype(np.float64)
        update = seen.update_ratio.astype(np.float64) * weight
        is_bad = ~np.isfinite(weight)
        is_known = np.isfinite(update) & (weight > 0)
        moved = self._layers.root_of_squares(np.where(is_known, update, 0.0))
        whole = self._layers.root_of_squares(np.where(is_known, weight, 0.0))
        ratio = np.divide(moved, whole, out=np.full_like(moved, np.nan), where=whole > 0)
        spoilt = self._layers.root_of_squares(is_bad.astype(np.float64)) > 0
        # Not measured is not the same as not finite: only weights that are NaN are that.
        self._ratios.add(
            self.stretches.place(seen.step),
            np.where(spoilt, np.nan, ratio),
            nonfinite=spoilt,
        )
        self._ratios_measured |= bool(np.isfinite(ratio).any())

    def history(self) -> History:
        count = self.stretches.count
        steps, clipped, skipped = self._counts.table(count)
        return History(
            first_step=self.stretches.first_step,
            last_step=self.stretches.last_step,
            width=self.stretches.width,
            epochs=tuple(self._epochs.items()) if len(self._epochs) <= _MOST_EPOCHS else (),
            layers=self._layers,
            loss=self._loss.band(count) if self._card.loss_measured else None,
            global_norm=self._global.band(count),
            clipped_norm=self._clipped.band(count),
            clip_rate=np.divide(clipped, steps, out=np.full(count, np.nan), where=steps > 0),
            steps=steps,
            skipped=skipped,
            norms=self._norms.band(count),
            ratios=self._ratios.band(count) if self._ratios_measured else None,
            first_nonfinite=self._first_nonfinite,
            loss_ends=self._ends,
            peak=self._peak,
        )


class _Bands:
    """The folds of a band."""

    def __init__(self, stretches: Stretches, rows: int) -> None:
        self._least = stretches.fold(np.fmin, np.inf, rows)
        self._greatest = stretches.fold(np.fmax, -np.inf, rows)
        self._total = stretches.fold(np.add, 0.0, rows)
        self._count = stretches.fold(np.add, 0.0, rows)
        self._nonfinite = stretches.fold(np.add, 0.0, rows)

    def add(
        self, place: Place, values: Values, *, nonfinite: NDArray[np.bool_] | None = None
    ) -> None:
        known = np.isfinite(values)
        self._least.add(place, np.where(known, values, np.inf))
        self._greatest.add(place, np.where(known, values, -np.inf))
        self._total.add(place, np.where(known, values, 0.0))
        self._count.add(place, known)
        self._nonfinite.add(place, ~known if nonfinite is None else nonfinite)

    def band(self, count: int) -> Band:
        tables = (self._least, self._total, self._greatest, self._count, self._nonfinite)
        least, total, greatest, known, nonfinite = (fold.table(count) for fold in tables)
        nothing = known == 0
        return Band(
            least=np.where(nothing, np.nan, least),
            mean=np.divide(total, known, out=np.full_like(total, np.nan), where=~nothing),
            greatest=np.where(nothing, np.nan, greatest),
            nonfinite=nonfinite,
        )
