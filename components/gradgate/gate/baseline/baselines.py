"""The earlier verdicts that one judgement may compare with, and whether they are fit to."""

import dataclasses
from collections.abc import Iterator

from gradgate.contracts import IntegrityCheck, Manifest, Policy, Verdict
from gradgate.contracts.verdict import SCHEMA


@dataclasses.dataclass(frozen=True, kw_only=True)
class Baselines:
    """Earlier verdicts of the pipeline.

    Attributes:
        last: The newest first.
        anchor: The one that the policy pins; None if it was not found.
        problems: What is wrong with those that should have been here, a sentence each.
    """

    last: tuple[Verdict, ...] = ()
    anchor: Verdict | None = None
    problems: tuple[str, ...] = ()


def check_baselines(
    policy: Policy, baselines: Baselines, manifest: Manifest
) -> tuple[IntegrityCheck, ...]:
    """Returns whether the baselines are fit to be compared with; nothing where none is needed.

    A rule in shadow decides nothing, so what is wrong with its baselines blocks nothing.

    Args:
        policy: Says which rules compare.
        baselines: What was given.
        manifest: Of the training that is judged, which is no baseline of its own.
    """
    deciding = any(rule.compare for rule in policy.rules if not policy.is_shadow(rule))
    problems = list(problems_of(policy, baselines, manifest))
    if not deciding or not (problems or baselines.last or baselines.anchor):
        return ()
    if not problems:
        return (IntegrityCheck(code="B-INVALID", status="pass"),)
    return (IntegrityCheck(code="B-INVALID", status="fail", message="; ".join(problems)),)


def problems_of(policy: Policy, baselines: Baselines, manifest: Manifest) -> Iterator[str]:
    """Yields what is wrong with the baselines, and what to do."""
    yield from baselines.problems
    for verdict in baselines.last:
        yield from _unfit(verdict)
        if verdict.subject.training_uid == manifest.training_uid:
            yield f"baseline {verdict.verdict_id} is of the very training that is judged; remove it"
    yield from _problems_of_anchor(policy, baselines)


def _problems_of_anchor(policy: Policy, baselines: Baselines) -> Iterator[str]:
    pinned, anchor = policy.baseline.anchor, baselines.anchor
    if anchor is not None and anchor.verdict_id != pinned:
        yield f"verdict {anchor.verdict_id} is not the anchor that the policy pins, {pinned}"
    elif anchor is not None:
        yield from _unfit(anchor)
    elif any(rule.compare and rule.compare.to == "anchor" for rule in policy.rules):
        yield (
            f"the anchor {pinned} is not among the baselines; put its verdict there (gradgate"
            " baseline add), or pin another one in the policy"
        )


def _unfit(verdict: Verdict) -> Iterator[str]:
    name = f"baseline {verdict.verdict_id}"
    if verdict.schema_id != SCHEMA:
        yield f"{name} is of schema {verdict.schema_id}; this gradgate reads {SCHEMA}"
    elif verdict.computed_id() != verdict.verdict_id:
        yield f"{name} was changed after it was given; restore it, or remove it"
    elif not verdict.healthy or verdict.decision == "block" or verdict.mode != "enforce":
        yield f"{name} is of a model that is not healthy; remove it"
