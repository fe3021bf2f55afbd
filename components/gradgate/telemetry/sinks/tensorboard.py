"""TensorBoard: scalars of the run and of each variable, and histograms of gradients.

Written with TensorBoard's own writer, so nothing here imports TensorFlow. Names put what belongs
together into one card group: `gradgate/...` for the run, then one group a statistic, as TensorBoard
groups by the part before the first slash. The Custom Scalars page has the charts to look at first.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram import metadata as histograms
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto

from gradgate.contracts import Manifest, ModelCard
from gradgate.telemetry.batch import (
    HISTOGRAM_BINS,
    HISTOGRAM_LOWEST,
    HISTOGRAM_PER_DECADE,
    ActivationBatch,
    StatisticsBatch,
    StepBatch,
)
from gradgate.telemetry.sinks.tensorboard_layout import CLIP_RATE, layout

_RUN = ("global_norm", "clipped_norm", "clip_scale")
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
_ROLLING = 100
_FLOOR = 1e-12  # so that the logarithm of a zero gradient stays a number
_EDGES = HISTOGRAM_LOWEST + np.arange(HISTOGRAM_BINS + 1) / HISTOGRAM_PER_DECADE


class TensorBoardSink:
    """Writes one event file; of the run every `stride`-th step, of variables the sampled ones.

    Args:
        directory: The log directory.
        stride: Steps between two points of the run's scalars.
    """

    def __init__(self, directory: Path, *, stride: int = 10) -> None:
        self._directory = directory
        self._stride = stride
        self._start: float | None = None
        self._loss_scale_skips = 0
        self._clipped = np.zeros(0, bool)
        self._nonfinite = self._skipped = 0

    def begin(self, card: ModelCard, *, training_uid: str, planned_steps: int | None) -> None:
        """Opens the event file."""
        self._writer = EventFileWriter(str(self._directory), filename_suffix=".gradgate")
        self._names = [variable.path.split("/", 1)[-1] for variable in card.variables]
        self._used = [i for i, variable in enumerate(card.variables) if variable.has_gradient]
        self._layers = [activation.layer.split("/", 1)[-1] for activation in card.activations]
        self._loss_measured = card.loss_measured
        self._layout = layout(card)

    def write(self, batch: StepBatch) -> None:
        """Writes what the strides and the sampling schedule ask for."""
        if not len(batch):
            return
        if self._start is None:
            self._start = time.time() - float(batch.seconds[0])
            # A second beginning in one folder is a resumed training: TensorBoard then drops what
            # was shown of these steps.
            log = SessionLog(status=SessionLog.START)
            begin = Event(step=int(batch.step[0]), wall_time=time.time(), session_log=log)
            self._writer.add_event(begin)
            self._emit(int(batch.step[0]), float(batch.seconds[0]), self._layout)
        skips = batch.loss_scale_skips
        skips_total = None if skips is None else self._loss_scale_skips + np.cumsum(skips)
        shown = np.flatnonzero(batch.step % self._stride == 0)
        since = self._since(batch, shown)
        for row in shown.tolist():
            summary = Summary()
            for name in _RUN:
                _add(summary, scalar_pb(f"gradgate/{name}", getattr(batch, name)[row]))
            if self._loss_measured:
                _add(summary, scalar_pb("gradgate/loss", batch.loss[row]))
            if batch.loss_scale is not None:
                _add(summary, scalar_pb("gradgate/loss_scale", batch.loss_scale[row]))
            if skips_total is not None:
                _add(summary, scalar_pb("gradgate/loss_scale_skips_total", skips_total[row]))
            for name, counted in since.items():
                _add(summary, scalar_pb(f"gradgate/{name}", counted[row]))
            self._emit(int(batch.step[row]), float(batch.seconds[row]), summary)
        rows = np.searchsorted(batch.step, batch.statistics.step)
        for sample, row in enumerate(rows.tolist()):
            summary = self._variables(batch, row, batch.statistics, sample)
            self._emit(int(batch.step[row]), float(batch.seconds[row]), summary)
        if skips_total is not None:
            self._loss_scale_skips = int(skips_total[-1])
        if batch.activations is not None:
            self._write_activations(batch, batch.activations)
        self._writer.flush()

    def end(self, manifest: Manifest) -> None:
        """Closes the event file."""
        self._writer.close()

    def _since(self, batch: StepBatch, shown: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """What happened on the steps between two points too, by row: no step goes untold."""
        clipped = np.concatenate([self._clipped, batch.clipped])
        sums = np.concatenate([[0], np.cumsum(clipped)])
        ends = np.arange(len(batch)) + len(self._clipped) + 1
        starts = np.maximum(ends - _ROLLING, 0)
        self._clipped = clipped[-_ROLLING:]
        is_bad = ~np.isfinite(batch.norms).all(1)
        if self._loss_measured:
            is_bad |= ~np.isfinite(batch.loss)
        nonfinite, self._nonfinite = _between(is_bad, shown, self._nonfinite)
        skipped, self._skipped = _between(~batch.applied, shown, self._skipped)
        return {
            CLIP_RATE: (sums[ends] - sums[starts]) / (ends - starts),
            "nonfinite_steps": nonfinite,
            "skipped_steps": skipped,
        }

    def _variables(
        self, batch: StepBatch, row: int, statistics: StatisticsBatch, sample: int
    ) -> Summary:
        summary = Summary()
        for i in self._used:
            name = self._names[i]
            norm = batch.norms[row, i]
            _add(summary, scalar_pb(f"gradient_norm/{name}", norm))
            _add(summary, scalar_pb(f"gradient_norm_log10/{name}", _log10(norm)))
            for field, section in _SAMPLED.items():
                values = getattr(statistics, field)
                if values is None or (field in _NAN_IS_ABSENT and np.isnan(values[sample, i])):
                    continue
                _add(summary, scalar_pb(f"{section}/{name}", values[sample, i]))
                if field == "update_ratio":
                    value = _log10(values[sample, i])
                    _add(summary, scalar_pb(f"update_ratio_log10/{name}", value))
            if statistics.histogram is not None:
                counts = statistics.histogram[sample, i]
                _add(summary, _histogram(f"gradient_log10/{name}", counts))
        cosine = statistics.global_cosine
        if cosine is not None and not np.isnan(cosine[sample]):
            _add(summary, scalar_pb("gradgate/cosine", cosine[sample]))
        return summary

    def _write_activations(self, batch: StepBatch, activations: ActivationBatch) -> None:
        rows = np.searchsorted(batch.step, activations.step)
        for probe, row in enumerate(rows.tolist()):
            summary = Summary()
            for i, layer in enumerate(self._layers):
                for field in _ACTIVATIONS:
                    value = getattr(activations, field)[probe, i]
                    if not np.isnan(value):
                        _add(summary, scalar_pb(f"activation_{field}/{layer}", value))
            self._emit(int(batch.step[row]), float(batch.seconds[row]), summary)

    def _emit(self, step: int, seconds: float, summary: Summary) -> None:
        assert self._start is not None, "set by the first steps"
        event = Event(step=step, wall_time=self._start + seconds, summary=summary)
        self._writer.add_event(event)


def _between(
    flags: NDArray[np.bool_], shown: NDArray[np.int64], before: int
) -> tuple[NDArray[np.int64], int]:
    """Counts flags since the last row that is shown, by row, and those after the last one.

    Args:
        flags: One a row.
        shown: Rows that are shown, rising.
        before: Flags that were counted after the last row shown of the batch before.
    """
    total = before + np.cumsum(flags)
    counted = total.copy()
    counted[shown[1:]] -= total[shown[:-1]]
    return counted, int(total[-1] - (total[shown[-1]] if len(shown) else 0))


def _log10(value: np.float32) -> float:
    """The logarithm, -12 of what is smaller; NaN and inf stay what they are."""
    return float(np.log10(np.maximum(value, _FLOOR)))


def _add(summary: Summary, more: Summary) -> None:
    summary.value.extend(more.value)


def _histogram(tag: str, counts: NDArray[np.int64]) -> Summary:
    """A histogram over log10 |g| from counts, float64 [bins, 3]: left edge, right edge, count."""
    buckets = np.stack([_EDGES[:-1], _EDGES[1:], counts], 1).astype(np.float64)
    summary = Summary()
    summary.value.add(
        tag=tag,
        metadata=histograms.create_summary_metadata(
            display_name=None, description="Entries of the gradient by log10 of their magnitude."
        ),
        tensor=make_tensor_proto(buckets),
    )
    return summary
