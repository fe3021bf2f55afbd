"""A record's steps as MLflow series: few enough to read, never smoothed, never non-finite.

MLflow turns a NaN into 0 with a flag and an infinity into 1.8e308, and its run page then hides the
whole metric. So a non-finite value is left out, and `grad/nonfinite_variables` says that it was.
A series longer than its budget keeps the least and the greatest value of each stretch of steps, so
that no spike is lost. Norms of variables are logarithms, base 10: in one linear chart healthy,
vanishing and exploding ones then all show.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import ModelCard
from gradgate.telemetry.batch import StepBatch

_FLOOR = 1e-12  # so that the logarithm of a zero gradient stays a number
_ROLLING = 100
_QUANTILES = {"p00": 0.0, "p50": 0.5, "p100": 1.0}
_LINEAR = {"zero_fraction", "cosine"}  # fractions and cosines are read best as they are
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.\-]+")


class Point(NamedTuple):
    """One value of one series; `seconds` since the training began."""

    key: str
    step: int
    seconds: float
    value: float


class Extremes:
    """Keeps the least and greatest value of each of `buckets` stretches of `total` steps."""

    def __init__(self, keys: list[str], total: int, most_points: int) -> None:
        self._keys = keys
        self._total = max(total, 1)
        # Two points a bucket, unless every step has a bucket of its own.
        self._buckets = self._total if self._total <= most_points else most_points // 2
        self._kept: dict[tuple[int, int], tuple[Point, Point]] = {}

    def add(
        self, step: NDArray[np.int64], seconds: NDArray[np.float64], values: NDArray[np.float64]
    ) -> None:
        """Adds values [n, k] of the k series at steps [n]."""
        bucket = np.minimum(step * self._buckets // self._total, self._buckets - 1)
        for which in np.unique(bucket).tolist():
            rows = np.flatnonzero(bucket == which)
            for column in range(values.shape[1]):
                series = values[rows, column]
                finite = rows[np.isfinite(series)]
                if len(finite):
                    low = finite[values[finite, column].argmin()]
                    high = finite[values[finite, column].argmax()]
                    self._keep(which, column, *(self._point(column, row, step, seconds, values)
                                                for row in (low, high)))  # fmt: skip

    def _point(
        self,
        column: int,
        row: int,
        step: NDArray[np.int64],
        seconds: NDArray[np.float64],
        values: NDArray[np.float64],
    ) -> Point:
        return Point(
            self._keys[column], int(step[row]), float(seconds[row]), float(values[row, column])
        )

    def _keep(self, bucket: int, column: int, low: Point, high: Point) -> None:
        if (bucket, column) in self._kept:
            lowest, highest = self._kept[bucket, column]
            low = low if low.value < lowest.value else lowest
            high = high if high.value > highest.value else highest
        self._kept[bucket, column] = (low, high)

    def points(self) -> Iterator[Point]:
        """All kept points, each once."""
        for low, high in self._kept.values():
            yield low
            if high.step != low.step:
                yield high


def series(
    card: ModelCard, batches: Iterable[StepBatch], *, total: int, most_points: int, layers: int
) -> list[Point]:
    """Returns the points of all series, sorted by key, then step: what MLflow stores fastest.

    Args:
        card: Names the variables.
        batches: All steps, in order.
        total: Number of steps.
        most_points: Most points a series has.
        layers: Most variables with series of their own; evenly spaced, first and last among them.
    """
    chosen = choose_variables(card, layers)
    run = Extremes(_run_keys(card), total, most_points)
    norms = Extremes(_keys("grad_l2_log10", card, chosen), total, most_points)
    sampled = {
        name: Extremes(_keys(section, card, chosen), total, most_points)
        for name, section in (
            ("mean_abs", "grad_mean_abs_log10"),
            ("max_abs", "grad_max_abs_log10"),
            ("zero_fraction", "grad_zero_fraction"),
            ("update_ratio", "update_ratio_log10"),
            ("data_mean_abs", "grad_data_mean_abs_log10"),
            ("cosine", "grad_cosine"),
        )
    }
    cosine = Extremes(["grad/cosine"], total, most_points)
    picks = spread(len(card.activations), layers)
    activations = {
        name: Extremes(_layer_keys(f"activation_{name}", card, picks), total, most_points)
        for name in ("dead_fraction", "saturated_fraction")
    }
    counters = _Counters()
    for batch in batches:
        run.add(batch.step, batch.seconds, _run_values(card, batch, counters))
        norms.add(batch.step, batch.seconds, _log10(batch.norms[:, chosen]))
        rows = np.searchsorted(batch.step, batch.statistics.step)
        for name, extremes in sampled.items():
            matrix = getattr(batch.statistics, name)
            if matrix is None:
                continue
            values = matrix[:, chosen].astype(np.float64)
            if name not in _LINEAR:
                values = _log10(values)
            extremes.add(batch.statistics.step, batch.seconds[rows], values)
        if batch.statistics.global_cosine is not None:
            values = batch.statistics.global_cosine[:, None].astype(np.float64)
            cosine.add(batch.statistics.step, batch.seconds[rows], values)
        if batch.activations is not None:
            step = batch.activations.step
            seconds = batch.seconds[np.searchsorted(batch.step, step)]
            for name, extremes in activations.items():
                values = getattr(batch.activations, name)[:, picks].astype(np.float64)
                extremes.add(step, seconds, values)
    every = (run, norms, cosine, *sampled.values(), *activations.values())
    return sorted(point for extremes in every for point in extremes.points())


def choose_variables(card: ModelCard, most: int) -> list[int]:
    """Indices of the variables that get series: those with a gradient, evenly spaced."""
    candidates = [i for i, variable in enumerate(card.variables) if variable.has_gradient]
    return [candidates[pick] for pick in spread(len(candidates), most)]


def spread(count: int, most: int) -> list[int]:
    """At most so many of `count` positions, evenly spaced, first and last among them."""
    if count <= most:
        return list(range(count))
    picks: list[int] = np.linspace(0, count - 1, most).round().astype(int).tolist()
    return picks


class _Counters:
    """What runs on from one batch to the next."""

    def __init__(self) -> None:
        self.clipped = np.zeros(0)
        self.nonfinite_steps = 0
        self.skipped_steps = 0
        self.loss_scale_skips = 0


def _run_keys(card: ModelCard) -> list[str]:
    keys = [
        "grad/global_norm",
        "grad/global_norm_clipped",
        "grad/clip_scale",
        f"grad/clip_rate_last_{_ROLLING}",
        "grad/nonfinite_variables",
        "grad/nonfinite_steps_total",
        "grad/skipped_steps_total",
        *(f"grad/variable_l2_log10_{name}" for name in _QUANTILES),
    ]
    if card.loss_measured:
        keys.append("train/loss")
    return [*keys, "grad/loss_scale", "grad/loss_scale_skips_total"] if card.loss_scaled else keys


def _run_values(card: ModelCard, batch: StepBatch, counters: _Counters) -> NDArray[np.float64]:
    clipped = np.concatenate([counters.clipped, batch.clipped.astype(np.float64)])
    sums = np.concatenate([[0.0], np.cumsum(clipped)])
    ends = np.arange(len(counters.clipped), len(clipped)) + 1
    starts = np.maximum(ends - _ROLLING, 0)
    rate = (sums[ends] - sums[starts]) / (ends - starts)
    counters.clipped = clipped[-_ROLLING:]
    bad = (~np.isfinite(batch.norms)).sum(1)
    bad_total = counters.nonfinite_steps + np.cumsum(bad > 0)
    skipped_total = counters.skipped_steps + np.cumsum(~batch.applied)
    counters.nonfinite_steps, counters.skipped_steps = int(bad_total[-1]), int(skipped_total[-1])
    columns = [batch.global_norm, batch.clipped_norm, batch.clip_scale, rate]
    columns += [bad, bad_total, skipped_total]
    used = [i for i, variable in enumerate(card.variables) if variable.has_gradient]
    logs = _log10(batch.norms[:, used]) if used else np.full((len(batch), 1), np.nan)
    with np.errstate(invalid="ignore"):  # of a step with infinite norms
        columns += list(np.quantile(logs, list(_QUANTILES.values()), axis=1))
    if card.loss_measured:
        columns.append(batch.loss)
    if card.loss_scaled:
        unknown = np.full(len(batch), np.nan)
        scale, skips = batch.loss_scale, batch.loss_scale_skips
        skips_total = unknown if skips is None else counters.loss_scale_skips + np.cumsum(skips)
        counters.loss_scale_skips += 0 if skips is None else int(skips.sum())
        columns += [unknown if scale is None else scale, skips_total]
    return np.asarray(np.stack(columns, 1), dtype=np.float64)


def _keys(section: str, card: ModelCard, chosen: list[int]) -> list[str]:
    width = max(2, len(str(len(card.variables) - 1)))
    return [f"{section}/{i:0{width}d}_{_short(card.variables[i].path)}" for i in chosen]


def _layer_keys(section: str, card: ModelCard, chosen: list[int]) -> list[str]:
    width = max(2, len(str(len(card.activations) - 1)))
    return [f"{section}/{i:0{width}d}_{_short(card.activations[i].layer)}" for i in chosen]


def _short(path: str) -> str:
    """The path without the model's name, in the letters that MLflow allows, at most 60."""
    tail = path.split("/", 1)[-1]
    return _FORBIDDEN.sub("_", tail.replace("/", "."))[-60:]


def _log10(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.log10(np.maximum(values.astype(np.float64), _FLOOR)))
