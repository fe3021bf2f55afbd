"""`gradgate explain`: why a model was blocked, for whoever is asked at night."""

from pathlib import Path
from typing import Annotated

import typer

from gradgate.cli.exits import Exit, refuse
from gradgate.cli.formats import Format
from gradgate.contracts import Verdict
from gradgate.gate.read_verdict import VERDICT, VerdictError, read_verdict
from gradgate.gate.render import explain as explain_verdict
from gradgate.gate.render import render
from gradgate.telemetry.sinks.mlflow_links import read_run


def explain(
    verdict: Annotated[
        Path,
        typer.Argument(
            help="A verdict.json, or a directory that holds one; where several lie below it, such"
            " as in TFX's pipeline root, the newest is explained."
        ),
    ],
    rule: Annotated[
        str | None, typer.Option(help="Only this rule. Default: all that did not pass.")
    ] = None,
    output_format: Annotated[
        Format, typer.Option("--format", help="What is written to standard output.")
    ] = Format.text,
) -> None:
    """Explain a verdict: what happened, at which step, in which layer, and what to change.

    Exits with 0 whatever the verdict says, and with 12 if there is none.

    [bold]Examples[/bold]

    gradgate explain workspace/artifacts

    gradgate explain workspace/artifacts/GradientGate/verdict/7

    gradgate explain verdict.json --rule clip-saturation

    gradgate explain verdict.json --format junit > gradgate.xml
    """
    if rule is not None and output_format is not Format.text:
        refuse("cannot explain: --rule goes with --format text; other formats show all", Exit.USAGE)
    try:
        file, document = _newest(verdict) or (verdict, read_verdict(verdict))
    except VerdictError as error:
        refuse(f"cannot explain: {error}", Exit.CANNOT_JUDGE)
    if output_format is not Format.text:
        typer.echo(render(document, output_format.value), nl=False)
        return
    try:
        typer.echo(explain_verdict(document, rule), nl=False)
    except ValueError as error:
        refuse(f"cannot explain: {error}", Exit.USAGE)
    run = read_run(file if file.is_dir() else file.parent)
    if run is not None:
        needs = f" (after gradgate ui {run.folder})" if run.needs_ui else ""
        typer.echo(f"\nin MLflow{needs}: {run.link}")


def _newest(folder: Path) -> tuple[Path, Verdict] | None:
    """The newest verdict below a folder that has none of its own; None if there is none."""
    if not folder.is_dir() or (folder / VERDICT).exists():
        return None
    found: list[tuple[str, Path, Verdict]] = []
    for file in sorted(folder.rglob(VERDICT)):
        try:
            verdict = read_verdict(file)
        except VerdictError as error:
            typer.echo(f"left out: {error}", err=True)
        else:
            found.append((verdict.as_of, file, verdict))
    if not found:
        return None
    _, file, verdict = max(found, key=lambda one: one[:2])
    typer.echo(f"{file}, the newest of {len(found)} found", err=True)
    return file, verdict
