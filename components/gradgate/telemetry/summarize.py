"""A training's `Summary`, built up batch by batch."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradgate.contracts import Summary, VariableSummary
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.series import SeriesAccumulator

_RUN = ("loss", "global_norm", "clipped_norm", "clip_scale")
_SAMPLED = ("mean_abs", "max_abs", "zero_fraction")


class SummaryBuilder:
    """Counts and summarises steps; `build` may be called at any time."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = tuple(paths)
        self._run = SeriesAccumulator(len(_RUN))
        self._norm = SeriesAccumulator(len(self._paths))
        self._sampled = {name: SeriesAccumulator(len(self._paths)) for name in _SAMPLED}
        self._first_nonfinite = np.full(len(self._paths), -1, np.int64)
        self._counts = dict.fromkeys(
            ("steps", "applied", "skipped", "clipped", "loss", "gradient", "sampled"), 0
        )

    def add(self, batch: StepBatch) -> None:
        """Adds steps, later than those added before."""
        self._run.add(batch.step, np.stack([getattr(batch, name) for name in _RUN], 1))
        self._norm.add(batch.step, batch.norms)
        for name, series in self._sampled.items():
            series.add(batch.statistics.step, getattr(batch.statistics, name))
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
        counts["sampled"] += len(batch.statistics.step)

    def build(
        self,
        *,
        loss_measured: bool = True,
        constant_loss: float | None = None,
        final_weight_nonfinite: Mapping[str, int] | None = None,
        final_weight_sha256: Mapping[str, str] | None = None,
    ) -> Summary:
        """Returns the summary so far.

        Args:
            loss_measured: False leaves the loss out: nobody showed it to the guard.
            constant_loss: Loss of the best constant predictor; None when unknown.
            final_weight_nonfinite: NaN and infinite entries of each variable after the last step.
            final_weight_sha256: Digests of their bytes.
        """
        run = dict(zip(_RUN, self._run.summaries(), strict=True))
        if not loss_measured:
            del run["loss"]
        weights, digests = final_weight_nonfinite or {}, final_weight_sha256 or {}
        columns = zip(
            self._paths,
            self._norm.summaries(),
            *(self._sampled[name].summaries() for name in _SAMPLED),
            self._first_nonfinite.tolist(),
            strict=True,
        )
        return Summary(
            steps=self._counts["steps"],
            applied_steps=self._counts["applied"],
            skipped_steps=self._counts["skipped"],
            clipped_steps=self._counts["clipped"],
            nonfinite_loss_steps=self._counts["loss"] if loss_measured else 0,
            nonfinite_gradient_steps=self._counts["gradient"],
            sampled_steps=self._counts["sampled"],
            **run,
            variables=tuple(
                VariableSummary(
                    path=path,
                    norm=norm,
                    mean_abs=mean_abs,
                    max_abs=max_abs,
                    zero_fraction=zero_fraction,
                    first_nonfinite_step=first if first >= 0 else None,
                    final_weight_nonfinite=weights.get(path),
                    final_weight_sha256=digests.get(path),
                )
                for path, norm, mean_abs, max_abs, zero_fraction, first in columns
            ),
            constant_loss=constant_loss,
        )
