"""From the numbers that the device held to the batch that record and sinks take."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import ModelCard
from gradgate.telemetry.batch import Bools, Floats, Ints, StatisticsBatch, StepBatch
from gradgate.training.layout import APPLIED, CLIPPED, SAMPLED, SKETCHED, Columns, Layout
from gradgate.training.ring import Rows


class Decoder:
    """Turns rows and samples into batches, in the order in which they were written.

    Args:
        layout: Of both.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._sketched_step = -2
        self._sketch: Floats | None = None  # [v, k], of that step
        self._skips = 0  # told with the rows so far

    def state(self) -> dict[str, NDArray[Any]]:
        """Returns what a resumed training needs to go on in the same way."""
        told = {"told_skips": np.array(self._skips)}
        if self._sketch is None:
            return told
        return {**told, "sketch": self._sketch, "sketched_step": np.array(self._sketched_step)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Goes on from what `state` gave."""
        if "sketch" in state:
            self._sketch = state["sketch"]
            self._sketched_step = int(state["sketched_step"])
        self._skips = int(state.get("told_skips", 0))

    def batch(self, rows: Rows, samples: Floats | None, *, epoch: int, seconds: float) -> StepBatch:
        """Returns the steps as a batch.

        Args:
            rows: Of the ring.
            samples: Of the sample ring; None when none are ever taken.
            epoch: That all of the steps belong to.
            seconds: Wall time since the training began.
        """
        row = self._layout.split_rows(rows.values)
        flags = row["flags"].astype(np.int64)
        count = len(rows.values)
        step = np.arange(rows.first_step, rows.first_step + count, dtype=np.int64)
        applied = (flags & APPLIED) > 0
        return StepBatch(
            step=step,
            epoch=np.full(count, epoch, np.int64),
            seconds=np.full(count, seconds, np.float64),
            loss=row["loss"],
            global_norm=row["global_norm"],
            clipped_norm=row["clipped_norm"],
            clip_scale=row["clip_scale"],
            clipped=(flags & CLIPPED) > 0,
            applied=applied,
            norms=row["norms"],
            statistics=self._statistics(step, flags, applied, samples),
            stage_norms=row.get("stage_norms"),
            stage_fired=None if "stage_fired" not in row else row["stage_fired"] > 0,
            replica_loss=row.get("replica_loss"),
            replica_norm=row.get("replica_norm"),
            loss_scale=row.get("loss_scale"),
            loss_scale_skips=self._new_skips(row),
        )

    def _new_skips(self, row: Columns) -> Ints | None:
        """The device counts from the start; a row tells those since the row before."""
        if "loss_scale_skips" not in row:
            return None
        told = row["loss_scale_skips"].astype(np.int64)
        new: Ints = np.diff(told, prepend=self._skips)
        if len(told):
            self._skips = int(told[-1])
        return np.maximum(new, 0)

    def _statistics(
        self, step: Ints, flags: Ints, applied: Bools, samples: Floats | None
    ) -> StatisticsBatch:
        v = self._layout.variables
        if samples is None:
            none, nothing = np.empty((0, v), np.float32), np.empty(0, np.int64)
            return StatisticsBatch(
                step=nothing,
                mean_abs=none,
                max_abs=none,
                zero_fraction=none,
                nonfinite=none.astype(np.int64),
            )
        # Samples lie in the order of their steps; those of steps that were lost come first.
        sketched = np.flatnonzero(flags & SKETCHED)
        samples = samples[max(0, len(samples) - len(sketched)) :]
        sketched = sketched[len(sketched) - len(samples) :]
        part = self._layout.split_samples(samples)
        cosine, global_cosine = self._cosines(step[sketched], part["sketch"])
        is_full = (flags[sketched] & SAMPLED) > 0
        full = {name: values[is_full] for name, values in part.items()}
        was_applied = applied[sketched][is_full]
        if "adam_rms" in full:
            full["adam_rms"] = np.where(was_applied[:, np.newaxis], full["adam_rms"], np.nan)
        return StatisticsBatch(
            step=step[sketched][is_full],
            **{name: full[name] for name in self._layout.fields if name != "nonfinite"},
            nonfinite=full["nonfinite"].astype(np.int64),
            histogram=full["histogram"].astype(np.int64),
            update_ratio=_ratio(full["update_norm"], full["weight_norm"], was_applied),
            adam_rms=full.get("adam_rms"),
            cosine=cosine[is_full],
            global_cosine=global_cosine[is_full],
        )

    def _cosines(self, step: Ints, sketches: Floats) -> tuple[Floats, Floats]:
        """Returns the cosine of each sketch with that of the step before, [m, v] and [m]."""
        each = np.full(sketches.shape[:2], np.nan, np.float32)
        whole = np.full(len(sketches), np.nan, np.float32)
        for i, (number, sketch) in enumerate(zip(step.tolist(), sketches, strict=True)):
            if self._sketch is not None and self._sketched_step == number - 1:
                each[i] = _cosine(sketch, self._sketch)
                whole[i] = _cosine(sketch.reshape(1, -1), self._sketch.reshape(1, -1))[0]
            self._sketched_step, self._sketch = number, sketch
        return each, whole


def _cosine(a: Floats, b: Floats) -> Floats:
    """Returns the cosine of each row of a with that of b; NaN where one is 0 or not finite."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        cosine = (a * b).sum(1) / np.sqrt(np.square(a).sum(1) * np.square(b).sum(1))
    return np.where(np.isfinite(cosine), cosine, np.nan).astype(np.float32)


def _ratio(update: Floats, weight: Floats, applied: Bools) -> Floats:
    """Returns the update-to-weight ratio; NaN where nothing was applied or the weight is 0."""
    is_known = applied[:, np.newaxis] & (weight > 0)
    ratio = np.divide(update, weight, out=np.full_like(update, np.nan), where=is_known)
    return ratio.astype(np.float32)


def why_not_applied(batch: StepBatch, card: ModelCard) -> str:
    """Returns what was wrong with the first step of a batch that was not applied."""
    row = int(np.argmin(batch.applied))
    bad = np.flatnonzero(~np.isfinite(batch.norms[row]))
    what = []
    if card.loss_measured and not np.isfinite(batch.loss[row]):
        what.append(f"the loss is {batch.loss[row]}")
    if len(bad):
        others = f" and of {len(bad) - 1} more variables" if len(bad) > 1 else ""
        what.append(f"the gradient of {card.variables[bad[0]].path}{others} is not finite")
    return f"Stopped at step {batch.step[row]}: {'; '.join(what)}."
