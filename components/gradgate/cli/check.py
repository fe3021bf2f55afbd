"""`gradgate check`: judges one training by its record."""

import errno
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from gradgate.cli.exits import Exit, exit_status, refuse
from gradgate.cli.formats import Format
from gradgate.cli.read import baselines_of, evidence_of, model_beside, policy_of
from gradgate.contracts import Policy, Verdict, Waivers
from gradgate.contracts.times import instant
from gradgate.gate import PolicyError, check_model, judge, load_waivers, read_waivers
from gradgate.gate.render import FORMATS
from gradgate.gate.render.clean import clean_text
from gradgate.telemetry.durable import write_durably


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
    baselines: Annotated[
        Path | None,
        typer.Option(
            help="Folder of this pipeline's baselines, for rules that compare. Default: none."
        ),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="auto: the last ones before the judgement; none; or the id of one, once or more."
        ),
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

    gradgate check record --policy strict.yaml --baselines baselines/ranker
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
    only = _only(baseline or ["auto"], baselines, rules)
    earlier = baselines_of(baselines, rules, evidence, judged_at, only=only)
    verdict = judge(
        rules,
        evidence,
        model=None if folder is None else check_model(folder),
        as_of=judged_at,
        training_only=training_only,
        waivers=excused,
        pinned_policy=policy_sha256,
        baselines=earlier,
    )
    _write(verdict, output_format, out)
    raise typer.Exit(exit_status(verdict, fail_on_warn=fail_on_warn))


def _only(wanted: list[str], folder: Path | None, policy: Policy) -> list[str] | None:
    """The ids of the baselines to compare with; None for the last ones, empty for none."""
    if len(wanted) > 1 and {"auto", "none"} & set(wanted):
        refuse("--baseline is auto, none, or ids: not several of these", Exit.USAGE)
    if folder is None and wanted not in (["auto"], ["none"]):
        refuse("--baseline needs the folder that holds it: name it by --baselines", Exit.USAGE)
    if folder is not None and not folder.is_dir():
        text = f"--baselines {folder}: there is no such folder; make it before the first training"
        refuse(text, Exit.USAGE)
    if folder is None and policy.compares and policy.baseline.on_absent != "absolute_only":
        typer.echo("some rules compare with baselines: name their folder by --baselines", err=True)
    return None if wanted == ["auto"] else [one for one in wanted if one != "none"]


def _read_waivers(path: Path, policy: Policy) -> Waivers:
    try:
        return load_waivers(read_waivers(path), policy, source=str(path))
    except PolicyError as error:
        typer.echo(f"cannot judge: {error}", err=True)
        raise typer.Exit(Exit.BAD_POLICY) from error


def _write(verdict: Verdict, output_format: Format, out: Path | None) -> None:
    text = FORMATS[output_format.value](verdict)
    if out is None:
        typer.echo(text, nl=not text.endswith("\n"))
    else:
        try:
            _write_whole(out, text.encode("utf-8"))
        except OSError as error:
            typer.echo(f"cannot write --out {out}: {error.strerror}", err=True)
            is_full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
            raise typer.Exit(Exit.CANNOT_JUDGE if is_full else Exit.USAGE) from error
        typer.echo(f"{clean_text(verdict.headline)}\nwritten to {out}", err=True)


def _write_whole(out: Path, data: bytes) -> None:
    """Writes a file that is whole or as it was; a device or a pipe as it can."""
    if out.exists() and not out.is_file():
        out.write_bytes(data)
    else:
        write_durably(out.resolve(), data)


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
