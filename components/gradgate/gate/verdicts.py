"""From findings and checks to a sealed verdict: the strictest answer is the decision."""

from collections.abc import Sequence
from typing import Final

import gradgate
from gradgate.contracts import (
    Cause,
    Finding,
    IntegrityCheck,
    LintFinding,
    Manifest,
    Policy,
    Verdict,
)
from gradgate.contracts.references import Reference
from gradgate.contracts.verdict import (
    CoverageSeen,
    Decision,
    Inputs,
    OtherBlessing,
    Subject,
    WaiverSeen,
)
from gradgate.gate import wording
from gradgate.gate.asking import Answered
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.signals import RANK

_LEVELS: Final = {"block": 0, "warn": 1, "ok": 2}
_STATUSES: Final = {"fail": 0, "error": 1, "unknown": 2, "waived": 3, "disabled": 4, "pass": 5}
# What follows from a sick training; a rule that says why comes before it in the headline.
_CONSEQUENCES: Final = frozenset({"T-STOPPED", "T-COVERAGE"})


def decide(
    *,
    subject: Subject,
    inputs: Inputs,
    as_of: str,
    policy: Policy | None = None,
    answers: Sequence[Answered] = (),
    integrity: tuple[IntegrityCheck, ...],
    others: tuple[OtherBlessing, ...] = (),
    waivers: tuple[WaiverSeen, ...] = (),
    coverage: Sequence[CoverageSeen] = (),
    references: tuple[Reference, ...] = (),
    causes: tuple[Cause, ...] = (),
    design: tuple[LintFinding, ...] = (),
    is_evidence_waived: bool = False,
    bootstrap: bool = False,
    may_bless: bool = True,
) -> Verdict:
    """Returns the sealed verdict: blocked if a check failed, else the strictest level.

    Of a policy in shadow it is at most a warning, and the model is not healthy: nobody has said
    yet that the policy is right. Nor is one whose evidence was let by: it may be pushed, but no
    later training is compared with it, or starts from it.
    """
    in_shadow = set(policy.shadow_rules if policy else ())
    mode = policy.mode if policy else "enforce"
    all_ordered = sorted(answers, key=_place)
    ordered = [answer for answer in all_ordered if answer.finding.id not in in_shadow]
    enforced = _strictest(ordered, integrity)
    refusals = [other for other in others if not (other.blessed and other.same_model)]
    failed = [check for check in integrity if check.status == "fail"]
    headline = _headline(enforced, ordered, integrity, refusals)
    decision = enforced
    if mode == "shadow" and ordered and not failed:
        decision = "ok" if enforced == "ok" else "warn"
        headline = f"SHADOW {headline}" if enforced == "ok" else f"SHADOW would {headline}"
    may_push = decision != "block"
    is_any_in_shadow = mode == "shadow" or len(all_ordered) > len(ordered)
    return Verdict(
        decision=decision,
        mode=mode,
        would_decide=_strictest(all_ordered, integrity) if is_any_in_shadow else None,
        blessed=may_push and not refusals and may_bless and subject.model_digest is not None,
        healthy=may_push and mode == "enforce" and not is_evidence_waived,
        bootstrap=bootstrap,
        headline=headline,
        subject=subject,
        inputs=inputs,
        as_of=as_of,
        coverage=coverage[0] if coverage else CoverageSeen(),
        further_coverage=tuple(coverage[1:]),
        findings=tuple(answer.finding for answer in ordered),
        shadow_findings=tuple(a.finding for a in all_ordered if a.finding.id in in_shadow),
        causes=causes,
        design=design,
        integrity=integrity,
        waivers=waivers,
        others=others,
        references=references,
    ).sealed()


def blocked_verdict(
    code: str,
    message: str,
    *,
    as_of: str,
    model: ModelCheck | None = None,
    manifest: Manifest | None = None,
) -> Verdict:
    """Returns a blocked verdict for when no rule can be asked, such as without a policy.

    Args:
        code: `P-MISSING` or `P-INVALID` for the policy; any other of the fail-closed table.
        message: What is wrong and what to do.
        as_of: RFC 3339 time of the judgement.
        model: What the gate found in the model, if it looked.
        manifest: Of the record, if it could be read.
    """
    return decide(
        subject=subject_of(model, manifest),
        inputs=Inputs(gate_version=gradgate.__version__),
        as_of=as_of,
        integrity=(IntegrityCheck(code=code, status="fail", message=message),),
    )


def also_failed(verdict: Verdict, code: str, message: str) -> Verdict:
    """Returns a verdict with one failed check more, so it blocks; its findings stay.

    Args:
        verdict: Of the judge.
        code: Of the fail-closed table.
        message: What is wrong and what to do.
    """
    check = IntegrityCheck(code=code, status="fail", message=message)
    return verdict.model_copy(
        update={
            "decision": "block",
            "blessed": False,
            "healthy": False,
            "headline": f"BLOCK {code}: {message}",
            "integrity": (*verdict.integrity, check),
        }
    ).sealed()


def also_warned(verdict: Verdict, code: str, message: str) -> Verdict:
    """Returns a verdict with one warning more; it is never milder, and its findings stay.

    Args:
        verdict: Of the judge.
        code: Of the fail-closed table.
        message: What to know and what to do.
    """
    check = IntegrityCheck(code=code, status="warn", message=message)
    changes: dict[str, object] = {"integrity": (*verdict.integrity, check)}
    if verdict.decision == "ok":
        changes |= {"decision": "warn", "headline": f"WARN {code}: {message}"}
    return verdict.model_copy(update=changes).sealed()


def subject_of(model: ModelCheck | None, manifest: Manifest | None) -> Subject:
    """What is judged: the model by its bytes, the training by its uid."""
    tree = model.tree if model else None
    return Subject(
        model_digest=tree.digest if tree else None,
        model_files=tree.files if tree else (),
        training_uid=manifest.training_uid if manifest else None,
        mlflow_run_id=manifest.mlflow_run_id if manifest else None,
    )


def weight(finding: Finding) -> tuple[int, int]:
    """How much a finding weighs: less is worse."""
    return _LEVELS[finding.level], _STATUSES[finding.status]


def _strictest(answers: Sequence[Answered], integrity: Sequence[IntegrityCheck]) -> Decision:
    levels: list[Decision] = [answer.finding.level for answer in answers]
    # Without a finding nothing was proven, so nothing passed.
    if not levels or any(check.status == "fail" for check in integrity):
        return "block"
    if any(check.status == "warn" for check in integrity):
        levels.append("warn")
    return min(levels, key=_LEVELS.__getitem__)


def _place(answer: Answered) -> tuple[int, int, int, str]:
    """Worst first; among equals from cause to symptom, then by name."""
    finding = answer.finding
    return (*weight(finding), RANK.get(finding.signal, -1), finding.id)


def _headline(
    decision: Decision,
    ordered: Sequence[Answered],
    integrity: Sequence[IntegrityCheck],
    refusals: Sequence[OtherBlessing],
) -> str:
    failed = [check for check in integrity if check.status == "fail"]
    first = ordered[0] if ordered else None
    is_explained = (
        first is not None and first.finding.level == "block" and first.finding.status == "fail"
    )
    causes = [check for check in failed if check.code not in _CONSEQUENCES]
    shown = causes or ([] if is_explained else failed)
    if shown:
        return f"BLOCK {shown[0].code}: {shown[0].message}"
    if first is None:
        return "BLOCK: no rule was asked"
    if decision != "ok" and first.finding.level == "ok":
        warned = next(check for check in integrity if check.status == "warn")
        return f"WARN {warned.code}: {warned.message}"
    if decision != "ok":
        return wording.headline(decision, first.finding, first.phrase)
    asked = sum(answer.finding.status != "disabled" for answer in ordered)
    passed = f"OK: {asked} of {asked} rules passed"
    if refusals:
        return f"{passed}; not blessed, since {refusals[0].source} {_refusal(refusals[0])}"
    return passed


def _refusal(other: OtherBlessing) -> str:
    if other.message:
        return f"did not bless this model: {other.message}"
    return "did not bless this model" if not other.blessed else "blessed another model"
