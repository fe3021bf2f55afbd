"""`gradgate replay`: what a policy would have decided of trainings of the past."""

import collections
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gradgate.cli.columns import in_columns
from gradgate.cli.exits import Exit, refuse
from gradgate.cli.formats import Listing
from gradgate.cli.history import Past, find_past
from gradgate.cli.read import (
    baselines_of,
    evidence_of,
    finished_at,
    model_beside,
    policy_of,
    waivers_of,
)
from gradgate.contracts import Policy, Verdict, Waivers
from gradgate.gate import RecordProblem, check_model, judge
from gradgate.gate.baseline.folder import last_among, why_no_baseline
from gradgate.gate.render.clean import clean_text

_ENFORCED = {"mode": "enforce", "healthy": True}
_RANKS = {"ok": 0, "warn": 1, "block": 2}


def replay(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Records, or folders that hold records anywhere."),
    ],
    policy: Annotated[
        Path | None, typer.Option(help="The new policy. Default: the one that gradgate ships.")
    ] = None,
    waivers: Annotated[
        Path | None, typer.Option(help="File of waivers for that policy. Default: none.")
    ] = None,
    baselines: Annotated[
        Path | None, typer.Option(help="Folder that holds the anchor of the policy. Default: none.")
    ] = None,
    last: Annotated[
        int | None, typer.Option(min=1, help="Only so many, the newest. Default: all.")
    ] = None,
    output_format: Annotated[
        Listing, typer.Option("--format", help="What is written to standard output.")
    ] = Listing.text,
) -> None:
    """Judge trainings of the past by a new policy: what would it have decided?

    Finds every health record below the folders, and the verdicts that were given on them, and says
    what would change. Each is judged as of the time its training ended, so by the waivers that
    were in force then, together with the model beside it where TFX kept one, else alone; what is
    in shadow as if it were enforced. Rules that compare do so with those before it that would have
    been healthy. Blesses nothing and changes nothing. Exits with 0 whatever would change, and with
    12 if there is no record.

    [bold]Examples[/bold]

    gradgate replay workspace/artifacts --policy strict.yaml

    gradgate replay /records --policy strict.yaml --last 40 --format json

    gradgate replay /records --policy strict.yaml --waivers waivers.yaml
    """
    rules = policy_of(policy)
    excused = waivers_of(waivers, rules)
    try:
        past, unread = find_past(folders)
    except ValueError as error:
        refuse(f"cannot replay: {error}", Exit.CANNOT_JUDGE)
    for line in unread:
        typer.echo(clean_text(f"left out: {line}"), err=True)
    past = past[-last:] if last else past
    answers, by_rule = (
        [],
        collections.defaultdict[str, dict[str, int]](lambda: {"blocks": 0, "warns": 0}),
    )
    healthy: list[Verdict] = []
    for one in past:
        verdict = _judged(rules, excused, one.record, healthy, baselines)
        healthy += _as_enforced(verdict)
        answers.append(_answer(one, verdict))
        for finding in (*verdict.findings, *verdict.shadow_findings):
            if finding.level != "ok":
                by_rule[finding.id][f"{finding.level}s"] += 1
    document = _document(rules, answers, by_rule)
    if output_format is Listing.json:
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo("\n".join(_text(document)))


def _judged(
    policy: Policy,
    waivers: Waivers | None,
    record: Path,
    healthy: Sequence[Verdict],
    folder: Path | None,
) -> Verdict:
    evidence, model = evidence_of(record), model_beside(record)
    as_of = finished_at(evidence)
    kept = baselines_of(folder, policy, evidence, as_of, only=())
    uid = None if isinstance(evidence, RecordProblem) else evidence.manifest.training_uid
    last = last_among(healthy, policy.baseline, training_uid=uid, as_of=as_of)
    return judge(
        policy,
        evidence,
        model=None if model is None else check_model(model),
        as_of=as_of,
        training_only=model is None,
        baselines=dataclasses.replace(kept, last=last),
        waivers=waivers,
    )


def _as_enforced(verdict: Verdict) -> list[Verdict]:
    """The verdict as a baseline of those after it; none if it would have been blocked."""
    decision = verdict.would_decide or verdict.decision
    if decision == "block" or why_no_baseline(verdict.model_copy(update=_ENFORCED)):
        return []
    return [verdict.model_copy(update={**_ENFORCED, "decision": decision}).sealed()]


def _answer(past: Past, verdict: Verdict) -> dict[str, Any]:
    was = past.verdict.decision if past.verdict else None
    would_be = verdict.would_decide or verdict.decision
    rise = 0 if was is None else _RANKS[would_be] - _RANKS[was]
    return {
        "record": str(past.record),
        "training_uid": past.training_uid,
        "finished_at": past.finished_at,
        "was": was,
        "verdict_id": past.verdict.verdict_id if past.verdict else None,
        "would_be": would_be,
        "change": "stricter" if rise > 0 else "milder" if rise < 0 else "none",
        "headline": verdict.headline,
    }


def _document(
    policy: Policy, answers: Sequence[dict[str, Any]], by_rule: dict[str, dict[str, int]]
) -> dict[str, Any]:
    judged = [answer for answer in answers if answer["was"] is not None]

    def count(of: Sequence[dict[str, Any]], *, was_block: bool | None, is_block: bool) -> int:
        return sum(
            (answer["would_be"] == "block") == is_block
            and (was_block is None or (answer["was"] == "block") == was_block)
            for answer in of
        )

    return {
        "policy": {"id": policy.metadata.id, "revision": policy.metadata.revision},
        "total": len(answers),
        "blocked": count(answers, was_block=None, is_block=True),
        "warned": sum(answer["would_be"] == "warn" for answer in answers),
        "without_verdict": len(answers) - len(judged),
        "newly_blocked": count(judged, was_block=False, is_block=True),
        "no_longer_blocked": count(judged, was_block=True, is_block=False),
        "rules": [
            {"rule": rule, **counts}
            for rule, counts in sorted(
                by_rule.items(), key=lambda item: (-item[1]["blocks"], -item[1]["warns"], item[0])
            )
        ],
        "records": list(answers),
    }


def _text(document: dict[str, Any]) -> list[str]:
    marks = {"stricter": "+", "milder": "-", "none": ""}
    rows = [("", "record", "was", "would be", "")]
    rows += [
        (marks[a["change"]], a["record"], a["was"] or "?", a["would_be"], a["headline"])
        for a in document["records"]
    ]
    total, judged = document["total"], document["total"] - document["without_verdict"]
    lines = [*in_columns(rows), ""]
    if document["rules"]:
        rows_of_rules = [("rule", "blocks", "warns")]
        rows_of_rules += [
            (rule["rule"], str(rule["blocks"]), str(rule["warns"])) for rule in document["rules"]
        ]
        lines += [*in_columns(rows_of_rules), ""]
    lines.append(
        f"{document['policy']['id']}, revision {document['policy']['revision']}: would have blocked"
        f" {document['blocked']} of {total}, and warned of {document['warned']}"
    )
    if judged:
        lines.append(
            f"against {judged} verdict{'' if judged == 1 else 's'}:"
            f" {document['newly_blocked']} blocked that were not,"
            f" {document['no_longer_blocked']} not blocked that were"
        )
    if document["without_verdict"]:
        lines.append(f"no verdict was found on {document['without_verdict']}")
    return lines
