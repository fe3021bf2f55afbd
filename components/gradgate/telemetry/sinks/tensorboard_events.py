"""Values as TensorBoard keeps them, made without TensorFlow and without its slow helpers.

TensorBoard reads the metadata of a tag from its first value, so the others go without: a scalar is
40 bytes then, and costs the training microseconds.
"""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_DOUBLE, DT_FLOAT
from tensorboard.plugins.histogram import metadata as histograms
from tensorboard.plugins.scalar import metadata as scalars
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from gradgate.telemetry.batch import HISTOGRAM_BINS, HISTOGRAM_LOWEST, HISTOGRAM_PER_DECADE
from gradgate.telemetry.sinks.extremes import Point

_SCALAR = scalars.create_summary_metadata(display_name=None, description=None)
_HISTOGRAM = histograms.create_summary_metadata(
    display_name=None, description="Entries of the gradient by log10 of their magnitude."
)
_EDGES = HISTOGRAM_LOWEST + np.arange(HISTOGRAM_BINS + 1) / HISTOGRAM_PER_DECADE
_SHAPE = TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in (HISTOGRAM_BINS, 3)])


class EventFile:
    """One event file. Times are seconds since the training began.

    Args:
        directory: The log directory.
        started: When the training began, in seconds since 1970.
        first_step: Of the steps to come. In a folder that holds events already, TensorBoard drops
            what was shown of it and of those after it: the training was resumed.
    """

    def __init__(self, directory: Path, started: float, first_step: int) -> None:
        self._writer = EventFileWriter(str(directory), filename_suffix=".gradgate")
        self._started = started
        self._seen: set[str] = set()
        begin = Event(step=first_step, wall_time=started)
        begin.session_log.status = SessionLog.START
        self._writer.add_event(begin)

    def add_summary(self, step: int, seconds: float, summary: Summary) -> None:
        """Adds an event."""
        event = Event(step=step, wall_time=self._started + seconds, summary=summary)
        self._writer.add_event(event)

    def add_scalars(self, points: Iterable[Point]) -> None:
        """Adds points, those of one step as one event; each tag's steps must rise."""
        for (step, seconds), group in groupby(
            sorted(points, key=lambda point: (point.step, point.seconds)),
            key=lambda point: (point.step, point.seconds),
        ):
            summary = Summary()
            for point in group:
                tensor = TensorProto(dtype=DT_FLOAT, float_val=[point.value])
                summary.value.add(tag=point.key, tensor=tensor, metadata=self._once(point.key))
            self.add_summary(step, seconds, summary)

    def add_histograms(
        self, step: int, seconds: float, counts: dict[str, NDArray[np.int64]]
    ) -> None:
        """Adds histograms over log10 |g|, each from its counts [bins], as one event."""
        summary = Summary()
        for tag, numbers in counts.items():
            rows = np.stack([_EDGES[:-1], _EDGES[1:], numbers], 1).astype("<f8")
            tensor = TensorProto(
                dtype=DT_DOUBLE, tensor_shape=_SHAPE, tensor_content=rows.tobytes()
            )
            summary.value.add(tag=tag, tensor=tensor, metadata=self._once(tag, _HISTOGRAM))
        self.add_summary(step, seconds, summary)

    def flush(self) -> None:
        """Lets readers see what was added."""
        self._writer.flush()

    def close(self) -> None:
        """Ends the file."""
        self._writer.close()

    def _once(self, tag: str, metadata: SummaryMetadata = _SCALAR) -> SummaryMetadata | None:
        if tag in self._seen:
            return None
        self._seen.add(tag)
        return metadata
