"""`gradgate baseline`: the healthy verdicts that later trainings are compared with."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gradgate.cli.columns import in_columns
from gradgate.cli.exits import Exit, refuse
from gradgate.cli.formats import Listing
from gradgate.gate.baseline.folder import Entry, keep_baseline, list_baselines
from gradgate.gate.read_verdict import VerdictError, read_verdict

app = typer.Typer(
    name="baseline",
    help="Keep the healthy verdicts that later trainings are compared with.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the pipeline's baselines.")]
_Format = Annotated[Listing, typer.Option("--format", help="What is written to standard output.")]


@app.command()
def add(
    folder: _Folder,
    verdict: Annotated[
        Path, typer.Argument(help="A verdict.json, or the directory that holds one.")
    ],
    output_format: _Format = Listing.text,
) -> None:
    """Add a verdict to the baselines of a pipeline, as the gate does by itself in TFX.

    Only a healthy one, of a policy with a rule that compares. The folder is made if need be. Exits
    with 0, and with 12 if the verdict can be no baseline.

    [bold]Examples[/bold]

    gradgate baseline add baselines/ranker verdict.json

    gradgate baseline add baselines/ranker artifacts/GradientGate/verdict/7
    """
    try:
        read = read_verdict(verdict)
        path = keep_baseline(folder, read)
    except (VerdictError, ValueError) as error:
        refuse(f"cannot add: {error}", Exit.CANNOT_JUDGE)
    except OSError as error:
        refuse(f"cannot add: {folder}: {error.strerror}", Exit.CANNOT_JUDGE)
    if output_format is Listing.json:
        typer.echo(json.dumps({"verdict_id": read.verdict_id, "file": str(path)}, indent=2))
    else:
        typer.echo(f"{read.verdict_id}\nadded as {path}")


@app.command("list")
def list_(folder: _Folder, output_format: _Format = Listing.text) -> None:
    """List the baselines of a pipeline, the newest first, and whether each can be used.

    Exits with 0, and with 12 if the folder is not there or a file in it is damaged.

    [bold]Examples[/bold]

    gradgate baseline list baselines/ranker

    gradgate baseline list baselines/ranker --format json
    """
    try:
        entries, strangers = list_baselines(folder)
    except OSError as error:
        refuse(f"cannot list: {folder}: {error.strerror}", Exit.CANNOT_JUDGE)
    answers = [_listed(folder, entry) for entry in reversed(entries)]
    answers += [_answer(name, problem="is not named as a baseline") for name in strangers]
    if output_format is Listing.json:
        typer.echo(json.dumps(answers, indent=2))
    else:
        typer.echo("\n".join(_text(answers)))
    is_good = all(not answer["problem"] for answer in answers)
    raise typer.Exit(Exit.OK if is_good else Exit.CANNOT_JUDGE)


def _listed(folder: Path, entry: Entry) -> dict[str, Any]:
    try:
        verdict = read_verdict(folder / entry.name)
        is_named_so = Entry.of(verdict) == entry
    except (VerdictError, ValueError) as error:
        return _answer(entry.name, problem=str(error))
    policy = verdict.inputs.policy
    return _answer(
        entry.name,
        verdict_id=verdict.verdict_id,
        as_of=verdict.as_of,
        training_uid=verdict.subject.training_uid,
        policy=f"{policy.id}, revision {policy.revision}" if policy else None,
        problem="" if is_named_so else "holds another verdict than its name says",
    )


def _answer(name: str, *, problem: str, **known: object) -> dict[str, Any]:
    fields = ("verdict_id", "as_of", "training_uid", "policy")
    return {"file": name, **{field: known.get(field) for field in fields}, "problem": problem}


def _text(answers: list[dict[str, Any]]) -> list[str]:
    if not answers:
        return ["no baseline"]
    rows = [("judged", "verdict", "policy", "training")]
    rows += [
        (a["as_of"] or a["file"], a["verdict_id"] or "", a["policy"] or "", a["training_uid"] or "")
        for a in answers
    ]
    problems = [f"{a['file']}: {a['problem']}" for a in answers if a["problem"]]
    return [*in_columns(rows), *(["", *problems] if problems else [])]
