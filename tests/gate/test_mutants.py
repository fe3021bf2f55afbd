"""Judges with a known fault: the properties must tell each of them from ours.

A property that no fault can break proves nothing; these are the faults that gates really have.
"""

import dataclasses
import importlib

import numpy as np
import pytest

import gradgate.gate.asking
import gradgate.gate.compare
from gradgate.contracts.policy import Between
from gradgate.gate.case import StepCase
from gradgate.gate.waiving import Waiving

JUDGE = importlib.import_module("gradgate.gate.judge")  # the room has a function of that name


def failure_form(monkeypatch):
    """`failed = value > limit`, so NaN passes: MLflow, Flagger, Argo with a failure condition."""
    opposite = {"==": np.not_equal, "<": np.greater_equal, "<=": np.greater,
                ">": np.less_equal, ">=": np.less}  # fmt: skip

    def holds(expect, values):
        if isinstance(expect, Between):
            return ~((values < expect.low) | (values > expect.high))
        return ~opposite[expect.op](values, expect.value)

    monkeypatch.setattr(gradgate.gate.asking, "holds", holds)


def unknown_passes(monkeypatch):
    """No data is fine: Kayenta's empty group, Deepchecks' check that did not run."""
    kept = gradgate.gate.asking.unjudged

    def unjudged(rule, policy, status, reason, *, case=None):
        answer = kept(rule, policy, status, reason, case=case)
        mild = answer.finding.model_copy(update={"level": "ok"})
        return gradgate.gate.asking.Answered(finding=mild, phrase=answer.phrase)

    monkeypatch.setattr(gradgate.gate.asking, "unjudged", unjudged)


def nan_is_dropped(monkeypatch):
    """NaN is removed before the aggregate: Kayenta's `nanStrategy: remove`."""
    kept = StepCase.inside

    def inside(self, samples):
        found = kept(self, samples)
        finite = np.isfinite(found.value).all(axis=1)
        return type(found)(step=found.step[finite], value=found.value[finite])

    monkeypatch.setattr(StepCase, "inside", inside)


def broken_rule_passes(monkeypatch):
    """An exception is swallowed: Argo's measurements that all errored, run successful."""
    monkeypatch.setattr(gradgate.gate.asking.Asking, "failed", None, raising=False)
    kept = gradgate.gate.asking.Asking.settle

    def settle(self, *given):
        try:
            kept(self, *given)
        finally:
            self._unknown = self._unknown and ""
            if self._measured is None:
                self.rule = self.rule.model_copy(update={"severity": "warn", "on_missing": None})

    monkeypatch.setattr(gradgate.gate.asking.Asking, "settle", settle)


def any_instead_of_all(monkeypatch):
    """One good variable is enough."""
    kept = gradgate.gate.compare.holds

    def holds(expect, values):
        return np.full(len(values), kept(expect, values).any())

    monkeypatch.setattr(gradgate.gate.asking, "holds", holds)


def shadow_decides(monkeypatch):
    """A rule on trial is heard with the others."""
    kept = JUDGE.decide

    def decide(*, policy, **known):
        return kept(policy=policy.model_copy(update={"shadow_rules": ()}), **known)

    monkeypatch.setattr(JUDGE, "decide", decide)


def shadow_forgives_damage(monkeypatch):
    """In shadow everything is fine, also a record that is not whole."""
    kept = JUDGE.decide

    def decide(*, policy, integrity, **known):
        seen = () if policy.mode == "shadow" else integrity
        return kept(policy=policy, integrity=seen, **known)

    monkeypatch.setattr(JUDGE, "decide", decide)


def quantifiers_are_swapped(monkeypatch):
    """`any` where `all` is meant, and the other way round."""
    kept = gradgate.gate.asking.may_fail
    swapped = {"all": "any", "any": "all"}

    def may_fail(quantifier, columns):
        other = swapped.get(quantifier, quantifier) if isinstance(quantifier, str) else quantifier
        return kept(other, columns)

    monkeypatch.setattr(gradgate.gate.asking, "may_fail", may_fail)


def waiver_by_prefix(monkeypatch):
    """A waiver of `rule-1` lets `rule-10` go by too, and one of `rule-` every rule."""

    def of(self, rule):
        found = tuple(w for w in self.in_force if rule.startswith(w.rule[:5]))
        return dataclasses.replace(self, in_force=found)

    monkeypatch.setattr(Waiving, "of", of)


def waiver_lives_on(monkeypatch):
    """An end that nobody looks at."""
    kept = Waiving.at.__func__

    def at(cls, as_of, waivers, policy, manifest):
        return kept(cls, "2026-11-23T05:40:00Z", waivers, policy, manifest)

    monkeypatch.setattr(Waiving, "at", classmethod(at))


def waiver_of_everything(monkeypatch):
    """A rule that broke is waived like one that failed."""
    kept = gradgate.gate.asking.Asking._answer

    def _answer(self, offence, *, is_improving):
        if self._error and self._waiving.in_force:
            self._error, self._unknown = "", self._error
        return kept(self, offence, is_improving=is_improving)

    monkeypatch.setattr(gradgate.gate.asking.Asking, "_answer", _answer)


@pytest.mark.parametrize(
    ("mutate", "kills"),
    [
        (failure_form, "check_a_bad_number_never_improves"),
        (nan_is_dropped, "check_a_bad_number_never_improves"),
        (unknown_passes, "check_missing_evidence_never_improves"),
        (broken_rule_passes, "check_missing_evidence_never_improves"),
        (quantifiers_are_swapped, "check_a_stricter_quantifier_never_improves"),
        (waiver_by_prefix, "check_a_waiver_changes_its_rule_alone"),
        (waiver_of_everything, "check_a_waiver_changes_its_rule_alone"),
        (waiver_lives_on, "check_an_ended_waiver_is_none"),
        (shadow_decides, "check_a_rule_in_shadow_decides_nothing"),
        (shadow_forgives_damage, "check_shadow_changes_what_is_done_and_not_what_is_found"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_property_kills_it(dies_of, make, mutate, kills, properties):
    assert dies_of(mutate, properties[kills], make)


def test_a_hand_made_case_kills_the_swapped_quantifier(monkeypatch, make, training):
    training.norms[:, 0] = 9
    asked = make.rule("variable.norm", "max", "<", 5)
    assert make.verdict(training, asked).decision == "block"
    any_instead_of_all(monkeypatch)
    assert make.verdict(training, asked).decision == "ok"
