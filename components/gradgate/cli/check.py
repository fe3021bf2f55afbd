"""`gradgate check`: judges one training by its record."""

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from gradgate.cli.exits import Exit, exit_status
from gradgate.cli.formats import Format
from gradgate.cli.read import evidence_of, model_beside, policy_of
from gradgate.contracts import Policy, Verdict, Waivers
from gradgate.contracts.times import instant
from gradgate.gate import PolicyError, check_model, judge, load_waivers, read_waivers
from gradgate.gate.plots import draw_pictures
from gradgate.gate.render import FORMATS, render_html


def check(
    record: Annotated[Path, typer.Argument(help="Directory of the health record.")],
    model: Annotated[
        Path | None,
        typer.Option(
            help="The exported SavedModel. Default: the one beside the record in a TFX pipeline"
            " root."
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy file. Default: the one that gradgate ships.")
    ] = None,
    waivers: Annotated[
        Path | None, typer.Option(help="File of waivers for that policy. Default: none.")
    ] = None,
    policy_sha256: Annotated[
        str | None, typer.Option(help="Digest that the policy must have. Default: any.")
    ] = None,
    training_only: Annotated[
        bool,
        typer.Option(
            "--training-only", help="Judge the training without a model; nothing is blessed."
        ),
    ] = False,
    as_of: Annotated[
        str | None, typer.Option(help="RFC 3339 time of the judgement. Default: now.")
    ] = None,
    output_format: Annotated[
        Format, typer.Option("--format", help="What is written to standard output.")
    ] = Format.text,
    out: Annotated[Path | None, typer.Option(help="Write to a file instead.")] = None,
    fail_on_warn: Annotated[
        bool, typer.Option("--fail-on-warn", help="Exit with 11 when there are warnings.")
    ] = False,
) -> None:
    """Judge one training by its health record. Changes nothing.

    Reads the record that the training wrote, recounts what it can from the model's own bytes,
    asks every rule of the policy, and says whether the model may be pushed.

    [bold]Examples[/bold]

    gradgate check runs/42/record --model runs/42/model

    gradgate check record --training-only

    gradgate check record --policy strict.yaml --format html --out report.html

    gradgate check record --training-only --format sarif --out gradgate.sarif

    gradgate check record --policy strict.yaml --waivers waivers.yaml
    """
    judged_at = _now() if as_of is None else _rfc3339(as_of)
    rules = policy_of(policy, otherwise="cannot judge")
    excused = None if waivers is None else _read_waivers(waivers, rules)
    evidence = evidence_of(record)
    folder = None if training_only else model or model_beside(record)
    if folder is None and not training_only:
        typer.echo(
            "no model lies beside the record: name it by --model, or give --training-only to"
            " judge the training alone",
            err=True,
        )
    verdict = judge(
        rules,
        evidence,
        model=None if folder is None else check_model(folder),
        as_of=judged_at,
        training_only=training_only,
        waivers=excused,
        pinned_policy=policy_sha256,
    )
    if output_format is Format.html:
        text = render_html(verdict, draw_pictures(evidence, verdict))
    else:
        text = FORMATS[output_format.value](verdict)
    _write(verdict, text, out)
    raise typer.Exit(exit_status(verdict, fail_on_warn=fail_on_warn))


def _read_waivers(path: Path, policy: Policy) -> Waivers:
    try:
        return load_waivers(read_waivers(path), policy, source=str(path))
    except PolicyError as error:
        typer.echo(f"cannot judge: {error}", err=True)
        raise typer.Exit(Exit.BAD_POLICY) from error


def _write(verdict: Verdict, text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=not text.endswith("\n"))
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            typer.echo(f"cannot write --out {out}: {error.strerror}", err=True)
            raise typer.Exit(Exit.USAGE) from error
        typer.echo(f"{verdict.headline}\nwritten to {out}", err=True)


def _rfc3339(text: str) -> str:
    """Returns the text, if it is a time with a zone."""
    try:
        instant(text)
    except ValueError as error:
        typer.echo(f"--as-of {error}", err=True)
        raise typer.Exit(Exit.USAGE) from None
    return text


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
