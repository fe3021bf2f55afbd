"""`gradgate policy lint`: whether policies, and waivers, can be used, and what is wrong if not."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gradgate.cli.exits import Exit
from gradgate.cli.formats import Listing
from gradgate.contracts import Policy
from gradgate.gate import (
    PolicyError,
    load_policy,
    load_waivers,
    policy_digest,
    read_policy,
    read_waivers,
)
from gradgate.gate.load_waivers import waivers_digest
from gradgate.gate.wording import counted


def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Policy files.")],
    waivers: Annotated[
        Path | None,
        typer.Option(help="Waivers of the one policy that is named, to be checked with it."),
    ] = None,
    output_format: Annotated[
        Listing, typer.Option("--format", help="What is written to standard output.")
    ] = Listing.text,
) -> None:
    """Say what is wrong with policies: file, line, column, field, what was got, what to do.

    Exits with 0 if all can be used and with 13 if any cannot. Nobody knows here which layers a
    training will have, so a waiver for none of them is found by check.

    [bold]Examples[/bold]

    gradgate policy lint policies/*.yaml

    gradgate policy lint strict.yaml --waivers waivers.yaml

    gradgate policy lint strict.yaml --format json
    """
    if waivers is not None and len(files) != 1:
        raise typer.BadParameter(
            "waivers are of one policy; name that one.", param_hint="'--waivers'"
        )
    answers = [_linted(file) for file in files]
    if waivers is not None:
        answers.append(_linted_waivers(waivers, files[0], is_good=answers[0]["ok"]))
    if output_format is Listing.json:
        typer.echo(json.dumps(answers, indent=2))
    else:
        for answer in answers:
            typer.echo(answer["text"])
    is_good = all(answer["ok"] for answer in answers)
    raise typer.Exit(Exit.OK if is_good else Exit.BAD_POLICY)


def _linted(file: Path) -> dict[str, Any]:
    try:
        policy = _policy(file)
    except PolicyError as error:
        return _problems(file, error)
    known = policy.metadata
    return {
        "file": str(file),
        "ok": True,
        "id": known.id,
        "revision": known.revision,
        "rules": len(policy.rules),
        "sha256": policy_digest(policy),
        "problems": [],
        "text": f"{file}: ok: {known.id}, revision {known.revision},"
        f" {counted(len(policy.rules), 'rule')}",
    }


def _linted_waivers(file: Path, of: Path, *, is_good: bool) -> dict[str, Any]:
    if not is_good:
        text = f"{file}: not looked at: {of} cannot be used, and they are waivers of its rules"
        return {"file": str(file), "ok": False, "code": "P-WAIVER", "problems": [], "text": text}
    try:
        waivers = load_waivers(read_waivers(file), _policy(of), source=str(file))
    except PolicyError as error:
        return _problems(file, error)
    count = len(waivers.waivers)
    return {
        "file": str(file),
        "ok": True,
        "waivers": count,
        "sha256": waivers_digest(waivers),
        "problems": [],
        "text": f"{file}: ok: {counted(count, 'waiver')}",
    }


def _policy(file: Path) -> Policy:
    return load_policy(read_policy(file), source=str(file))


def _problems(file: Path, error: PolicyError) -> dict[str, Any]:
    problems = [
        {
            "line": problem.line,
            "column": problem.column,
            "field": problem.field,
            "message": problem.text,
        }
        for problem in error.problems
    ]
    return {
        "file": str(file),
        "ok": False,
        "code": error.code,
        "problems": problems,
        "text": str(error),
    }
