"""How many of several variables must satisfy a rule, and what decides where some may fail."""

import math

import pytest

from gradgate.contracts.policy import AtMost, Fraction
from gradgate.gate import PolicyError, load_policy
from gradgate.gate.outcome import may_fail


@pytest.mark.parametrize(
    ("quantifier", "columns", "expected"),
    [
        ("all", 10, 0),
        ("any", 10, 9),
        (AtMost(at_most=0), 10, 0),
        (AtMost(at_most=2), 10, 2),
        (AtMost(at_most=10), 10, 9),  # one at least must hold
        (AtMost(at_most=2), 1, 0),
        (Fraction(fraction=0.05), 19, 0),
        (Fraction(fraction=0.05), 20, 1),
        (Fraction(fraction=0.29), 100, 29),  # 0.29 * 100 is 28.999999999999996
        (Fraction(fraction=0.07), 100, 7),  # 0.07 * 100 is 7.000000000000001
        (Fraction(fraction=0.999), 10, 9),
        (Fraction(fraction=0.0), 10, 0),
    ],
)
def test_how_many_may_fail(quantifier, columns, expected):
    assert may_fail(quantifier, columns) == expected


@pytest.fixture
def large(training):
    """Norms of 9 in the first kernel from step 50 on, and of 7 in its bias from step 80 on."""
    training.norms[50:, 0] = 9
    training.norms[80:, 1] = 7
    return training


def ask(make, training, quantifier, **fields):
    scope = {"quantifier": quantifier}
    return make.finding(training, "variable.norm", "max", "<", 5, scope=scope, **fields)


@pytest.mark.parametrize(
    ("quantifier", "status", "decided_by", "offence"),
    [
        ("all", "fail", "first/kernel", (50, "first/kernel")),
        ({"at_most": 1}, "fail", "first/bias", (80, "first/bias")),
        ({"fraction": 0.34}, "fail", "first/bias", (80, "first/bias")),
        ({"at_most": 2}, "pass", "head/kernel", None),
        ("any", "pass", "head/kernel", None),
    ],
)
def test_the_variable_that_decides_is_the_worst_after_those_that_may_fail(
    make, large, quantifier, status, decided_by, offence
):
    finding = ask(make, large, quantifier)
    assert (finding.status, finding.observed.variable) == (status, decided_by)
    found = finding.first_offence
    assert (found and (found.step, found.variable)) == offence
    assert finding.variables_failed == 2


def test_the_message_says_how_many_failed_and_how_many_may(make, large, training):
    assert ask(make, large, {"at_most": 1}).message == (
        "greatest value of variable.norm is 7 in first/bias (2 of 3 variables failed, and 1 may)"
        " over 300 samples; expected below 5"
    )
    sound = ask(make, make.Training(), {"at_most": 1})
    assert "(worst of 3, after the 1 that may fail)" in sound.message
    assert sound.variables_that_may_fail == 1


@pytest.mark.parametrize("quantifier", ["any", {"at_most": 2}, {"fraction": 0.9}])
def test_a_variable_that_is_not_finite_is_never_one_that_may_fail(make, training, quantifier):
    training.norms[100, 1] = math.nan
    finding = ask(make, training, quantifier)
    assert finding.status == "fail"
    assert (finding.first_offence.step, finding.first_offence.variable) == (100, "first/bias")
    assert math.isnan(finding.observed.value)


def test_a_waived_variable_does_not_count_among_those_that_fail(make, large):
    rule = make.rule(
        "variable.norm", "max", "<", 5, id="large", scope={"quantifier": {"at_most": 1}}
    )
    given = make.waivers({"rule": "large", "scope": {"layers": ["first/bias"]}})
    (finding,) = make.verdict(large, rule, waivers=given).findings
    assert (finding.status, finding.waived_by) == ("waived", ("w-0",))


def test_layers_with_samples_of_their_own(make, training):
    training.dead_fraction[:] = 0.9
    scope = {"quantifier": "any"}
    finding = make.finding(
        training, "activation.dead_fraction", "mean", "<", 0.5, scope=scope, min_samples=1
    )
    assert finding.status == "fail"
    training.dead_fraction[:, 1] = 0.1
    finding = make.finding(
        training, "activation.dead_fraction", "mean", "<", 0.5, scope=scope, min_samples=1
    )
    assert (finding.status, finding.observed.variable) == ("pass", "middle")


def test_facts_have_one_too(make, training):
    training.without_gradient(1)
    fields = {"scope": {"quantifier": {"at_most": 1}}}
    assert make.finding(training, "variable.unused", **fields).status == "pass"
    assert make.finding(training, "variable.unused").status == "fail"


TEXT = """\
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: test, revision: 1, owner: tests}
rules:
  - {id: r, signal: variable.norm, aggregate: {fn: max}, expect: {op: "<", value: 1}, scope: {
     quantifier: QUANTIFIER}}
"""


@pytest.mark.parametrize("written", ["all", "any", "{at_most: 2}", "{fraction: 0.05}"])
def test_reads_what_people_write(written):
    load_policy(TEXT.replace("QUANTIFIER", written))


@pytest.mark.parametrize(
    ("written", "got"),
    [
        ("some", "'some'"),
        ("{at_most: -1}", "{'at_most': -1}"),
        ("{fraction: 1}", "{'fraction': 1}"),
        ("{at_most: 1, fraction: 0.5}", "{'at_most': 1, 'fraction': 0.5}"),
        ("3", "3"),
    ],
)
def test_what_is_no_quantifier(written, got):
    with pytest.raises(PolicyError) as caught:
        load_policy(TEXT.replace("QUANTIFIER", written))
    assert str(caught.value) == (
        f"policy.yaml:6:6: rules[0].scope.quantifier: got {got}; use all, any, {{at_most: 2}} or"
        " {fraction: 0.05}"
    )


def test_all_is_the_default_and_leaves_no_trace_in_the_digest():
    policy = load_policy(TEXT.replace("QUANTIFIER", "all"))
    assert "quantifier" not in policy.document()["rules"][0]["scope"]
    assert policy.rules[0].scope.quantifier == "all"
