"""`gradgate check`: judges one training by its record."""

import dataclasses
import errno
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gradgate.cli.engine import EngineName, engine_of
from gradgate.cli.exits import Exit, exit_status, refuse
from gradgate.cli.formats import Format
from gradgate.cli.mlflow_record import MIRROR, MIRROR_MESSAGE, RunRecord, record_of_run
from gradgate.cli.quiet import quiet
from gradgate.cli.read import (
    baselines_of,
    evidence_of,
    model_beside,
    policy_of,
    policy_text,
    waivers_of,
)
from gradgate.contracts import Policy, Verdict
from gradgate.contracts.times import instant
from gradgate.diagnosis import telling
from gradgate.gate import check_model, judge
from gradgate.gate.answers import are_wanted
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.plots import draw_pictures
from gradgate.gate.render import FORMATS, render_html
from gradgate.gate.render.clean import clean_text
from gradgate.gate.report_files import report_files
from gradgate.gate.verdicts import also_warned
from gradgate.telemetry.durable import write_durably
from gradgate.telemetry.sinks.mlflow import publish_verdict


def check(
    record: Annotated[
        Path | None, typer.Argument(help="Directory of the health record.", show_default=False)
    ] = None,
    run_id: Annotated[
        str | None,
        typer.Option(help="Instead of a directory: the MLflow run of the training. Needs MLflow."),
    ] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="Where that run is. Default: MLFLOW_TRACKING_URI.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, max=60, help="Seconds to wait for MLflow.")] = 30,
    model: Annotated[
        Path | None,
        typer.Option(
            help="The exported SavedModel. Default: the one beside the record in a TFX pipeline"
            " root."
        ),
    ] = None,
    examples: Annotated[
        list[Path] | None,
        typer.Option(
            help="TFRecord file of examples to ask the model with, once or more, for rules on its"
            " answers. Needs TensorFlow."
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
    verdict_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the verdict and all its reports, as the gate of a TFX pipeline writes"
            " it. A training that MLflow shows gets the verdict on its page there."
        ),
    ] = None,
    fail_on_warn: Annotated[
        bool, typer.Option("--fail-on-warn", help="Exit with 11 when there are warnings.")
    ] = False,
    engine: Annotated[
        EngineName,
        typer.Option(help="What reads the steps: this process, or an Apache Beam pipeline."),
    ] = EngineName.in_process,
    beam_pipeline_args: Annotated[
        str,
        typer.Option(help="Arguments of that pipeline in one string, as '--runner=FlinkRunner'."),
    ] = "",
) -> None:
    """Judge one training by its health record. Changes nothing but the files that are named.

    Reads the record that the training wrote, recounts what it can from the model's own bytes,
    asks every rule of the policy, and says whether the model may be pushed.

    [bold]Examples[/bold]

    gradgate check runs/42/record --model runs/42/model

    gradgate check record --training-only

    gradgate check record --policy strict.yaml --format html --out report.html

    gradgate check record --model exported --verdict-dir verdict

    gradgate check record --training-only --format sarif --out gradgate.sarif

    gradgate check record --policy strict.yaml --waivers waivers.yaml

    gradgate check record --policy strict.yaml --baselines baselines/ranker

    gradgate check --run-id 8c1f0e --tracking-uri http://mlflow:5000

    gradgate check record --training-only --engine beam --beam-pipeline-args
    '--direct_num_workers=8 --direct_running_mode=multi_processing'
    """
    reads_by = engine_of(engine, beam_pipeline_args)
    judged_at = _now() if as_of is None else _rfc3339(as_of)
    if (record is None) == (run_id is None):
        refuse("name either the directory of a record, or a run by --run-id", Exit.USAGE)
    rules = policy_of(policy, otherwise="cannot judge")
    excused = waivers_of(waivers, rules, otherwise="cannot judge")
    only = _only(baseline or ["auto"], baselines, rules)
    with _opened(record, run_id, tracking_uri, timeout) as found:
        alone = training_only or found.is_copy
        folder = None if alone else model or (found.record and model_beside(found.record))
        if found.is_copy:
            typer.echo(f"{MIRROR_MESSAGE}. No model is looked at.", err=True)
        elif folder is None and not alone and found.record is not None:
            typer.echo(
                "no model lies beside the record: name it by --model, or give --training-only to"
                " judge the training alone",
                err=True,
            )
        earlier = baselines_of(baselines, rules, found.evidence, judged_at, only=only)
        verdict = judge(
            rules,
            found.evidence,
            model=None if folder is None else _looked_at(folder, rules, examples or []),
            as_of=judged_at,
            training_only=alone,
            waivers=excused,
            pinned_policy=policy_sha256,
            baselines=earlier,
            engine=reads_by,
        )
        if found.is_copy:
            verdict = also_warned(verdict, MIRROR, MIRROR_MESSAGE)
        if output_format is Format.html:  # while the record lies there
            text = render_html(verdict, draw_pictures(found.evidence, verdict))
        else:
            text = FORMATS[output_format.value](verdict)
        if verdict_dir is not None:
            _write_folder(verdict_dir, verdict, found, policy=policy, waivers=waivers)
    _write(verdict, text, out)
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


def _looked_at(folder: Path, policy: Policy, examples: Sequence[Path]) -> ModelCheck:
    found = check_model(folder)
    if examples and are_wanted(policy):
        with quiet():
            from gradgate.tfx.gate.ask_model import ask_model

            found = dataclasses.replace(found, answers=ask_model(folder, examples))
    return found


def _opened(
    record: Path | None, run_id: str | None, tracking_uri: str | None, timeout: float
) -> AbstractContextManager[RunRecord]:
    if record is not None:
        return nullcontext(RunRecord(evidence=evidence_of(record), record=record))
    assert run_id is not None, "one of them was given"
    return record_of_run(run_id, tracking_uri, seconds=timeout)


def _write(verdict: Verdict, text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=not text.endswith("\n"))
    else:
        try:
            _write_whole(out, text.encode("utf-8"))
        except OSError as error:
            _cannot_write("--out", out, error)
        why = telling.in_a_line(verdict)
        for line in (verdict.headline, *([why] if why else []), f"written to {out}"):
            typer.echo(clean_text(line), err=True)


def _cannot_write(option: str, place: Path, error: OSError) -> NoReturn:
    typer.echo(f"cannot write {option} {place}: {error.strerror}", err=True)
    is_full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
    raise typer.Exit(Exit.CANNOT_JUDGE if is_full else Exit.USAGE) from error


def _write_folder(
    folder: Path, verdict: Verdict, found: RunRecord, *, policy: Path | None, waivers: Path | None
) -> None:
    """Writes the verdict's own folder, and tells MLflow where it knows of the training."""
    files = report_files(
        verdict,
        policy=policy_text(policy),
        waivers=None if waivers is None else waivers.read_text(encoding="utf-8"),
        pictures=lambda: draw_pictures(found.evidence, verdict),
    )
    try:
        for name, data in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_durably((folder / name).resolve(), data)
    except OSError as error:
        _cannot_write("--verdict-dir", folder, error)
    if found.record is not None:
        publish_verdict(found.record, folder)


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
