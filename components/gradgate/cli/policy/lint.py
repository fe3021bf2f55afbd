"""`gradgate policy lint`: whether policies can be used, and what is wrong with them if not."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gradgate.cli.exits import Exit
from gradgate.cli.formats import Listing
from gradgate.gate import PolicyError, load_policy, policy_digest, read_policy


def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Policy files.")],
    output_format: Annotated[
        Listing, typer.Option("--format", help="What is written to standard output.")
    ] = Listing.text,
) -> None:
    """Say what is wrong with policies: file, line, column, field, what was got, what to do.

    Exits with 0 if all can be used and with 13 if any cannot.

    [bold]Examples[/bold]

    gradgate policy lint policies/*.yaml

    gradgate policy lint strict.yaml --format json
    """
    answers = [_linted(file) for file in files]
    if output_format is Listing.json:
        typer.echo(json.dumps(answers, indent=2))
    else:
        for answer in answers:
            typer.echo(answer["text"])
    is_good = all(answer["ok"] for answer in answers)
    raise typer.Exit(Exit.OK if is_good else Exit.BAD_POLICY)


def _linted(file: Path) -> dict[str, Any]:
    try:
        policy = load_policy(read_policy(file), source=str(file))
    except PolicyError as error:
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
    known = policy.metadata
    count = f"{len(policy.rules)} rule{'' if len(policy.rules) == 1 else 's'}"
    return {
        "file": str(file),
        "ok": True,
        "id": known.id,
        "revision": known.revision,
        "rules": len(policy.rules),
        "sha256": policy_digest(policy),
        "problems": [],
        "text": f"{file}: ok: {known.id}, revision {known.revision}, {count}",
    }
