"""A record's steps as MLflow series: few enough to read, never smoothed, never non-finite.

MLflow turns a NaN into 0 with a flag and an infinity into 1.8e308, and its run page then hides the
whole metric. So a non-finite value is left out, and `grad/nonfinite_variables` and
`train/nonfinite_loss_steps_total` say that it was. A series longer than its budget keeps the least
and the greatest value of each stretch of steps, so that no spike is lost. Norms of variables are
logarithms, base 10: in one linear chart healthy, vanishing and exploding ones then all show.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import ModelCard, Tracking
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.sinks.buckets import Buckets, live_buckets
from gradgate.telemetry.sinks.extremes import Extremes, Floats, Point
from gradgate.telemetry.sinks.mlflow_budget import (
    LAYER_SECTIONS,
    QUANTILES,
    ROLLING,
    VARIABLE_SECTIONS,
    Budget,
    layer_keys,
    share_out,
    variable_keys,
)

_FLOOR = 1e-12  # so that the logarithm of a zero gradient stays a number
_LINEAR = {"zero_fraction", "cosine"}  # fractions and cosines are read best as they are


class Series:
    """All series of one training, batch by batch, in memory that does not grow with the steps.

    Args:
        card: Names the variables.
        budget: Which series there are.
        run_buckets, buckets: The stretches of steps of the run's series and of the variables'.
    """

    def __init__(
        self, card: ModelCard, budget: Budget, run_buckets: Buckets, buckets: Buckets
    ) -> None:
        def of_variables(section: str) -> Extremes:
            return Extremes(variable_keys(section, card, budget.variables), buckets)

        def of_layers(name: str) -> Extremes:
            return Extremes(layer_keys(f"layer_{name}", card, budget.layers), buckets)

        keys = [key for key in budget.run_keys if key != "grad/cosine"]
        self._run, self._cosine = Extremes(keys, run_buckets), Extremes(["grad/cosine"], buckets)
        self._norms = of_variables("grad_l2_log10")
        self._sampled = {name: of_variables(VARIABLE_SECTIONS[name]) for name in budget.sections}
        self._activations = {name: of_layers(name) for name in LAYER_SECTIONS}
        self._variables, self._layers = list(budget.variables), list(budget.layers)
        self._values = _RunValues(card)

    def add(self, batch: StepBatch) -> list[Point]:
        """Takes steps that follow those before; returns the points that are settled by them."""
        points = self._run.add(batch.step, batch.seconds, self._values.of(batch))
        points += self._norms.add(batch.step, batch.seconds, log10(batch.norms[:, self._variables]))
        points += self._add_statistics(batch)
        if batch.activations is not None:
            step = batch.activations.step
            seconds = batch.seconds[np.searchsorted(batch.step, step)]
            for name, extremes in self._activations.items():
                values = getattr(batch.activations, name)[:, self._layers].astype(np.float64)
                points += extremes.add(step, seconds, values)
        for extremes in self._all():
            points += extremes.pass_over(int(batch.step[-1]) + 1)
        return points

    def close(self) -> list[Point]:
        """Returns the points that are not settled yet: there are no more steps."""
        return [point for extremes in self._all() for point in extremes.close()]

    def _add_statistics(self, batch: StepBatch) -> list[Point]:
        statistics, points = batch.statistics, []
        seconds = batch.seconds[np.searchsorted(batch.step, statistics.step)]
        for name, extremes in self._sampled.items():
            matrix = getattr(statistics, name)
            if matrix is not None:
                values = matrix[:, self._variables].astype(np.float64)
                values = values if name in _LINEAR else log10(values)
                points += extremes.add(statistics.step, seconds, values)
        if statistics.global_cosine is not None:
            values = statistics.global_cosine[:, None].astype(np.float64)
            points += self._cosine.add(statistics.step, seconds, values)
        return points

    def _all(self) -> tuple[Extremes, ...]:
        sampled, activations = self._sampled.values(), self._activations.values()
        return (self._run, self._norms, self._cosine, *sampled, *activations)


def live_series(card: ModelCard, tracking: Tracking, planned: int | None) -> Series:
    """Returns the series of a training that runs."""
    budget = share_out(card, tracking)
    run, others = (live_buckets(most, planned) for most in (budget.run_points, budget.points))
    return Series(card, budget, run, others)


def final_series(card: ModelCard, tracking: Tracking, planned: int | None, steps: int) -> Series:
    """Returns the series of a training that is over: all points of `live_series`, and more.

    Args:
        card: Of the training.
        tracking: The settings.
        planned: Steps that were planned when it began; None when nobody said.
        steps: Steps that it took.
    """
    budget = share_out(card, tracking)
    run, others = (
        live_buckets(most, planned).filled_in(steps, most)
        for most in (budget.run_points, budget.points)
    )
    return Series(card, budget, run, others)


def all_points(series: Series, batches: Iterable[StepBatch]) -> list[Point]:
    """Returns all points, sorted by key, then step: what MLflow stores fastest."""
    points = [point for batch in batches for point in series.add(batch)]
    return sorted(points + series.close())


class _RunValues:
    """The values of the run's series; some run on from one batch to the next."""

    def __init__(self, card: ModelCard) -> None:
        self._card = card
        self._used = [i for i, variable in enumerate(card.variables) if variable.has_gradient]
        self._clipped = np.zeros(0)
        self._nonfinite = self._skipped = self._bad_losses = self._loss_scale_skips = 0

    def of(self, batch: StepBatch) -> Floats:
        """Returns float64 [n, k], in the order of `Budget.run_keys`; NaN where not known."""
        bad = (~np.isfinite(batch.norms)).sum(1)
        bad_total = self._nonfinite + np.cumsum(bad > 0)
        skipped_total = self._skipped + np.cumsum(~batch.applied)
        self._nonfinite, self._skipped = int(bad_total[-1]), int(skipped_total[-1])
        columns: list[NDArray[Any]] = [batch.global_norm, batch.clipped_norm, batch.clip_scale]
        columns += [self._clip_rate(batch), bad, bad_total, skipped_total]
        logs = log10(batch.norms[:, self._used])
        logs = logs if self._used else np.full((len(batch), 1), np.nan)
        with np.errstate(invalid="ignore"):  # of a step with infinite norms
            columns += list(np.quantile(logs, list(QUANTILES.values()), axis=1))
        if self._card.loss_measured:
            bad_losses = self._bad_losses + np.cumsum(~np.isfinite(batch.loss))
            self._bad_losses = int(bad_losses[-1])
            columns += [batch.loss, bad_losses]
        if self._card.loss_scaled:
            columns += self._loss_scale(batch)
        return np.asarray(np.stack(columns, 1), dtype=np.float64)

    def _clip_rate(self, batch: StepBatch) -> Floats:
        clipped = np.concatenate([self._clipped, batch.clipped.astype(np.float64)])
        sums = np.concatenate([[0.0], np.cumsum(clipped)])
        ends = np.arange(len(self._clipped), len(clipped)) + 1
        starts = np.maximum(ends - ROLLING, 0)
        self._clipped = clipped[-ROLLING:]
        return np.asarray((sums[ends] - sums[starts]) / (ends - starts))

    def _loss_scale(self, batch: StepBatch) -> list[NDArray[Any]]:
        unknown = np.full(len(batch), np.nan)
        scale, skips = batch.loss_scale, batch.loss_scale_skips
        total = unknown if skips is None else self._loss_scale_skips + np.cumsum(skips)
        self._loss_scale_skips += 0 if skips is None else int(skips.sum())
        return [unknown if scale is None else scale, total]


def log10(values: NDArray[Any]) -> Floats:
    """Logarithms of values of at least 0; those of less than 1e-12 are -12."""
    return np.asarray(np.log10(np.maximum(values.astype(np.float64), _FLOOR)))
