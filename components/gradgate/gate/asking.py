"""Asks one rule and puts what it answered into a finding. A rule that breaks is an answer too."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from gradgate.contracts import Finding, Policy, Rule, Waiver
from gradgate.contracts.references import Measurement
from gradgate.contracts.verdict import Decision, Observed, Offence, Status
from gradgate.gate import waiving, wording
from gradgate.gate.aggregates.seen import Seen
from gradgate.gate.baseline.absence import LEVELS, strictest, without_baseline
from gradgate.gate.baseline.comparing import NoBaseline, OfOne
from gradgate.gate.baseline.measuring import measurement_of
from gradgate.gate.case import Case, Measured, StepCase, open_case
from gradgate.gate.check_policy import never_mild
from gradgate.gate.compare import badness, holds
from gradgate.gate.evidence import Bools, Evidence, Ints, StepBatch
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.outcome import Outcome, may_fail
from gradgate.gate.peaks import finite_peak
from gradgate.gate.signals import CATALOGUE, StepSignal, Unmeasured
from gradgate.gate.waiving import Waiving, covers

_WORST = 5
NOTHING_WAIVED = Waiving()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answered:
    """A finding with its phrase for the headline, and whether a baseline was missing."""

    finding: Finding
    phrase: str
    is_bootstrap: bool = False


class Asking:
    """One rule from before the first step is read until its finding.

    Attributes:
        failed: After `settle`: the columns that failed, bool [k]; None when none was judged.
        outcome: After `settle`: what that means for the rule; None when none was judged.
        measurement: After `settle`: what a rule on a baseline leaves for later trainings.
    """

    def __init__(
        self,
        rule: Rule,
        policy: Policy,
        evidence: Evidence,
        model: ModelCheck | None,
        *,
        stop: int,
        waiving: Waiving = NOTHING_WAIVED,
    ) -> None:
        self.rule = rule
        self.failed: Bools | None = None
        self.outcome: Outcome | None = None
        self.measurement: Measurement | None = None
        self._waiving = waiving.of(rule.id)
        self._policy, self._evidence = policy, evidence
        self._case: Case | None = None
        self._measured: Measured | None = None
        self._unknown = self._error = self._no_baseline = ""
        self._not_compared: tuple[str, ...] = ()
        try:
            self._case = open_case(rule, evidence, model, stop=stop)
        except Unmeasured as reason:
            self._unknown = str(reason)
        except Exception as error:  # noqa: BLE001 - a broken rule blocks, the others are heard
            self._error = _described(error)

    @property
    def step_case(self) -> StepCase | None:
        """The case, if it is on steps and still being asked."""
        is_open = isinstance(self._case, StepCase) and not self._error and not self._unknown
        return self._case if is_open and isinstance(self._case, StepCase) else None

    @property
    def tally(self) -> Seen:
        """What was seen of the steps; of a case on steps."""
        assert isinstance(self._case, StepCase)
        return self._case.seen

    @property
    def remembers(self) -> bool:
        """Whether what it takes from a step depends on steps before."""
        case = self.step_case
        return case is not None and case.signal.remembers

    def feed(self, batch: StepBatch) -> None:
        """Takes in the steps of a batch."""
        case = self.step_case
        if case is None or case.seen.error:
            return
        try:
            case.feed(batch)
        except Exception as error:  # noqa: BLE001 - a broken rule blocks, the others are heard
            case.seen.error = _described(error)

    def again(self) -> bool:
        """Whether it must see all steps once more; it is then ready."""
        case = self.step_case
        if case is None:
            return False
        try:
            self._error = case.seen.error
            return not self._error and case.again()
        except Exception as error:  # noqa: BLE001 - a broken rule blocks, the others are heard
            self._error = _described(error)
            return False

    def settle(self, unreadable: str, comparing: OfOne) -> None:
        """Judges what was seen.

        Args:
            unreadable: Why the steps could not be read to the end; empty when they could.
            comparing: What a rule on a baseline is compared with.
        """
        if isinstance(self._case, StepCase):
            self._error = self._error or self._case.seen.error
        if self._case is None or self._error:
            return
        if unreadable and isinstance(self._case, StepCase):
            self._unknown = f"the steps could not be read to the end: {unreadable.rstrip('.')}"
            return
        try:
            measured = self._case.measured(min_samples=self._policy.min_samples_of(self.rule))
            if self.rule.compare is not None:
                measured = self._against_baseline(measured, comparing)
            self._measured = measured
            self.failed = ~holds(self.rule.expect, measured.compared)
            self.outcome = self._outcome(measured, self.failed)
        except NoBaseline as reason:
            self._no_baseline = str(reason)
        except Unmeasured as reason:
            self._unknown = str(reason)
        except Exception as error:  # noqa: BLE001 - a broken rule blocks, the others are heard
            self._error = _described(error)

    def _against_baseline(self, measured: Measured, comparing: OfOne) -> Measured:
        """What was measured, compared; kept as it is for later trainings, whatever comes of it."""
        self.measurement = measurement_of(self.rule, measured)
        relation, keep = comparing.relate(self.rule, measured)
        left_out = [c.variable for c, kept in zip(measured.columns, keep, strict=True) if not kept]
        self._not_compared = tuple(name or "the run" for name in left_out)
        if isinstance(self._case, StepCase):
            self._case.relate(relation, keep)
        return measured.against(relation, keep)

    def answer(self, offence: Offence | None, *, is_improving: bool) -> Answered:
        """Returns the finding; an error of its own if one cannot be made."""
        try:
            return self._answer(offence, is_improving=is_improving)
        except Exception as error:  # noqa: BLE001 - a broken rule blocks, the others are heard
            self._error = _described(error)
            return self._unjudged("error", self._error)

    def _answer(self, offence: Offence | None, *, is_improving: bool) -> Answered:
        if self._error:
            return self._unjudged("error", self._error)
        if self._no_baseline:
            return self._without_baseline()
        if self._measured is None or self.outcome is None:
            return self._or_waived(self._unjudged("unknown", self._unknown))
        return self._judged(self._measured, self.outcome, offence, is_improving=is_improving)

    def _outcome(self, measured: Measured, failed: Bools) -> Outcome:
        waivers = self._waiving.in_force
        waived = [any(covers(w, column.variable) for w in waivers) for column in measured.columns]
        return Outcome(
            failed=failed,
            finite=np.isfinite(measured.compared),
            waived=np.array(waived, dtype=bool),
            may_fail=may_fail(self.rule.scope.quantifier, len(failed)),
        )

    def _judged(
        self,
        measured: Measured,
        outcome: Outcome,
        offence: Offence | None,
        *,
        is_improving: bool,
    ) -> Answered:
        rule, signal, failed = self.rule, CATALOGUE[self.rule.signal], outcome.failed
        worst = _worst_first(rule, measured, outcome)
        deciding = 0 if outcome.hopeless.any() else outcome.may_fail
        first = worst[deciding]
        value = float(measured.value[first])
        is_bad, waivers = outcome.is_bad, self._used(measured, outcome)
        if is_bad and offence is None:  # a fact has no step, but may have a variable
            column = int(np.flatnonzero(outcome.blamed)[0])
            offence = Offence(
                variable=measured.columns[column].variable, value=float(measured.value[column])
            )
        variable = measured.columns[first].variable
        text = wording.message(
            rule,
            signal,
            value=value,
            variable=variable,
            samples=int(measured.samples[first]),
            failed=int(failed.sum()),
            judged=len(failed),
            may_fail=outcome.may_fail,
            against=wording.against(measured.relation, float(measured.compared[first]), first),
            peak=finite_peak(signal, value, (c.variable for c in measured.columns), self._evidence),
        )
        may_be_mild = bool(outcome.finite.all()) and not never_mild(signal)
        why_mild = self._why_mild(is_improving=is_improving) if may_be_mild else ""
        level = self._level_of_failure(why_mild) if is_bad else "ok"
        remark = signal.remark(self._evidence) if isinstance(signal, StepSignal) else ""
        if remark:
            text += f"; {remark}"
        if is_bad and offence is not None and offence.at_the_latest:
            text += f"; for good from step {offence.step} on, or from an earlier one"
        if is_bad and level != self._policy.severity_of(rule):
            text += f"; a warning only, {why_mild}"
        status: Status = "fail" if is_bad else "pass"
        if outcome.is_waived:
            status, level = "waived", "warn"
        if self._not_compared:
            on_absent = self._policy.baseline.on_absent
            text += f"; {wording.not_compared(self._not_compared)}"
            level = strictest(level, LEVELS[on_absent])
            if not is_bad and on_absent != "absolute_only":
                status = "unknown"
        if is_bad:
            text = "; ".join(part for part in (text, self._of_waivers(waivers)) if part)
        observed = [_observed(measured, i) for i in worst]
        finding = _finding(
            rule,
            self._policy,
            self._case,
            status=status,
            level=level,
            evidence=measured.evidence,
            compare=_compare(rule, measured, first),
            observed=observed[deciding],
            worst=tuple(observed[:_WORST]) if variable else (),
            variables_failed=int(failed.sum()) if variable else 0,
            variables_judged=len(failed) if variable else 0,
            variables_that_may_fail=outcome.may_fail,
            first_offence=offence if is_bad else None,
            message=text,
            waived_by=tuple(waiver.id for waiver in waivers),
        )
        phrase = wording.what(rule, signal, value)
        if rule.compare is not None:
            phrase = wording.what_against(rule, signal, float(measured.compared[first]))
        return Answered(finding=finding, phrase=phrase, is_bootstrap=bool(self._not_compared))

    def _used(self, measured: Measured, outcome: Outcome) -> list[Waiver]:
        """The waivers without which the rule would have failed."""
        if not outcome.is_waived:
            return []
        failed = [
            c.variable for c, is_bad in zip(measured.columns, outcome.failed, strict=True) if is_bad
        ]
        return [w for w in self._waiving.in_force if any(covers(w, name) for name in failed)]

    def _of_waivers(self, used: Sequence[Waiver]) -> str:
        return waiving.in_words(used) if used else self._waiving.why_not

    def _without_baseline(self) -> Answered:
        """What the policy says of a rule that has nothing to compare with; its value is shown."""
        answer = self._unjudged("unknown", self._no_baseline)
        finding = without_baseline(
            answer.finding, self._policy.baseline, self._no_baseline, self.measurement
        )
        answer = Answered(finding=finding, phrase=finding.message, is_bootstrap=True)
        return answer if finding.status == "disabled" else self._or_waived(answer)

    def _or_waived(self, answer: Answered) -> Answered:
        """A waiver of single layers says nothing of a rule that could not be judged at all."""
        used = [waiver for waiver in self._waiving.in_force if waiver.scope.layers is None]
        remark = self._of_waivers(used)
        if not remark:
            return answer
        finding = answer.finding
        changes: dict[str, object] = {"message": f"{finding.message}; {remark}"}
        if used:
            changes |= {"status": "waived", "level": "warn"}
            changes |= {"waived_by": tuple(waiver.id for waiver in used)}
        return dataclasses.replace(answer, finding=finding.model_copy(update=changes))

    def _unjudged(self, status: Status, reason: str) -> Answered:
        return unjudged(self.rule, self._policy, status, reason, case=self._case)

    def _level_of_failure(self, why_mild: str) -> Decision:
        return "warn" if why_mild else self._policy.severity_of(self.rule)

    def _why_mild(self, *, is_improving: bool) -> str:
        """Why a failure is a warning, as the rule allows; empty where it is not."""
        if self.rule.when_improving == "warn" and is_improving:
            return "since the loss still improves"
        optimizer = self._evidence.card.optimizer
        return f"under {optimizer}" if optimizer in self.rule.warn_for else ""


def unjudged(
    rule: Rule, policy: Policy, status: Status, reason: str, *, case: Case | None = None
) -> Answered:
    """Returns the finding of a rule that has no value: `unknown`, or `error` if it broke."""
    level: Decision = "block"
    text = f"the rule broke, so it was not judged: {reason}"
    if status == "unknown":
        level = rule.on_missing or policy.severity_of(rule)
        text = f"not measured: {reason}"
    finding = _finding(rule, policy, case, status=status, level=level, message=text)
    return Answered(finding=finding, phrase=text)


def _finding(rule: Rule, policy: Policy, case: Case | None, **known: object) -> Finding:
    signal = CATALOGUE.get(rule.signal)
    fields: dict[str, object] = {
        "id": rule.id,
        "description": rule.description,
        "signal": rule.signal,
        "unit": signal.unit if signal else "",
        "severity": policy.severity_of(rule),
        "evidence": "reported",
        "expect": rule.expect.model_dump(mode="json"),
        "aggregate": _aggregate(rule, case),
        "compare": _compare(rule),
        **known,
    }
    return Finding.model_validate(fields)


def _aggregate(rule: Rule, case: Case | None) -> dict[str, object]:
    document: dict[str, object] = rule.aggregate.model_dump(mode="json")
    if isinstance(case, StepCase):
        document["from_step"], document["to_step"] = case.steps.start, case.steps.stop - 1
        if case.steps.percent_of:
            document["percent_of"] = f"{case.steps.percent_of} steps"
    return document


def _compare(
    rule: Rule, measured: Measured | None = None, column: int = 0
) -> dict[str, object] | None:
    """How the rule compares, and of how many trainings the baseline of a column is the median."""
    if rule.compare is None:
        return None
    document: dict[str, object] = rule.compare.model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    if measured is not None and measured.relation is not None:
        document["of"] = int(measured.relation.of[column])
    return document


def _worst_first(rule: Rule, measured: Measured, outcome: Outcome) -> Ints:
    """Columns from worst to best, those that the rule failed by before those that are waived.

    Among equals those that failed, then in layer order.
    """
    distance, failed = badness(rule.expect, measured.compared), outcome.failed
    is_spared = failed & ~outcome.blamed & outcome.is_bad
    order: Ints = np.lexsort((np.arange(len(failed)), ~failed, -distance, is_spared))
    return order


def _observed(measured: Measured, column: int) -> Observed:
    relation = measured.relation
    return Observed(
        variable=measured.columns[column].variable,
        value=float(measured.value[column]),
        samples=int(measured.samples[column]),
        baseline=None if relation is None else float(relation.reference[column]),
        compared=None if relation is None else float(measured.compared[column]),
    )


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
