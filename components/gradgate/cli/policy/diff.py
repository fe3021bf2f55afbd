"""`gradgate policy diff`: what a change of policy changes, for whoever reviews it."""

import collections
import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from gradgate.cli.columns import in_columns
from gradgate.cli.exits import Exit
from gradgate.cli.formats import Listing
from gradgate.cli.read import policy_of
from gradgate.contracts import Policy
from gradgate.gate.diff_policies import Change, diff_policies


def diff(
    old: Annotated[Path, typer.Argument(help="The policy in force.")],
    new: Annotated[Path, typer.Argument(help="The one that is to replace it.")],
    output_format: Annotated[
        Listing, typer.Option("--format", help="What is written to standard output.")
    ] = Listing.text,
    fail_on_milder: Annotated[
        bool,
        typer.Option(
            "--fail-on-milder", help="Exit with 11 if a training could be decided more mildly."
        ),
    ] = False,
) -> None:
    """Compare two policies: which rules were added, removed, became stricter or milder.

    "changed" is what could be either, such as another window: replay tells what it does.

    [bold]Examples[/bold]

    gradgate policy diff main.yaml mine.yaml

    gradgate policy diff main.yaml mine.yaml --fail-on-milder
    """
    before, after = policy_of(old), policy_of(new)
    changes = diff_policies(before, after)
    may_be_milder = any(change.may_be_milder for change in changes)
    if output_format is Listing.json:
        document = {
            "old": _named(before),
            "new": _named(after),
            "may_be_milder": may_be_milder,
            "changes": [dataclasses.asdict(change) for change in changes],
        }
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo("\n".join(_text(before, after, changes)))
    raise typer.Exit(Exit.WARNED if fail_on_milder and may_be_milder else Exit.OK)


def _named(policy: Policy) -> dict[str, str | int]:
    return {"id": policy.metadata.id, "revision": policy.metadata.revision}


def _text(old: Policy, new: Policy, changes: tuple[Change, ...]) -> list[str]:
    head, was = (f"{p.metadata.id}, revision {p.metadata.revision}" for p in (new, old))
    if not changes:
        return [f"{was} -> {head}: the same rules"]
    lines = [f"{was} -> {head}", ""]
    lines += in_columns([(c.direction, c.subject, _what(c)) for c in changes])
    counts = collections.Counter(change.direction for change in changes)
    lines += ["", ", ".join(f"{count} {direction}" for direction, count in counts.items())]
    is_risen = new.metadata.revision > old.metadata.revision
    if old.metadata.id == new.metadata.id and not is_risen:
        lines.append(f"the revision did not rise: make it {old.metadata.revision + 1}")
    return lines


def _what(change: Change) -> str:
    if change.direction in {"added", "removed"}:
        return change.new or change.old
    return f"{change.field}: {change.old} -> {change.new}"
