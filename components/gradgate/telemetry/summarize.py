"""A training's `Summary`, built up batch by batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import (
    ActivationSummary,
    EpochSummary,
    ReplicaSummary,
    SeriesSummary,
    Summary,
    VariableSummary,
)
from gradgate.telemetry.batch import Ints, StepBatch
from gradgate.telemetry.series import SeriesAccumulator

_RUN = ("loss", "global_norm", "clipped_norm", "clip_scale")
_SAMPLED = ("mean_abs", "max_abs", "zero_fraction")
_SAMPLED_SINCE = (
    "weight_norm",
    "update_ratio",
    "adam_rms",
    "data_norm",
    "data_mean_abs",
    "data_max_abs",
    "data_zero_fraction",
    "cosine",
)
_REPLICAS = ("replica_loss", "replica_norm")
_ACTIVATIONS = ("zero_fraction", "dead_fraction", "saturated_fraction", "spread")
_NAN_IS_ABSENT = {"update_ratio", "adam_rms", "cosine", "global_cosine", *_ACTIVATIONS[1:]}


class SummaryBuilder:
    """Counts and summarises steps; `build` may be called at any time.

    Args:
        paths: Of the variables.
        layers: Whose activations are looked at.
    """

    def __init__(self, paths: Sequence[str], layers: Sequence[str] = ()) -> None:
        self._paths, self._layers = tuple(paths), tuple(layers)
        self._run = SeriesAccumulator(len(_RUN))
        self._norm = SeriesAccumulator(len(self._paths))
        self._sampled = {name: SeriesAccumulator(len(self._paths)) for name in _SAMPLED}
        self._more: dict[str, SeriesAccumulator] = {}  # what not every training measures
        self._activations: dict[str, SeriesAccumulator] = {}
        self._first_nonfinite = np.full(len(self._paths), -1, np.int64)
        self._replicas: dict[str, SeriesAccumulator] = {}
        self._bad_replicas: list[NDArray[np.int64]] = []  # counts, and first steps or -1
        self._counts = dict.fromkeys(
            ("steps", "applied", "skipped", "clipped", "loss", "gradient", "sampled", "scale"), 0
        )

    @property
    def loss_scale_skips(self) -> int:
        """Steps so far that a loss-scale optimizer left out."""
        return self._counts["scale"]

    def set_layers(self, layers: Sequence[str]) -> None:
        """Says whose activations will be looked at.

        Raises:
            ValueError: If those of others are summarised already.
        """
        if self._activations and tuple(layers) != self._layers:
            raise ValueError(
                f"RecordWriter: the record has activations of {len(self._layers)} layers and cannot"
                f" go on with {len(layers)} others. Start a new record for another model."
            )
        self._layers = tuple(layers)

    def add(self, batch: StepBatch) -> None:
        """Adds steps, later than those added before."""
        self._run.add(batch.step, np.stack([getattr(batch, name) for name in _RUN], 1))
        self._norm.add(batch.step, batch.norms)
        statistics = batch.statistics
        for name, series in self._sampled.items():
            series.add(statistics.step, getattr(statistics, name))
        for name in (*_SAMPLED_SINCE, "global_cosine"):
            _add(self._more, name, statistics.step, getattr(statistics, name))
        _add(self._more, "loss_scale", batch.step, batch.loss_scale)
        if batch.activations is not None:
            for name in _ACTIVATIONS:
                values = getattr(batch.activations, name)
                _add(self._activations, name, batch.activations.step, values)
        self._add_replicas(batch)
        is_bad = ~np.isfinite(batch.norms)
        new = is_bad.any(0) & (self._first_nonfinite < 0)
        self._first_nonfinite[new] = batch.step[is_bad.argmax(0)][new]
        counts = self._counts
        counts["steps"] += len(batch)
        counts["applied"] += int(batch.applied.sum())
        counts["skipped"] += int((~batch.applied).sum())
        counts["clipped"] += int(batch.clipped.sum())
        counts["loss"] += int((~np.isfinite(batch.loss)).sum())
        counts["gradient"] += int(is_bad.any(1).sum())
        counts["sampled"] += len(statistics.step)
        if batch.loss_scale_skips is not None:
            counts["scale"] += int(batch.loss_scale_skips.sum())

    def build(
        self,
        *,
        loss_measured: bool = True,
        loss_scale_skips: int | None = None,
        replicas: Sequence[str] = (),
        epochs: Sequence[EpochSummary] = (),
        constant_loss: float | None = None,
        final_weight_nonfinite: Mapping[str, int] | None = None,
        final_weight_sha256: Mapping[str, str] | None = None,
    ) -> Summary:
        """Returns the summary so far.

        Args:
            loss_measured: False leaves the loss out: nobody showed it to the guard.
            loss_scale_skips: Where more is known than the steps say, as of skips after the last.
            replicas: Names of them, where there are several.
            epochs: What the training loop said of them.
            constant_loss: Loss of the best constant predictor; None when unknown.
            final_weight_nonfinite: NaN and infinite entries of each variable after the last step.
            final_weight_sha256: Digests of their bytes.
        """
        run = dict(zip(_RUN, self._run.summaries(), strict=True))
        if not loss_measured:
            del run["loss"]
        return Summary(
            steps=self._counts["steps"],
            applied_steps=self._counts["applied"],
            skipped_steps=self._counts["skipped"],
            clipped_steps=self._counts["clipped"],
            nonfinite_loss_steps=self._counts["loss"] if loss_measured else 0,
            nonfinite_gradient_steps=self._counts["gradient"],
            sampled_steps=self._counts["sampled"],
            loss_scale_skips=self.loss_scale_skips
            if loss_scale_skips is None
            else loss_scale_skips,
            **run,
            loss_scale=_columns(self._more.get("loss_scale"), 1)[0],
            global_cosine=_columns(self._more.get("global_cosine"), 1)[0],
            variables=self._variables(final_weight_nonfinite or {}, final_weight_sha256 or {}),
            activations=self._layer_summaries(),
            replicas=self._replica_summaries(replicas, has_loss=loss_measured),
            epochs=tuple(epochs),
            constant_loss=constant_loss,
        )

    def _variables(
        self, weights: Mapping[str, int], digests: Mapping[str, str]
    ) -> tuple[VariableSummary, ...]:
        count = len(self._paths)
        always: dict[str, Any] = {
            name: series.summaries() for name, series in self._sampled.items()
        }
        always["norm"] = self._norm.summaries()
        more: dict[str, Any] = {
            name: _columns(self._more.get(name), count) for name in _SAMPLED_SINCE
        }
        return tuple(
            VariableSummary(
                path=path,
                **{name: series[i] for name, series in (always | more).items()},
                first_nonfinite_step=first if first >= 0 else None,
                final_weight_nonfinite=weights.get(path),
                final_weight_sha256=digests.get(path),
            )
            for i, (path, first) in enumerate(
                zip(self._paths, self._first_nonfinite.tolist(), strict=True)
            )
        )

    def _add_replicas(self, batch: StepBatch) -> None:
        known = [values for name in _REPLICAS if (values := getattr(batch, name)) is not None]
        if not known:
            return
        for name in _REPLICAS:
            _add(self._replicas, name, batch.step, getattr(batch, name))
        # A loss that nobody showed is NaN everywhere, and says nothing of a replica.
        bad = [~np.isfinite(values) for values in known if not np.isnan(values).all()]
        is_bad = np.any(bad, axis=0) if bad else np.zeros(known[0].shape, bool)
        if not self._bad_replicas:
            count = is_bad.shape[1]
            self._bad_replicas = [np.zeros(count, np.int64), np.full(count, -1, np.int64)]
        counts, first = self._bad_replicas
        counts += is_bad.sum(0)
        new = is_bad.any(0) & (first < 0)
        first[new] = batch.step[is_bad.argmax(0)][new]

    def _replica_summaries(
        self, names: Sequence[str], *, has_loss: bool
    ) -> tuple[ReplicaSummary, ...]:
        if not self._bad_replicas or len(names) != len(self._bad_replicas[0]):
            return ()
        loss, norm = (_columns(self._replicas.get(name), len(names)) for name in _REPLICAS)
        counts, first = (numbers.tolist() for numbers in self._bad_replicas)
        return tuple(
            ReplicaSummary(
                name=name,
                loss=loss[i] if has_loss else None,
                norm=norm[i],
                nonfinite_steps=counts[i],
                first_nonfinite_step=first[i] if first[i] >= 0 else None,
            )
            for i, name in enumerate(names)
        )

    def _layer_summaries(self) -> tuple[ActivationSummary, ...]:
        columns = {
            name: _columns(self._activations.get(name), len(self._layers)) for name in _ACTIVATIONS
        }
        return tuple(
            ActivationSummary(
                layer=layer,
                zero_fraction=columns["zero_fraction"][i] or SeriesSummary(),
                dead_fraction=columns["dead_fraction"][i],
                saturated_fraction=columns["saturated_fraction"][i],
                spread=columns["spread"][i],
            )
            for i, layer in enumerate(self._layers)
        )


def _add(
    series: dict[str, SeriesAccumulator], name: str, steps: Ints, values: NDArray[Any] | None
) -> None:
    """Adds values [n] or [n, k] to a series, which begins when it is first measured."""
    if values is None or not len(steps):
        return
    values = values.reshape(len(steps), -1)
    if name not in series:
        series[name] = SeriesAccumulator(values.shape[1], nan_is_absent=name in _NAN_IS_ABSENT)
    series[name].add(steps, values)


def _columns(series: SeriesAccumulator | None, count: int) -> list[SeriesSummary | None]:
    """The summaries of `count` columns; None for those that were never measured."""
    if series is None:
        return [None] * count
    return [
        summary if summary.count + summary.nonfinite else None for summary in series.summaries()
    ]
