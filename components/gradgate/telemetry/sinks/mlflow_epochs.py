"""What the training loop said at the end of each epoch, as MLflow series such as `epoch/val_loss`.

Of very many epochs the extremes stay, as of steps. A number that is not finite is left out, and
`epoch/nonfinite_total` says that it was.
"""

import re

import numpy as np

from gradgate.contracts import EpochSummary
from gradgate.telemetry.sinks.buckets import Buckets
from gradgate.telemetry.sinks.extremes import Extremes

NONFINITE = "epoch/nonfinite_total"
_MOST_NAMES = 20
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.\-]+")


def epoch_points(
    epochs: tuple[EpochSummary, ...], most: int, at_ms: int
) -> list[tuple[str, int, int, float]]:
    """Returns `(key, step, time_ms, value)` points, sorted; the step is the last of the epoch.

    Args:
        epochs: Oldest first.
        most: Points of one series.
        at_ms: Their time: the record knows the steps of epochs, not when they ended.
    """
    if not epochs:
        return []
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch.logs))[:_MOST_NAMES]
    values = np.array([[epoch.logs.get(name, np.nan) for name in names] for epoch in epochs], float)
    said = np.array([[name in epoch.logs for name in names] for epoch in epochs], bool)
    bad = np.cumsum((said & ~np.isfinite(values)).sum(1))
    keys = [f"epoch/{_FORBIDDEN.sub('_', name)}" for name in names]
    if bad[-1]:
        keys, values = [*keys, NONFINITE], np.column_stack([values, bad])
    series = Extremes(keys, _buckets(len(epochs), most))
    number = np.arange(len(epochs))
    points = series.add(number, number.astype(np.float64), values) + series.close()
    return sorted(
        (point.key, max(epochs[point.step].last_step, 0), at_ms, point.value) for point in points
    )


def _buckets(epochs: int, most: int) -> Buckets:
    exponent = 0
    while Buckets([(0, exponent)]).points(epochs) > most + 1:
        exponent += 1
    return Buckets([(0, exponent)])
