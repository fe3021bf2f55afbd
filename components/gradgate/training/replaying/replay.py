"""Takes the steps of a recorded training again, up to one of them, and looks closely at that."""

import dataclasses
import tempfile
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import ModelCard
from gradgate.gradients import clip_from_config
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.concatenate import concatenate
from gradgate.telemetry.reader import Record
from gradgate.training.context import TrainingContext
from gradgate.training.instrument import instrument
from gradgate.training.replaying.birth import Birth, find_birth
from gradgate.training.replaying.checkpoints import Checkpoint, nearest_checkpoint
from gradgate.training.replaying.course import Course
from gradgate.training.replaying.errors import ReplayError
from gradgate.training.replaying.inputs import InputHealth, inputs_of
from gradgate.training.replaying.likeness import Likeness, likeness, numbers
from gradgate.training.replaying.program import Program
from gradgate.training.replaying.state import State
from gradgate.training.replaying.taker import Collector, Taken, Taker
from gradgate.training.settings import GuardSettings


@dataclasses.dataclass(frozen=True)
class Replayed:
    """One step, taken again.

    Attributes:
        step, epoch: Which.
        start: The checkpoint that the replay began at; None: at the first step.
        likeness: Of all replayed steps to the recorded ones.
        inputs: What the step's batch held.
        nonfinite_weights: Entries that were NaN or infinite before the step, by variable.
        birth: Of the first value that is not finite; None if the step had none, or began with
            weights that were not finite.
        row: The step itself, as measured now: with full statistics of every variable.
    """

    step: int
    epoch: int
    start: Checkpoint | None
    likeness: Likeness
    inputs: tuple[InputHealth, ...]
    nonfinite_weights: dict[str, int]
    birth: Birth | None
    row: StepBatch


def first_nonfinite(rows: StepBatch) -> int | None:
    """Returns the first step whose loss or gradient was not finite; None if all were."""
    bad = ~np.isfinite(rows.global_norm) | ~np.isfinite(rows.norms).all(axis=1)
    if not np.isnan(rows.loss).all():  # all NaN: the training loop never showed its loss
        bad |= ~np.isfinite(rows.loss)
    found = np.flatnonzero(bad)
    return int(found[0]) if found.size else None


def replay_step(
    record: Record, program: Program, step: int | None = None, *, checkpoints: Path | None = None
) -> Replayed:
    """Takes a recorded step again.

    Args:
        record: Of the training, on one replica.
        program: That made it, as it was before its first step.
        step: Which; the first one that was not finite if it is left out.
        checkpoints: Folder of the training's checkpoints; without it, or where none lies before the
            step, the replay begins at the first step.

    Raises:
        ReplayError: If the record has no such step, or its training cannot be taken again.
        TypeError: If the program's data are no batches.
        gradgate.telemetry.reader.RecordError: If the record is not whole.
    """
    if record.card is None or not record.manifest.observed_steps:
        raise ReplayError("replay-step: the record holds no steps.")
    rows = concatenate(list(record.batches()))
    _check(record.card, program)
    step = _which(rows, step)
    course = Course(rows, record.card.accumulation_steps)
    start = None if checkpoints is None else nearest_checkpoint(checkpoints, course, step)
    first = 0 if start is None else start.step
    program.build(_some_batch(program, int(rows.epoch[first])))
    if start is not None:
        start.restore(program.model)
    taken, last, before = _take(program, record.card, course, first, step)
    before.restore()
    weights = before.nonfinite()
    return Replayed(
        step=step,
        epoch=int(rows.epoch[step]),
        start=start,
        likeness=likeness(np.arange(first, step + 1), numbers(rows)[first : step + 1], taken),
        inputs=inputs_of(last.batches[-1]),
        nonfinite_weights=weights,
        birth=None if weights else find_birth(program, last.batches[-1], before),
        row=last.row,
    )


def _which(rows: StepBatch, step: int | None) -> int:
    if step is None:
        step = first_nonfinite(rows)
    if step is None:
        raise ReplayError(
            "replay-step: every step of the record was finite. Say which one to take again, from 0"
            f" to {len(rows) - 1}: --step."
        )
    if not 0 <= step < len(rows):
        raise ReplayError(
            f"replay-step: there is no step {step} in the record; it has 0 to {len(rows) - 1}."
        )
    return step


def _check(card: ModelCard, program: Program) -> None:
    if card.replicas > 1:
        raise ReplayError(
            f"replay-step: the training ran on {card.replicas} replicas under {card.strategy}, and"
            " only those on one are replayed. Train for some epochs without the strategy, and"
            " replay that record."
        )
    if not program.model.compiled and program.step is None:
        raise ReplayError(
            f"replay-step: the model '{program.model.name}' is not compiled. Compile it as the"
            " training did, or say what a step does: Program(step=...)."
        )


def _some_batch(program: Program, epoch: int) -> Any:
    """A batch to build a model on that has no weights yet; else none is drawn, nothing shuffled."""
    if program.model.built:
        return ()
    return next(iter(program.epoch(epoch)))


def _take(
    program: Program, card: ModelCard, course: Course, first: int, step: int
) -> tuple[NDArray[np.float32], Taken, State]:
    """Takes all steps from the first one on.

    Returns:
        Their numbers, the last one, and what that began with.
    """
    collector, settings = Collector(), _settings(card)
    seen = []
    with tempfile.TemporaryDirectory() as folder:
        context = TrainingContext(
            Path(folder) / "record", settings, uuid.uuid4().hex, sinks=(collector,)
        )
        with instrument(program.model, context, optimizers=program.optimizers) as guard:
            taker = Taker(
                program,
                guard,
                collector,
                rows=course.rows,
                looked_at=step,
                behind=course.batches_before(first),
            )
            for stretch in course.stretches(first, step):
                for taken in taker.take(stretch):
                    seen.append(numbers(taken.row))
    assert taken.before is not None, "the taker was told to keep it"
    return np.concatenate(seen), taken, taken.before


def _settings(card: ModelCard) -> GuardSettings:
    """As the recorded training was guarded, but for full statistics of every step."""
    return GuardSettings(
        clip=tuple(clip_from_config(clip) for clip in card.clips),
        on_nonfinite=card.on_nonfinite,
        statistics_every=1,
    )
