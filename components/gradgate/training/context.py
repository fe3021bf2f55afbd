"""One training and its record: made before the training code runs, finished after it.

The record is written also when the training code never instrumented a model or trained no step:
then it says so, and the gate blocks.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from gradgate.contracts import BoundModel, DataSource, Manifest, ModelCard, mark_and_bind
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.sinks import FanOut, Sink
from gradgate.telemetry.writer import RecordWriter
from gradgate.training.seed import reproducible
from gradgate.training.settings import GuardSettings

if TYPE_CHECKING:
    from gradgate.training.guard import Guard
    from gradgate.training.trail import Trail

Status = Literal["completed", "stopped", "failed"]
_SEVERITY: tuple[Status, ...] = ("completed", "stopped", "failed")


class TrainingContext:
    """What a training belongs to: its record, its name, its settings, its mirrors.

    Sets the seed at once, so that it holds when the training code builds its model.

    Args:
        record_dir: Directory of the record; must not hold one.
        settings: How to guard, as far as `instrument` is not told otherwise.
        training_uid: Names this training for ever; a resumed one keeps its name.
        sinks: Mirrors; one that fails is dropped by name, and the training goes on.
        mlflow_run_id: Of the run that shows this training.
        data: What it was trained on.
        planned_steps: Optimizer steps that were asked for, as far as `instrument` is not told
            otherwise; None lets `fit` say.
        resume: Go on with the record that a killed training left in the directory.
        is_writer: False in a process whose record another one writes, as a worker's.

    Raises:
        FileExistsError: If the directory holds a record that is not to be resumed.
        ValueError: If the record that is to be resumed is damaged.
    """

    def __init__(
        self,
        record_dir: str | os.PathLike[str],
        settings: GuardSettings,
        training_uid: str,
        sinks: Sequence[Sink] = (),
        mlflow_run_id: str | None = None,
        data: Sequence[DataSource] = (),
        planned_steps: int | None = None,
        *,
        resume: bool = False,
        is_writer: bool = True,
    ) -> None:
        self.settings = settings
        self._lock = threading.RLock()  # around what writes the record
        self.planned_steps = planned_steps
        self.guard: Guard | None = None
        self.manifest: Manifest | None = None
        self._mlflow_run_id, self._data = mlflow_run_id, tuple(data)
        self._writer: RecordWriter | None = None
        self.training_uid = training_uid
        if is_writer:
            self._writer = RecordWriter.resume(record_dir) if resume else RecordWriter(record_dir)
            self.training_uid = self._writer.training_uid or training_uid
            self._writer.begin_training(self.training_uid)
        self._sinks = FanOut(sinks if is_writer else ())
        self._cards: dict[str, ModelCard] = {}
        self._first: str | None = None  # name of the optimizer whose record is the root
        if settings.seed is not None:
            reproducible(settings.seed)

    @property
    def is_writer(self) -> bool:
        """Whether this process writes the record."""
        return self._writer is not None

    def attach(self, guard: "Guard") -> None:
        """Takes the guard of this training; `instrument` calls it.

        Raises:
            ValueError: If the training has a guard already, or is finished.
        """
        if self.guard is not None or self.manifest is not None:
            raise ValueError(
                f"instrument: the training {self.training_uid} has a guard already. One record is"
                " of one model: instrument only the model that will be exported."
            )
        self.guard = guard

    def note_epoch(self, epoch: int, last_step: int, logs: Mapping[str, float]) -> None:
        """Puts what the training loop said at the end of an epoch into the record."""
        if self._writer is not None:
            self._writer.note_epoch(epoch, last_step, logs)

    def writer_for(self, optimizer: str) -> RecordWriter | None:
        """Returns the writer for an optimizer: the record itself for the first that asks."""
        if self._writer is None:
            return None
        if self._first is None:
            self._first = optimizer
            return self._writer
        return self._writer.for_optimizer(optimizer)

    def write(self, trail: "Trail", card: ModelCard, batch: StepBatch) -> None:
        """Writes steps to the record, which must succeed, then to the mirrors, which may fail."""
        if trail.writer is None:
            return
        with self._lock:
            if self.manifest is not None:
                return  # given up meanwhile
            self._begin(trail, card)
            trail.writer.append(batch)
        if len(batch) and trail.name == self._first:
            self._sinks.write(batch)

    def secure(self) -> None:
        """Brings to the disk what was written so far."""
        with self._lock:
            for writer in self._writers():
                writer.flush()

    def finish(
        self,
        status: Status,
        message: str = "",
        model_dir: str | os.PathLike[str] | None = None,
    ) -> Manifest | None:
        """Closes the guard if it is open, and finishes the record. A second call changes nothing.

        Args:
            status: How the training code ended. What the guard knows to be worse wins.
            message: Why, when it did not complete.
            model_dir: The exported model, to be named in the record by its digest.

        Returns:
            The manifest; None in a process whose record another one writes.

        Raises:
            gradgate.contracts.TreeError: If `model_dir` holds no model.
        """
        if self.manifest is not None:
            return self.manifest
        guard = self.guard
        if guard is None:
            return self._finish(None, status, message, model_dir)
        with guard.undisturbed():
            if status == "failed":
                message = guard.cause_of_failure(message)
            try:
                return self._finish(guard, status, message, model_dir)
            finally:
                guard.end_watch(status, message)

    def abandon(self, message: str, *, seconds: float = 10.0) -> Manifest | None:
        """Finishes the record of a training whose own thread waits for ever, from another thread.

        What the device still says comes along if it says it at once. Nobody takes part.

        Args:
            message: Why it is given up.
            seconds: To wait for the device, and for the record.

        Returns:
            The manifest; None in a process whose record another one writes, or when the training's
            own thread holds the record.
        """
        if self._writer is None or self.guard is None:
            return None
        self.guard.flush_unless_held(seconds)
        if not self._lock.acquire(timeout=seconds):
            return None
        try:
            if self.manifest is None:
                trails = self.guard.trails
                for trail in (*trails[1:], *trails[:1]):
                    self.manifest = self._finalize(trail, "failed", message, self.guard.bound)
        finally:
            self._lock.release()
        self._end_sinks(self.manifest)
        return self.manifest

    def _finish(
        self,
        guard: "Guard | None",
        status: Status,
        message: str,
        model_dir: str | os.PathLike[str] | None,
    ) -> Manifest | None:
        if self._writer is None:
            if guard is not None:
                guard.release()
            return None
        bound: BoundModel | None = (
            None if model_dir is None else mark_and_bind(model_dir, self.training_uid)
        )
        trails: list[Trail] = []
        if guard is not None:
            guard.release()
            bound = bound or guard.bound
            if _SEVERITY.index(guard.status) > _SEVERITY.index(status):
                status, message = guard.status, guard.status_message
            trails = guard.trails
        with self._lock:
            if self.manifest is not None:
                return self.manifest  # given up meanwhile
            for trail in (*trails[1:], *trails[:1]):  # the whole is finished last
                self.manifest = self._finish_one(trail, status, message, bound)
            if guard is None:
                self.manifest = self._writer.finalize(
                    training_uid=self.training_uid,
                    status=status,
                    status_message=message,
                    instrumented=False,
                    planned_steps=self.planned_steps,
                    mlflow_run_id=self._mlflow_run_id,
                    model=bound,
                    data=self._data,
                )
        assert self.manifest is not None, "a guard has a trail"
        self._end_sinks(self.manifest)
        return self.manifest

    def _end_sinks(self, manifest: Manifest) -> None:
        if self._first in self._cards:
            self._sinks.end(manifest)

    def _finish_one(
        self, trail: "Trail", status: Status, message: str, bound: BoundModel | None
    ) -> Manifest:
        card = trail.card()
        if card is not None:
            self._begin(trail, card)
        return self._finalize(trail, status, message, bound)

    def _finalize(
        self, trail: "Trail", status: Status, message: str, bound: BoundModel | None
    ) -> Manifest:
        assert trail.writer is not None, "this process writes"
        return trail.writer.finalize(
            training_uid=self.training_uid,
            status=status,
            status_message=message,
            instrumented=True,
            planned_steps=trail.plan.steps,
            lost_steps=trail.lost_steps,
            loss_scale_skips=trail.loss_scale_skips,
            optimizer_name=trail.name,
            mlflow_run_id=self._mlflow_run_id,
            model=bound,
            data=self._data,
            constant_loss=trail.constant_loss,
            final_weight_nonfinite=trail.final_weight_nonfinite,
            final_weight_sha256=trail.final_weight_sha256,
        )

    def _begin(self, trail: "Trail", card: ModelCard) -> None:
        known = self._cards.get(trail.name)
        if card == known or trail.writer is None:
            return
        trail.writer.begin(card)
        if known is None and trail.name == self._first:
            self._sinks.begin(card, training_uid=self.training_uid, planned_steps=trail.plan.steps)
        elif trail.name == self._first:
            self._sinks.learn(card)
        self._cards[trail.name] = card

    def _writers(self) -> list[RecordWriter]:
        trails = [] if self.guard is None else self.guard.trails
        return [trail.writer for trail in trails if trail.writer is not None]
