"""Judges with a known fault: the properties must tell each of them from ours.

A property that no fault can break proves nothing; these are the faults that gates really have.
"""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import gradgate.gate.asking
import gradgate.gate.compare
from gradgate.contracts.policy import Between
from gradgate.gate.case import StepCase


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

    def settle(self, unreadable):
        try:
            kept(self, unreadable)
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


def dies_of(monkeypatch, mutate, check, make, examples=3000):
    with monkeypatch.context() as patched:
        mutate(patched)

        @settings(max_examples=examples, database=None, phases=[Phase.generate])
        @given(data=st.data())
        def run(data):
            check(make, data)

        try:
            run()
        except BaseException:  # noqa: BLE001 - an assertion, or a group of several
            return True
    return False


@pytest.mark.parametrize(
    ("mutate", "kills"),
    [
        (failure_form, "check_a_bad_number_never_improves"),
        (nan_is_dropped, "check_a_bad_number_never_improves"),
        (unknown_passes, "check_missing_evidence_never_improves"),
        (broken_rule_passes, "check_missing_evidence_never_improves"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_property_kills_it(monkeypatch, make, mutate, kills, properties):
    assert dies_of(monkeypatch, mutate, properties[kills], make)


def test_a_hand_made_case_kills_the_swapped_quantifier(monkeypatch, make, training):
    training.norms[:, 0] = 9
    asked = make.rule("variable.norm", "max", "<", 5)
    assert make.verdict(training, asked).decision == "block"
    any_instead_of_all(monkeypatch)
    assert make.verdict(training, asked).decision == "ok"
