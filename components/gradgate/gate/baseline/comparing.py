"""Finds, for a rule that compares, the number that each of its columns is compared with.

It is the median of what the last healthy trainings measured, or what the pinned one did. Whatever
is wrong with it leaves the rule unknown: a baseline that is not finite, or too near to 0 for a
ratio, proves nothing.
"""

import dataclasses

import numpy as np

from gradgate.contracts import Manifest, Policy, Rule, Verdict
from gradgate.contracts.baseline import Baseline, Relative
from gradgate.contracts.references import Measurement
from gradgate.contracts.verdict import BaselineRef
from gradgate.gate.baseline.baselines import Baselines, problems_of
from gradgate.gate.baseline.likeness import why_unlike
from gradgate.gate.baseline.measuring import asks_the_same
from gradgate.gate.baseline.relation import Relation
from gradgate.gate.case import Measured
from gradgate.gate.evidence import Bools, Evidence
from gradgate.gate.integrity.clock import is_set_back
from gradgate.gate.signals import Unmeasured
from gradgate.gate.wording import counted, number

_NOBODY = "there is no earlier healthy training of this pipeline to compare with"
_ANEW = "to begin anew set baseline.since in the policy, by a commit that somebody reviews"
_Found = list[tuple[Verdict, Measurement]]
_Values = list[tuple[Verdict, float]]


class NoBaseline(Exception):  # noqa: N818 - an answer, not an error: the policy says what follows
    """There is nothing to compare with; the message says why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparing:
    """The baselines of one judgement, fit to be compared with.

    Attributes:
        last: The newest first.
        trouble: Why none of them counts; empty for no trouble.
    """

    policy: Baseline
    last: tuple[Verdict, ...] = ()
    anchor: Verdict | None = None
    trouble: str = ""

    @classmethod
    def at(
        cls, as_of: str, policy: Policy, baselines: Baselines, manifest: Manifest
    ) -> "Comparing":
        """Takes the baselines of a judgement.

        Args:
            as_of: RFC 3339 time of the judgement. Where the training ended after it, the clock was
                set back, and that must not make baselines disappear.
            policy: Says how many, and which.
            baselines: What was given.
            manifest: Of the training that is judged.
        """
        trouble = ""
        if policy.compares and any(problems_of(policy, baselines, manifest)):
            trouble = "the baselines are not in order, see B-INVALID"
        elif not baselines.last and is_set_back(policy.staleness, manifest, as_of):
            trouble = "the clock is not right, so nobody knows which trainings came before"
        return cls(
            policy=policy.baseline,
            last=baselines.last[: policy.baseline.last],
            anchor=baselines.anchor,
            trouble=trouble,
        )

    def seen(self) -> tuple[BaselineRef, ...]:
        """What the verdict says of them."""
        pinned = [("anchor", self.anchor)] if self.anchor else []
        each = [*(("last", verdict) for verdict in self.last), *pinned]
        return tuple(
            BaselineRef.model_validate(
                {
                    "role": role,
                    "verdict_id": verdict.verdict_id,
                    "model_digest": verdict.subject.model_digest,
                    "training_uid": verdict.subject.training_uid,
                    "as_of": verdict.as_of,
                }
            )
            for role, verdict in each
        )

    def of(self, name: str, evidence: Evidence) -> "OfOne":
        """The same, for the rules of one optimizer; no name where it is alone."""
        return OfOne(self, name, evidence)


class OfOne:
    """The baselines of one optimizer."""

    def __init__(self, comparing: Comparing, name: str, evidence: Evidence) -> None:
        self._all, self._name, self._evidence = comparing, name or None, evidence
        each = () if comparing.trouble else (*comparing.last, comparing.anchor)
        self._unlike = {v.verdict_id: self._why_unlike(v) for v in each if v}

    def relate(self, rule: Rule, measured: Measured) -> tuple[Relation, Bools]:
        """Returns what a rule is compared with, and which of its columns can be.

        Returns:
            The relation, of the columns that can be; and which these are, bool [k].

        Raises:
            NoBaseline: If there is nothing to compare any column with.
            Unmeasured: If there is something, and it cannot be compared with.
        """
        how = _relative(rule)
        found = self._found(how, rule)
        by_variable = _by_variable(found)
        known = [by_variable.get(column.variable, []) for column in measured.columns]
        keep = np.array([bool(values) for values in known], dtype=bool)
        if not keep.any():
            raise NoBaseline("no baseline knows any of the variables in scope")
        medians = []
        for column, values in zip(measured.columns, known, strict=True):
            if values:
                medians.append(_median(values, how, column.variable))
        counts = np.array([len(values) for values in known if values], dtype=np.int64)
        return Relation(to=how.to, how=how.how, reference=np.array(medians), of=counts), keep

    def _found(self, how: Relative, rule: Rule) -> _Found:
        """The measurements to compare with, each with its verdict."""
        comparing = self._all
        if comparing.trouble:
            raise Unmeasured(comparing.trouble)
        pinned = how.to == "anchor"
        verdicts = [v for v in (comparing.anchor,) if v] if pinned else list(comparing.last)
        if not verdicts:
            raise NoBaseline(_NOBODY)
        alike = [verdict for verdict in verdicts if not self._unlike[verdict.verdict_id]]
        if not alike:
            newest = self._unlike[verdicts[0].verdict_id]
            noun = "the anchor" if pinned else f"any of {counted(len(verdicts), 'baseline')}"
            remedy = "pin another anchor" if pinned else _ANEW
            raise Unmeasured(f"not comparable (B-INCOMPARABLE) with {noun}: {newest}; {remedy}")
        found = [
            (verdict, measurement)
            for verdict in alike
            for reference in verdict.references
            if reference.optimizer == self._name
            for measurement in reference.measurements
            if asks_the_same(rule, measurement)
        ]
        if not found and pinned:
            raise Unmeasured("the anchor did not measure this; pin one that did")
        if not found:
            raise NoBaseline(
                f"no baseline (of {len(alike)}) measured this: the rule is new, or asks something"
                " else now"
            )
        return found

    def _why_unlike(self, verdict: Verdict) -> str:
        named = (one for one in verdict.references if one.optimizer == self._name)
        return why_unlike(
            next(named, None),
            schema=verdict.inputs.record_schema,
            card=self._evidence.card,
            manifest=self._evidence.manifest,
            needed=self._all.policy.comparable_if,
        )


def _relative(rule: Rule) -> Relative:
    assert rule.compare is not None, rule.id
    return rule.compare


def _by_variable(found: _Found) -> dict[str | None, _Values]:
    values: dict[str | None, _Values] = {}
    for verdict, measurement in found:
        for seen in measurement.values:
            values.setdefault(seen.variable, []).append((verdict, seen.value))
    return values


def _median(values: _Values, how: Relative, variable: str | None) -> float:
    where = f" of {variable}" if variable else ""
    for verdict, value in values:
        if not np.isfinite(value):
            raise Unmeasured(
                f"the {how.to}{where} is {number(value)} in verdict {verdict.verdict_id}, and no"
                f" number compares with that; {_ANEW}"
            )
    with np.errstate(over="ignore"):
        median = float(np.median([value for _, value in values]))
    if not np.isfinite(median):
        raise Unmeasured(f"the {how.to}{where} is too large for a number")
    if abs(median) < how.least:
        raise Unmeasured(
            f"the {how.to}{where} is {number(median)}, nearer to 0 than the floor"
            f" {how.least:g}, so there is no ratio to it; compare as difference, or leave it out of"
            " the scope"
        )
    return median
