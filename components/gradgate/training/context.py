"""One training and its record: made before the training code runs, finished after it.

The record is written also when the training code never instrumented a model or trained no step:
then it says so, and the gate blocks.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from gradgate.contracts import BoundModel, DataSource, Manifest, ModelCard, mark_and_bind
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.sinks import FanOut, Sink
from gradgate.telemetry.writer import RecordWriter
from gradgate.training.seed import set_seed
from gradgate.training.settings import GuardSettings

if TYPE_CHECKING:
    from gradgate.training.guard import Guard

Status = Literal["completed", "stopped", "failed"]
_SEVERITY: tuple[Status, ...] = ("completed", "stopped", "failed")


class TrainingContext:
    """What a training belongs to: its record, its name, its settings, its mirrors.

    Sets the seed at once, so that it holds when the training code builds its model.

    Args:
        record_dir: Directory of the record; must not hold one.
        settings: How to guard, as far as `instrument` is not told otherwise.
        training_uid: Names this training for ever.
        sinks: Mirrors; one that fails is dropped by name, and the training goes on.
        mlflow_run_id: Of the run that shows this training.
        data: What it was trained on.
        planned_steps: Optimizer steps that were asked for, as far as `instrument` is not told
            otherwise; None lets `fit` say.
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
    ) -> None:
        self.settings = settings
        self.training_uid = training_uid
        self.planned_steps = planned_steps
        self.guard: Guard | None = None
        self.manifest: Manifest | None = None
        self._mlflow_run_id, self._data = mlflow_run_id, tuple(data)
        self._writer = RecordWriter(record_dir)
        self._sinks = FanOut(sinks)
        self._card: ModelCard | None = None
        if settings.seed is not None:
            set_seed(settings.seed)

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

    def write(self, card: ModelCard, batch: StepBatch, *, planned_steps: int | None) -> None:
        """Writes steps to the record, which must succeed, then to the mirrors, which may fail."""
        self._begin(card, planned_steps=planned_steps)
        if len(batch):
            self._writer.append(batch)
            self._sinks.write(batch)

    def finish(
        self,
        status: Status,
        message: str = "",
        model_dir: str | os.PathLike[str] | None = None,
    ) -> Manifest:
        """Closes the guard if it is open, and finishes the record. A second call changes nothing.

        Args:
            status: How the training code ended. What the guard knows to be worse wins.
            message: Why, when it did not complete.
            model_dir: The exported model, to be named in the record by its digest.

        Raises:
            gradgate.contracts.TreeError: If `model_dir` holds no model.
        """
        if self.manifest is not None:
            return self.manifest
        guard = self.guard
        bound: BoundModel | None = (
            None if model_dir is None else mark_and_bind(model_dir, self.training_uid)
        )
        if guard is not None:
            guard.release()
            bound = bound or guard.bound
            if _SEVERITY.index(guard.status) > _SEVERITY.index(status):
                status, message = guard.status, guard.status_message
            card = guard.card()
            if card is not None:
                self._begin(card, planned_steps=guard.plan.steps)
        self.manifest = self._writer.finalize(
            training_uid=self.training_uid,
            status=status,
            status_message=message,
            instrumented=guard is not None,
            planned_steps=self.planned_steps if guard is None else guard.plan.steps,
            lost_steps=0 if guard is None else guard.lost_steps,
            mlflow_run_id=self._mlflow_run_id,
            model=bound,
            data=self._data,
            constant_loss=None if guard is None else guard.constant_loss,
            final_weight_nonfinite=None if guard is None else guard.final_weight_nonfinite,
            final_weight_sha256=None if guard is None else guard.final_weight_sha256,
        )
        if self._card is not None:
            self._sinks.end(self.manifest)
        return self.manifest

    def _begin(self, card: ModelCard, *, planned_steps: int | None) -> None:
        if card == self._card:
            return
        self._writer.begin(card)
        if self._card is None:
            self._sinks.begin(card, training_uid=self.training_uid, planned_steps=planned_steps)
        self._card = card
