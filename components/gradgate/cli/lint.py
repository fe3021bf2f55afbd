"""`gradgate lint`: what will go wrong in a training, told from the model before it begins."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

import gradgate
from gradgate.cli.exits import Exit
from gradgate.cli.lint_exceptions import config_of
from gradgate.cli.lint_source import source_of
from gradgate.diagnosis.lint import lint as ask
from gradgate.diagnosis.lint.exceptions import apply
from gradgate.diagnosis.lint.render import FORMATS, Shown
from gradgate.gate.render.clean import clean_text


class Form(str, Enum):
    """How findings are written."""

    text = "text"
    json = "json"
    sarif = "sarif"


def lint(
    model: Annotated[
        str,
        typer.Argument(
            help="A .keras file; MODULE:FUNCTION, a function without arguments that returns a model"
            " (or the model itself), looked for here first; or a health record."
        ),
    ],
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Examples in a batch of the training, of all replicas."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|MODULE:FUNCTION",
            help="Examples as the model takes them: .npy, .npz, .csv, .parquet, TFRecords of"
            " tf.Example such as Transform's; statistics of TFX; a Transform graph with either of"
            " them beside it; or a function that returns arrays or a tf.data"
            " dataset.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE[:LAYERS]", help="Let a rule go by, of some layers or of all."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Exceptions and severities. Default: gradgate-lint.yaml, if it is here."),
    ] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Show notes (info), too: sound models have such.")
    ] = False,
    fail_on_warn: Annotated[
        bool, typer.Option("--fail-on-warn", help="Exit with 11 if there are warnings.")
    ] = False,
    import_modules: Annotated[
        list[str] | None,
        typer.Option(
            "--import", metavar="MODULE", help="Import it first: it registers custom classes."
        ),
    ] = None,
    run_code: Annotated[
        bool,
        typer.Option("--run-code", help="Let code inside of a .keras file (Lambda) run."),
    ] = False,
    output_format: Annotated[
        Form, typer.Option("--format", help="What is written to standard output.")
    ] = Form.text,
) -> None:
    """Say what in a Keras model will make its training go wrong, before it begins.

    Trains nothing and runs no part of the model. Exits with 0 if there is no error, with 10 if
    there is, with 11 for warnings if --fail-on-warn is given, with 12 if the model cannot be read,
    and with 13 if the exceptions are wrong. What could not be asked is said: it did not pass.
    Needs Keras, but for a record.

    [bold]Examples[/bold]

    gradgate lint model.keras

    gradgate lint my_project.model:build --batch-size 2 --data train.npy

    gradgate lint workspace/artifacts/Trainer/gradient_health/7 --all

    gradgate lint model.keras --ignore 'relu-with-glorot:encoder/*' --format sarif > lint.sarif
    """
    source = source_of(
        model,
        batch_size=batch_size,
        data=data,
        imports=import_modules or (),
        runs_code=run_code,
    )
    chosen = config_of(config, ignore or (), source.comments)
    report = apply(ask(source.card), chosen)
    shown = Shown(
        source=model,
        card=source.card,
        report=report,
        file=source.file,
        line=source.line,
        has_all=show_all,
        version=gradgate.__version__,
    )
    text = FORMATS[output_format.value](shown)
    if output_format is Form.text:
        text = "".join(f"{clean_text(line)}\n" for line in text.splitlines())
    for note in source.notes:
        typer.echo(clean_text(f"{model}: {note}"), err=True)
    typer.echo(text, nl=False)
    if shown.count("error"):
        raise typer.Exit(Exit.BLOCKED)
    if fail_on_warn and shown.count("warning"):
        raise typer.Exit(Exit.WARNED)
