"""TensorBoard: scalars of the run and of each variable, and histograms of gradients.

Written with TensorBoard's own writer, so nothing here imports TensorFlow. Names put what belongs
together into one card group: `gradgate/...` for the run, then one group a statistic, as TensorBoard
groups by the part before the first slash. The Custom Scalars page has the charts to look at first.
What is written is bounded, however long the training is: see `tensorboard_series`.
"""

import time
from pathlib import Path

from gradgate.contracts import Manifest, ModelCard
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.sinks.tensorboard_events import EventFile
from gradgate.telemetry.sinks.tensorboard_layout import layout
from gradgate.telemetry.sinks.tensorboard_samples import Histograms, Sample
from gradgate.telemetry.sinks.tensorboard_series import Scalars


class TensorBoardSink:
    """Writes one event file, as the training goes on.

    Args:
        directory: The log directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: EventFile | None = None

    def begin(self, card: ModelCard, *, training_uid: str, planned_steps: int | None) -> None:
        """Makes the charts ready; the file is made with the first steps."""
        self._layout = layout(card)
        self._scalars = Scalars(card, planned_steps)
        self._histograms = Histograms(card, planned_steps)

    def learn(self, card: ModelCard) -> None:
        """Makes room for layers whose activations are looked at."""
        self._layout = layout(card)
        self._scalars.learn(card)

    def write(self, batch: StepBatch) -> None:
        """Writes what is settled by these steps."""
        if not len(batch):
            return
        if self._file is None:
            first, seconds = int(batch.step[0]), float(batch.seconds[0])
            self._file = EventFile(self._directory, time.time() - seconds, first)
            self._file.add_summary(first, seconds, self._layout)
        self._file.add_scalars(self._scalars.add(batch))
        self._add_histograms(self._file, self._histograms.add(batch))
        self._file.flush()

    def end(self, manifest: Manifest) -> None:
        """Writes the rest, and closes the file."""
        if self._file is not None:
            self._file.add_scalars(self._scalars.close())
            self._add_histograms(self._file, self._histograms.close())
            self._file.close()

    def _add_histograms(self, file: EventFile, samples: list[Sample]) -> None:
        for sample in samples:
            file.add_histograms(*sample)
