"""`gradgate policy test`: whether a policy decides trainings as is expected of it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gradgate.cli.columns import in_columns
from gradgate.cli.exits import Exit, refuse
from gradgate.cli.fixtures import Fixture, find_fixtures
from gradgate.cli.formats import Listing
from gradgate.cli.read import (
    baselines_of,
    evidence_of,
    finished_at,
    policy_of,
    waivers_of,
)
from gradgate.contracts import Policy, Waivers
from gradgate.gate import check_model, judge


def run_fixtures(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[DIR]...",
            help="Fixtures, or folders of fixtures. Default: the golden runs that gradgate ships.",
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy file. Default: the one that gradgate ships.")
    ] = None,
    waivers: Annotated[
        Path | None,
        typer.Option(
            help="Waivers of that policy, for all fixtures without a waivers.yaml. Default: none."
        ),
    ] = None,
    output_format: Annotated[
        Listing, typer.Option("--format", help="What is written to standard output.")
    ] = Listing.text,
) -> None:
    """Test a policy on fixtures: does it decide each of them as is expected?

    A fixture is a folder with a `record` of a training, its `model` if the model is to be judged
    too, `waivers.yaml` if there are any, the `baselines` that it is compared with, and an
    `expect.yaml` with the decision, the rules and checks that fail, and the first offence. Exits
    with 0 if the policy decides all as expected,
    with 13 if it does not, and with 12 if a fixture cannot be used.

    [bold]Examples[/bold]

    gradgate policy test --policy strict.yaml

    gradgate policy test fixtures/ --policy strict.yaml --format json

    gradgate policy test fixtures/ --policy strict.yaml --waivers waivers.yaml
    """
    rules = policy_of(policy)
    excused = waivers_of(waivers, rules)
    try:
        fixtures = find_fixtures(folders)
    except ValueError as error:
        refuse(f"cannot test: {error}", Exit.CANNOT_JUDGE)
    answers = [_tested(rules, excused, fixture) for fixture in fixtures]
    failed = [answer for answer in answers if answer["differences"]]
    if output_format is Listing.json:
        known = {"id": rules.metadata.id, "revision": rules.metadata.revision}
        document = {
            "policy": known,
            "passed": len(answers) - len(failed),
            "failed": len(failed),
            "fixtures": answers,
        }
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo("\n".join(_text(answers)))
    raise typer.Exit(Exit.BAD_POLICY if failed else Exit.OK)


def _tested(policy: Policy, waivers: Waivers | None, fixture: Fixture) -> dict[str, Any]:
    evidence = evidence_of(fixture.record)
    as_of = finished_at(evidence)
    own = waivers_of(fixture.waivers, policy)
    verdict = judge(
        policy,
        evidence,
        model=None if fixture.model is None else check_model(fixture.model),
        as_of=as_of,
        training_only=fixture.model is None,
        baselines=baselines_of(fixture.baselines, policy, evidence, as_of),
        waivers=own or waivers,
    )
    return {
        "fixture": fixture.name,
        "expected": fixture.expectation.decision,
        "decision": verdict.would_decide or verdict.decision,
        "headline": verdict.headline,
        "differences": fixture.expectation.differences(verdict),
    }


def _text(answers: list[dict[str, Any]]) -> list[str]:
    rows = [("", "fixture", "expected", "decided", "")]
    rows += [
        (
            "FAIL" if answer["differences"] else "ok",
            answer["fixture"],
            answer["expected"],
            answer["decision"],
            answer["headline"],
        )
        for answer in answers
    ]
    lines = in_columns(rows)
    failed = [answer for answer in answers if answer["differences"]]
    for answer in failed:
        lines += ["", f"{answer['fixture']}:", *(f"  {line}" for line in answer["differences"])]
    count = f"{len(answers) - len(failed)} of {len(answers)} as expected"
    return [*lines, "", count]
