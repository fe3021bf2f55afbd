"""What the lint said before the training, as evidence for what went wrong in it."""

import pytest

from gradgate.contracts import LintFinding, LintReport
from gradgate.diagnosis.causes import ALL
from gradgate.diagnosis.lint.rules import ALL as RULES


def said(net, rule, severity="warning", layer=None, *, is_ignored=False):
    finding = LintFinding(
        rule=rule, severity=severity, layer=layer, message="it is so", advice="change it"
    )
    kept = {"ignored" if is_ignored else "findings": (finding,)}
    net.card["lint"] = LintReport(**kept)
    return net


def small(make):
    """Three layers of ReLU drawn by Glorot, whose gradient is small: possible, and no more."""
    return make.Net(depth=3), make.symptom("variable.mean_abs", low=True)


@pytest.mark.parametrize(
    ("severity", "is_ignored", "confidence"),
    [("warning", False, "likely"), ("info", False, "possible"), ("warning", True, "possible")],
)
def test_a_warning_of_the_same_makes_a_cause_surer_and_is_named(
    make, severity, is_ignored, confidence
):
    net, symptom = small(make)
    assert net.cause("initialiser", symptom).confidence == "possible"
    said(net, "relu-with-glorot", severity, "net/hidden_0", is_ignored=is_ignored)
    cause = net.cause("initialiser", symptom)
    told = "gradgate lint said relu-with-glorot of hidden_0 before the training"
    assert cause.confidence == confidence
    assert (told in cause.numbers) == (confidence == "likely")
    assert ("the lint saw it" in cause.because) == (confidence == "likely")


def test_a_warning_of_another_layer_is_named_and_makes_nothing_surer(make):
    net, symptom = small(make)
    cause = said(net, "relu-with-glorot", layer="net/hidden_2").cause("initialiser", symptom)
    assert cause.layer != "hidden_2"
    assert cause.confidence == "possible"
    assert "gradgate lint said relu-with-glorot of hidden_2 before the training" in cause.numbers


def test_a_warning_of_something_else_says_nothing(make):
    net, symptom = small(make)
    said(net, "missing-activation")
    assert net.cause("initialiser", symptom).confidence == "possible"


@pytest.mark.parametrize(("severity", "confidence"), [("error", "likely"), ("warning", "possible")])
def test_what_the_lint_alone_knows_is_told_too(make, severity, confidence):
    net = said(make.Net(), "output-against-loss", severity, "net/output")
    cause = net.cause("loss-against-output", make.symptom("loss"))
    assert cause.confidence == confidence
    assert cause.layer == "output"
    assert cause.change == "Change it."
    assert cause.numbers[0].endswith("before the training: it is so")
    assert net.cause("loss-against-output", make.symptom("epoch.overfit")) is None


@pytest.mark.parametrize(("rate", "name"), [(3.0, "too-high"), (1e-9, "too-low")])
def test_the_bounds_of_a_rate_speak_for_one_side(make, rate, name):
    net = said(make.Net(), "learning-rate-bounds")
    net.card["optimizer_config"] = {"learning_rate": rate}
    cause = net.cause(f"learning-rate-{name}", make.symptom("loss"))
    assert any("learning-rate-bounds" in number for number in cause.numbers)


def test_every_rule_that_is_named_exists():
    named = {rule for known in ALL if known.foreseen for rule in known.foreseen.rules}
    assert named <= {rule.id for rule in RULES}
