"""The decision about one model, and nothing else: every rule is asked, even after one has failed.

Pure: the same inputs give the same verdict, byte for byte. A model passes only if every check of
integrity holds and every rule that blocks was proven, of every optimizer of its training; what was
not measured did not pass.
"""

import contextlib
import dataclasses
from collections.abc import Sequence

import gradgate
from gradgate.contracts import Cause, IntegrityCheck, Policy, Verdict, Waivers
from gradgate.contracts.references import Reference
from gradgate.contracts.verdict import (
    BaselineRef,
    CoverageSeen,
    Inputs,
    Offence,
    OtherBlessing,
    PolicyRef,
)
from gradgate.gate.asking import NOTHING_WAIVED, Answered, Asking, unjudged
from gradgate.gate.baseline.baselines import Baselines, check_baselines
from gradgate.gate.baseline.comparing import Comparing, OfOne
from gradgate.gate.baseline.measuring import reference_of
from gradgate.gate.diagnosing import check_diagnosis, design_of, diagnosed, of_all
from gradgate.gate.engines import Engine, Watcher, in_process, show_all
from gradgate.gate.evidence import Evidence, RecordProblem
from gradgate.gate.improving import Improving
from gradgate.gate.integrity.clock import check_clock, check_review
from gradgate.gate.integrity.coverage import StepCount, check_coverage
from gradgate.gate.integrity.model import ModelCheck, compare_model
from gradgate.gate.integrity.pin import check_pin
from gradgate.gate.integrity.record import check_manifest
from gradgate.gate.integrity.trained_weights import compare_weights
from gradgate.gate.load_policy import policy_digest
from gradgate.gate.load_waivers import waivers_digest
from gradgate.gate.offences import Failed, first_offences
from gradgate.gate.required import Required
from gradgate.gate.several import answer_of, check_optimizers, checks_of, worst_of
from gradgate.gate.verdicts import decide, subject_of
from gradgate.gate.waiving import Waiving


def judge(
    policy: Policy,
    evidence: Evidence | RecordProblem,
    *,
    model: ModelCheck | None,
    others: Sequence[OtherBlessing] = (),
    as_of: str,
    training_only: bool = False,
    waivers: Waivers | None = None,
    pinned_policy: str | None = None,
    baselines: Baselines | None = None,
    engine: Engine = in_process,
) -> Verdict:
    """Returns the verdict on a model.

    Args:
        policy: From `load_policy`, so that its rules fit the catalogue.
        evidence: What the training reported, or why that cannot be read.
        model: What the gate found in the exported model; None when there is none, which blocks
            unless `training_only`.
        others: Blessings of other judges. One that did not bless this model keeps it from being
            pushed, but does not make it unhealthy.
        as_of: RFC 3339 time of the judgement; enters the verdict, but not its id.
        training_only: Judge the training without a model: final weights are then as reported,
            and nothing is ever blessed.
        waivers: From `load_waivers`, so that they fit the policy; None for none.
        pinned_policy: Digest that the policy must have; None for any.
        baselines: From `read_baselines`: what rules with `compare` compare with; None for none.
        engine: Brings the steps before the rules; whichever it is, the verdict is the same.
    """
    model = None if training_only else model
    about_policy = (
        *check_pin(policy_digest(policy), pinned_policy),
        *check_review(policy.metadata, as_of),
    )
    if isinstance(evidence, RecordProblem):
        return _without_record(policy, evidence, model, others, as_of, waivers, about_policy)
    manifest = evidence.manifest
    waiving = Waiving.at(as_of, waivers, policy, manifest)
    given = baselines or Baselines()
    comparing = Comparing.at(as_of, policy, given, manifest)
    judged = [
        _judge_one(policy, name, one, model, waiving, comparing.of(name, one), engine)
        for name, one in evidence.each()
    ]
    times, let_by = waiving.let_by(check_clock(policy.staleness, manifest, as_of))
    used = {name for one in judged for a in one.answers for name in a.finding.waived_by} | let_by
    by_rule = zip(policy.rules, zip(*(one.answers for one in judged), strict=True), strict=True)
    worst = [worst_of(rule, answers) for rule, answers in by_rule]
    integrity = (
        *check_optimizers(evidence),
        *(check for one in judged for check in one.integrity),
        *(() if training_only else compare_model(manifest, model)),
        *(compare_weights(evidence, model) if policy.require_trained_weights else ()),
        *times,
        *check_baselines(policy, given, manifest),
        *about_policy,
        *waiving.checks(used, evidence, model),
        *check_diagnosis([text for one in judged for text in one.undiagnosed], policy, worst),
    )
    return decide(
        subject=subject_of(model, manifest),
        inputs=_inputs(
            policy,
            waivers,
            digest=evidence.record_digest,
            schema=manifest.schema_version,
            baselines=comparing.seen() if policy.compares else (),
        ),
        as_of=as_of,
        coverage=[one.coverage for one in judged],
        policy=policy,
        answers=worst,
        integrity=integrity,
        others=tuple(others),
        waivers=waiving.seen(used),
        is_evidence_waived=bool(let_by),
        references=tuple(one.reference for one in judged if one.reference),
        causes=of_all([one.causes for one in judged], worst),
        design=design_of(evidence.card),
        bootstrap=any(
            answer.is_bootstrap and not policy.is_shadow(rule)
            for one in judged
            for rule, answer in zip(policy.rules, one.answers, strict=True)
        ),
        may_bless=not training_only,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Judged:
    """What was found of one optimizer: an answer a rule, checks of its record, its coverage.

    Its reference is None where no rule compares with a baseline.

    Attributes:
        causes: Of what failed, ranked.
        undiagnosed: Which causes could not be looked for, and why.
    """

    answers: list[Answered]
    integrity: tuple[IntegrityCheck, ...]
    coverage: CoverageSeen
    reference: Reference | None
    causes: tuple[Cause, ...]
    undiagnosed: tuple[str, ...]


def _judge_one(
    policy: Policy,
    name: str,
    evidence: Evidence,
    model: ModelCheck | None,
    waiving: Waiving,
    comparing: OfOne,
    engine: Engine,
) -> _Judged:
    """Asks every rule of one optimizer; no name where it is alone."""
    is_first = not name or bool(evidence.optimizers)
    required = Required(policy, evidence, model, is_first=is_first)
    reading = _read(policy, evidence, model, waiving, required, engine)
    answers, causes, undiagnosed = diagnosed(
        _answers(policy, reading, evidence, comparing),
        evidence,
        shadow=policy.shadow_rules,
        optimizer=name,
    )
    answers = [answer_of(name, answer) for answer in answers]
    manifest = evidence.manifest
    checks = (
        *check_manifest(manifest),
        *reading.problems,
        *required.checks(),
        *check_coverage(policy.coverage, manifest, reading.count),
    )
    coverage = reading.count.seen(manifest, optimizer=name)
    measured = [asking.measurement for asking in reading.askings if asking.measurement]
    return _Judged(
        answers=answers,
        integrity=checks_of(name, checks),
        coverage=coverage,
        reference=reference_of(name, evidence.card, measured) if policy.compares else None,
        causes=causes,
        undiagnosed=undiagnosed,
    )


@dataclasses.dataclass
class _Reading:
    """What every rule saw of the steps, and whether they could be read to the end."""

    count: StepCount
    askings: list[Asking]
    is_improving: bool = False
    problems: list[IntegrityCheck] = dataclasses.field(default_factory=list)


def _read(
    policy: Policy,
    evidence: Evidence,
    model: ModelCheck | None,
    waiving: Waiving,
    required: Required,
    engine: Engine,
) -> _Reading:
    """Shows every step to every rule. A rule in shadow needs no waiver."""
    manifest = evidence.manifest
    stop = max((part.last_step + 1 for part in manifest.parts), default=manifest.observed_steps)
    askings = []
    for rule in policy.rules:
        known = NOTHING_WAIVED if policy.is_shadow(rule) else waiving
        askings.append(Asking(rule, policy, evidence, model, stop=stop, waiving=known))
    reading = _Reading(count=StepCount(evidence.card), askings=askings)
    improving = Improving(evidence)
    asked = [asking for asking in askings if asking.step_case]
    watchers: list[Watcher] = [reading.count, improving, required, *asked]
    try:
        show_all(engine, evidence, watchers)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a record blocks
        reading.problems.append(_unreadable(error))
    else:
        reading.is_improving = improving.is_proven(min_samples=policy.defaults.min_samples)
    return reading


def _answers(
    policy: Policy, reading: _Reading, evidence: Evidence, comparing: OfOne
) -> list[Answered]:
    unreadable = "".join(problem.message for problem in reading.problems)
    for asking in reading.askings:
        asking.settle(unreadable, comparing)
    deciding = [asking for asking in reading.askings if not policy.is_shadow(asking.rule)]
    found: dict[str, Offence] = {}
    try:
        found = _offences(deciding, evidence)
    except Exception as error:  # noqa: BLE001 - the record changed since it was read
        reading.problems.append(_unreadable(error))
    # Apart, so that nothing that a rule in shadow does can change the decision.
    with contextlib.suppress(Exception):
        found |= _offences([a for a in reading.askings if policy.is_shadow(a.rule)], evidence)
    return [
        asking.answer(found.get(asking.rule.id), is_improving=reading.is_improving)
        for asking in reading.askings
    ]


def _offences(askings: Sequence[Asking], evidence: Evidence) -> dict[str, Offence]:
    """The first offence of each rule that failed on steps, by its id."""
    failed = [
        (asking.rule.id, Failed.of(case, asking.outcome))
        for asking in askings
        if (case := asking.step_case) and asking.outcome is not None and asking.outcome.is_bad
    ]
    offences = first_offences([found for _, found in failed], evidence)
    return {rule: offence for (rule, _), offence in zip(failed, offences, strict=True)}


def _without_record(
    policy: Policy,
    problem: RecordProblem,
    model: ModelCheck | None,
    others: Sequence[OtherBlessing],
    as_of: str,
    waivers: Waivers | None,
    about_policy: tuple[IntegrityCheck, ...],
) -> Verdict:
    """Every rule is unknown; the model is named as far as it is known."""
    reason = f"the record cannot be read ({problem.code})"
    failed = IntegrityCheck(code=problem.code, status="fail", message=problem.message)
    return decide(
        subject=subject_of(model, None),
        inputs=_inputs(policy, waivers, digest=None, schema=None),
        as_of=as_of,
        policy=policy,
        answers=[unjudged(rule, policy, "unknown", reason) for rule in policy.rules],
        integrity=(failed, *(model.problems if model else ()), *about_policy),
        others=tuple(others),
        waivers=Waiving.at(as_of, waivers, policy, None).seen(()),
    )


def _inputs(
    policy: Policy,
    waivers: Waivers | None,
    *,
    digest: str | None,
    schema: str | None,
    baselines: tuple[BaselineRef, ...] = (),
) -> Inputs:
    reference = PolicyRef(
        id=policy.metadata.id, revision=policy.metadata.revision, sha256=policy_digest(policy)
    )
    return Inputs(
        record_digest=digest,
        record_schema=schema,
        policy=reference,
        waivers_sha256=waivers_digest(waivers) if waivers else None,
        baselines=baselines,
        gate_version=gradgate.__version__,
    )


def _unreadable(error: Exception) -> IntegrityCheck:
    message = str(getattr(error, "message", "")) or str(error) or type(error).__name__
    return IntegrityCheck(
        code=str(getattr(error, "code", "T-CORRUPT")), status="fail", message=message
    )
