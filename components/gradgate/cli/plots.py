"""`gradgate plots`: the pictures of a training as files, from its record."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gradgate.cli.exits import Exit, refuse
from gradgate.cli.formats import Listing
from gradgate.cli.read import evidence_of
from gradgate.gate import RecordProblem
from gradgate.gate.plots import draw_pictures
from gradgate.gate.read_verdict import VerdictError, read_verdict


def plots(
    record: Annotated[Path, typer.Argument(help="Directory of the health record.")],
    verdict: Annotated[
        Path | None,
        typer.Option(
            help="The verdict.json, or the directory that holds it: its offences and limits are"
            " marked. Default: the training alone is drawn."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Directory of the files; it is made if it is missing.")
    ] = Path("plots"),
    output_format: Annotated[
        Listing, typer.Option("--format", help="How the files are listed on standard output.")
    ] = Listing.text,
) -> None:
    """Draw a training: gradient flow, loss, global norm, update-to-weight ratio and clip rate.

    Writes SVG files that need nothing else; `check --format html` has the same pictures in its
    report. Exits with 0 whatever the training was like, and with 12 if there is nothing to draw.

    [bold]Examples[/bold]

    gradgate plots record

    gradgate plots runs/42/record --verdict runs/42/verdict.json --out runs/42/plots
    """
    evidence = evidence_of(record)
    if isinstance(evidence, RecordProblem):
        refuse(f"cannot draw: {evidence.code}: {evidence.message}", Exit.CANNOT_JUDGE)
    try:
        judged = None if verdict is None else read_verdict(verdict)
    except VerdictError as error:
        refuse(f"cannot draw: {error}", Exit.CANNOT_JUDGE)
    pictures = draw_pictures(evidence, judged)
    if not pictures:
        refuse(f"cannot draw: {record} holds no steps that can be read", Exit.CANNOT_JUDGE)
    files = [out / f"{picture.name}.svg" for picture in pictures]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, picture in zip(files, pictures, strict=True):
            file.write_text(picture.file(), encoding="utf-8")
    except OSError as error:
        refuse(f"cannot write to --out {out}: {error.strerror}", Exit.USAGE)
    names = [str(file) for file in files]
    typer.echo(json.dumps({"files": names}) if output_format is Listing.json else "\n".join(names))
