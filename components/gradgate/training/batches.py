"""From the numbers that the device held to the batch that record and sinks take."""

import numpy as np

from gradgate.contracts import ModelCard
from gradgate.telemetry.batch import Floats, Ints, StatisticsBatch, StepBatch
from gradgate.training.meter import APPLIED, CLIPPED, FIELDS, NOT_SAMPLED, SCALARS
from gradgate.training.ring import Rows

MOST_ANOMALIES = 32


def to_batch(
    rows: Rows, *, variables: int, statistics_every: int, epoch: int, seconds: float
) -> StepBatch:
    """Returns the rows as a batch.

    Args:
        rows: Of the ring, see `Meter`.
        variables: Number of variables, v.
        statistics_every: Steps between two scheduled samples, 0 is never.
        epoch: That all of the steps belong to.
        seconds: Wall time since the training began.
    """
    norms, scalars, sampled = np.split(rows.values, [variables, variables + len(SCALARS)], axis=1)
    loss, global_norm, clipped_norm, clip_scale, flags = scalars.T
    flags = flags.astype(np.int64)
    count = len(rows.values)
    step = np.arange(rows.first_step, rows.first_step + count, dtype=np.int64)
    return StepBatch(
        step=step,
        epoch=np.full(count, epoch, np.int64),
        seconds=np.full(count, seconds, np.float64),
        loss=loss,
        global_norm=global_norm,
        clipped_norm=clipped_norm,
        clip_scale=clip_scale,
        clipped=(flags & CLIPPED) > 0,
        applied=(flags & APPLIED) > 0,
        norms=norms,
        statistics=_statistics(step, sampled, variables=variables, every=statistics_every),
    )


def _statistics(step: Ints, sampled: Floats, *, variables: int, every: int) -> StatisticsBatch:
    """Keeps scheduled samples, and of those taken because of an anomaly the first few."""
    fields = sampled.reshape(len(step), FIELDS, variables if every else 0)
    was_sampled = np.zeros(len(step), bool)
    if every and variables:
        was_sampled = fields[:, 0, 0] != NOT_SAMPLED  # a mean of magnitudes is not negative
        is_anomaly = was_sampled & (step % every != 0)
        was_sampled &= ~(is_anomaly & (np.cumsum(is_anomaly) > MOST_ANOMALIES))
    kept = fields[was_sampled]
    mean_abs, max_abs, zero_fraction, nonfinite = kept[:, :4].swapaxes(0, 1)
    return StatisticsBatch(
        step=step[was_sampled],
        mean_abs=mean_abs,
        max_abs=max_abs,
        zero_fraction=zero_fraction,
        nonfinite=nonfinite.astype(np.int64),
        histogram=kept[:, 4:].swapaxes(1, 2).astype(np.int64),
    )


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
