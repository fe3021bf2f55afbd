"""`gradgate explain`: why a model was blocked, for whoever is asked at night."""

from pathlib import Path
from typing import Annotated

import typer

from gradgate.cli.exits import Exit, refuse
from gradgate.cli.formats import Format
from gradgate.cli.places import places_of
from gradgate.contracts import Verdict
from gradgate.gate.read_verdict import VERDICT, VerdictError, read_verdict
from gradgate.gate.render import explain as explain_verdict
from gradgate.gate.render import render
from gradgate.gate.render.clean import clean_text
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
        file, document = _newest(verdict) or (_file(verdict), read_verdict(verdict))
    except VerdictError as error:
        refuse(f"cannot explain: {_or_judge_it(verdict) or error}", Exit.CANNOT_JUDGE)
    except OSError as error:
        refuse(f"cannot explain: {verdict}: {error.strerror}", Exit.CANNOT_JUDGE)
    if output_format is not Format.text:
        typer.echo(render(document, output_format.value), nl=False)
        return
    try:
        typer.echo(explain_verdict(document, rule, places_of(document, file)), nl=False)
    except ValueError as error:
        refuse(f"cannot explain: {error}", Exit.USAGE)
    run = read_run(file if file.is_dir() else file.parent)
    if run is not None:
        needs = f" (after gradgate ui {run.folder})" if run.needs_ui else ""
        typer.echo(f"\nin MLflow{needs}: {run.link}")


def _file(place: Path) -> Path:
    return place / VERDICT if place.is_dir() else place


def _or_judge_it(place: Path) -> str:
    """What to do with a health record, which is no verdict yet; empty where there is none."""
    if not (place / "manifest.json").is_file():
        return ""
    judge = f"gradgate check {place} --training-only --format json --out verdict.json"
    return f"{place} is a health record, which nobody judged yet. Judge it first: {judge}"


def _newest(folder: Path) -> tuple[Path, Verdict] | None:
    """The newest verdict below a folder that has none of its own; None if there is none.

    Copies of a verdict, such as MLflow's, count once: the one that lies highest is taken.
    """
    if not folder.is_dir() or (folder / VERDICT).exists():
        return None
    found: dict[tuple[str, str], tuple[Path, Verdict]] = {}
    for file in sorted(folder.rglob(VERDICT), key=lambda file: (len(file.parts), file)):
        try:
            verdict = read_verdict(file)
        except VerdictError as error:
            typer.echo(clean_text(f"left out: {error}"), err=True)
        else:
            found.setdefault((verdict.as_of, verdict.verdict_id), (file, verdict))
    if not found:
        return None
    file, verdict = max(found.values(), key=lambda one: (one[1].as_of, one[0]))
    typer.echo(f"{file}, the newest of {len(found)} found", err=True)
    return file, verdict
