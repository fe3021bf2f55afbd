"""Which values TensorBoard gets: bounded, whatever the length of the training, with every extreme.

TensorBoard itself shows about 1,000 points of a scalar and 500 histograms of a tag, so a training
of millions of steps gets no more: of each stretch of steps the least and the greatest value, as in
MLflow, and the first that is not finite. Short trainings have every step.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import ModelCard
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.sinks.buckets import Buckets, live_buckets
from gradgate.telemetry.sinks.extremes import Extremes, Floats, Point, Steps
from gradgate.telemetry.sinks.tensorboard_run import RunValues

_RUN_POINTS = 1000
_VARIABLE_POINTS, _FEWEST = 500, 64
_ALL_POINTS = 500_000  # of all variables, as far as each then still has 64: about 20 MB
_SAMPLED = {
    "mean_abs": "gradient_mean_abs",
    "max_abs": "gradient_max_abs",
    "zero_fraction": "gradient_zero_fraction",
    "update_ratio": "update_ratio",
    "adam_rms": "adam_rms",
    "data_mean_abs": "gradient_data_mean_abs",
    "cosine": "gradient_cosine",
}
_NAN_IS_ABSENT = ("update_ratio", "adam_rms", "cosine")
_ACTIVATIONS = ("dead_fraction", "saturated_fraction")
_KINDS = {0.0: np.nan, 1.0: np.inf, -1.0: -np.inf}  # finite numbers that stand for others
_FLOOR = 1e-12  # so that the logarithm of a zero gradient stays a number


class Scalars:
    """All scalars of one training, in memory that does not grow with the steps.

    Args:
        card: Names the variables.
        planned: Steps; None when nobody said.
    """

    def __init__(self, card: ModelCard, planned: int | None) -> None:
        self._used = [i for i, variable in enumerate(card.variables) if variable.has_gradient]
        names = [_short(card.variables[i].path) for i in self._used]
        series = len(names) * (len(_SAMPLED) + 3) + len(card.activations) * len(_ACTIVATIONS)
        points = max(min(_VARIABLE_POINTS, _ALL_POINTS // max(series, 1)), _FEWEST)
        run, others = live_buckets(_RUN_POINTS, planned), live_buckets(points, planned)
        self._run = RunValues(card)
        self._series = {"gradgate": _Series(self._run.keys, run)}
        self._series["cosine"] = _Series(["gradgate/cosine"], others)
        sections = ("gradient_norm", *_SAMPLED.values())
        for section in (*sections, "gradient_norm_log10", "update_ratio_log10"):
            self._series[section] = _Series([f"{section}/{name}" for name in names], others)
        self._others = others
        self.learn(card)

    def learn(self, card: ModelCard) -> None:
        """Takes the names of the layers whose activations are looked at: before, there was no look.

        Args:
            card: As it is known now.
        """
        layers = [_short(activation.layer) for activation in card.activations]
        for field in _ACTIVATIONS:
            keys = [f"activation_{field}/{layer}" for layer in layers]
            name = f"activation_{field}"
            if name not in self._series or self._series[name].keys != keys:
                self._series[name] = _Series(keys, self._others)

    def add(self, batch: StepBatch) -> list[Point]:
        """Takes steps that follow those before; returns the points that are settled by them."""
        norms = batch.norms[:, self._used]
        points = self._add("gradgate", batch, batch.step, self._run.of(batch))
        points += self._add("gradient_norm", batch, batch.step, norms)
        points += self._add("gradient_norm_log10", batch, batch.step, _log10(norms))
        statistics = batch.statistics
        for field, section in _SAMPLED.items():
            matrix = getattr(statistics, field)
            if matrix is None:
                continue
            values, nan_is_absent = matrix[:, self._used], field in _NAN_IS_ABSENT
            points += self._add(
                section, batch, statistics.step, values, nan_is_absent=nan_is_absent
            )
            if field == "update_ratio":
                logs = _log10(values)
                points += self._add(
                    f"{section}_log10", batch, statistics.step, logs, nan_is_absent=True
                )
        if statistics.global_cosine is not None:
            cosine = statistics.global_cosine[:, None]
            points += self._add("cosine", batch, statistics.step, cosine, nan_is_absent=True)
        if batch.activations is not None:
            for field in _ACTIVATIONS:
                values, step = getattr(batch.activations, field), batch.activations.step
                points += self._add(f"activation_{field}", batch, step, values, nan_is_absent=True)
        following = int(batch.step[-1]) + 1
        return points + [p for one in self._series.values() for p in one.pass_over(following)]

    def close(self) -> list[Point]:
        """Returns the points that are not settled yet: there are no more steps."""
        return [point for series in self._series.values() for point in series.close()]

    def _add(
        self,
        name: str,
        batch: StepBatch,
        step: Steps,
        values: NDArray[Any],
        *,
        nan_is_absent: bool = False,
    ) -> list[Point]:
        seconds = batch.seconds[np.searchsorted(batch.step, step)]
        return self._series[name].add(
            step, seconds, values.astype(np.float64), nan_is_absent=nan_is_absent
        )


class _Series:
    """The extremes of a few series, and the first value of each stretch that is not finite."""

    def __init__(self, keys: list[str], buckets: Buckets) -> None:
        self.keys = keys
        self._finite, self._others = Extremes(keys, buckets), Extremes(keys, buckets)

    def add(
        self, step: Steps, seconds: Floats, values: Floats, *, nan_is_absent: bool
    ) -> list[Point]:
        kinds = np.full(values.shape, np.nan)
        for kind, value in _KINDS.items():
            kinds[np.isnan(values) if np.isnan(value) else values == value] = kind
        if nan_is_absent:
            kinds[np.isnan(values)] = np.nan
        points = self._finite.add(step, seconds, values)
        return points + self._named(self._others.add(step, seconds, kinds))

    def pass_over(self, step: int) -> list[Point]:
        return self._finite.pass_over(step) + self._named(self._others.pass_over(step))

    def close(self) -> list[Point]:
        return self._finite.close() + self._named(self._others.close())

    def _named(self, points: list[Point]) -> list[Point]:
        return [point._replace(value=_KINDS[point.value]) for point in points]


def _short(path: str) -> str:
    """The path without the model's name."""
    return path.split("/", 1)[-1]


def _log10(values: NDArray[Any]) -> Floats:
    """The logarithm, -12 of what is smaller; NaN and inf stay what they are."""
    return np.asarray(np.log10(np.maximum(values.astype(np.float64), _FLOOR)))
