"""`gradgate replay-step`: takes the first bad step again, to see where NaN was born."""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradgate.cli.exits import Exit, refuse
from gradgate.cli.formats import Listing
from gradgate.cli.places import places_of
from gradgate.cli.quiet import quiet
from gradgate.cli.replayed_document import replayed_document
from gradgate.cli.replayed_text import replayed_text
from gradgate.contracts import ModelCard
from gradgate.gate.read_verdict import VERDICT, VerdictError, read_verdict
from gradgate.telemetry.reader import Record, RecordError, open_record

if TYPE_CHECKING:  # it needs TensorFlow
    from gradgate.training.replaying import Replayed


def replay_step(
    where: Annotated[
        Path,
        typer.Argument(
            help="The health record; or a verdict.json, or the directory that holds it, beside"
            " whose TFX execution the record lies."
        ),
    ],
    program: Annotated[
        str,
        typer.Option(
            metavar="MODULE:FUNCTION",
            help="A function without arguments that makes the training anew: it returns (model,"
            " dataset), compiled, as before the first step. The module is looked for here first.",
        ),
    ],
    step: Annotated[
        int | None,
        typer.Option(help="Which step. Default: the first whose loss or gradient is not finite."),
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the training's checkpoints (.keras, .weights.h5); the last one before"
            " the step is the start. Default: the training's first step."
        ),
    ] = None,
    output_format: Annotated[
        Listing, typer.Option("--format", help="What is written to standard output.")
    ] = Listing.text,
) -> None:
    """Take a step of a training again, and name the operation where the first NaN was born.

    Takes the training's own steps from the nearest checkpoint on, on the same batches, compares
    them with the record, and looks at the step itself: what its batch held, which operation of
    which layer first gave a value that is not finite, what went into it, and full statistics of
    every gradient. Needs TensorFlow. Exits with 0 if the replay is the recorded training, and with
    12 if it is not, or cannot be.

    [bold]Examples[/bold]

    gradgate replay-step record --program my_project.training:program

    gradgate replay-step workspace/artifacts/GradientGate/verdict/19 --program training:program
    --checkpoints backup
    """
    record = _record(where)
    if record.card is None:
        refuse(f"replay-step: {where} holds no steps", Exit.CANNOT_JUDGE)
    for name, value in record.card.environment.items():  # read when TensorFlow is imported
        os.environ.setdefault(name, value)
    with quiet():
        replayed = _replayed(record, program, step, checkpoints)
    if output_format is Listing.json:
        typer.echo(json.dumps(replayed_document(replayed, record.card), indent=2))
    else:
        typer.echo(replayed_text(replayed, record.card), nl=False)
    raise typer.Exit(Exit.OK if replayed.likeness.holds else Exit.CANNOT_JUDGE)


def _replayed(
    record: Record, program: str, step: int | None, checkpoints: Path | None
) -> "Replayed":
    from gradgate.training.replaying import ReplayError, program_of, replay_step

    _seed(record.card)
    try:
        made = program_of(_made(program), name=program)
        return replay_step(record, made, step, checkpoints=checkpoints)
    except TypeError as error:
        refuse(str(error), Exit.USAGE)
    except (ReplayError, FileNotFoundError) as error:
        refuse(str(error), Exit.CANNOT_JUDGE)
    except RecordError as error:
        refuse(f"replay-step: {error}", Exit.CANNOT_JUDGE)


def _record(where: Path) -> Record:
    folder = where
    try:
        if where.name == VERDICT or (where / VERDICT).is_file():
            verdict = read_verdict(where)
            found = places_of(verdict, where / VERDICT if where.is_dir() else where)
            if "RECORD" not in found:
                refuse(
                    f"replay-step: the record that {where} was made of is not beside it. Name the"
                    " record itself.",
                    Exit.CANNOT_JUDGE,
                )
            folder = Path(found["RECORD"])
        return open_record(folder)
    except (VerdictError, RecordError) as error:
        refuse(f"replay-step: {error}", Exit.CANNOT_JUDGE)


def _seed(card: ModelCard | None) -> None:
    """Sets the training's own seed, before its code is imported and draws its weights."""
    if card is None or card.seed is None:
        typer.echo(
            "replay-step: no seed was recorded, so weights are drawn anew: without a checkpoint"
            " this is another training. Train with gradgate.reproducible(seed).",
            err=True,
        )
        return
    importlib.import_module("gradgate.training").reproducible(card.seed)


def _made(program: str) -> Any:
    module, _, name = program.partition(":")
    if not module or not name:
        refuse(
            f"replay-step: name a module and a function, such as training:program; got {program!r}",
            Exit.USAGE,
        )
    sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), name)()
    except Exception as error:  # noqa: BLE001 - it is their code, and may do anything
        refuse(f"replay-step: {program}: {type(error).__name__}: {error}", Exit.USAGE)
    finally:
        sys.path.remove(str(Path.cwd()))
