"""What a policy may say of baselines, and what its errors say."""

import json

import pytest

from gradgate.contracts import Policy
from gradgate.gate import PolicyError, load_policy, policy_digest
from gradgate.gate.diff_policies import diff_policies

HEAD = """\
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: test, revision: 1, owner: tests}
"""
BASELINE = "baseline: {last: 5}\n"
RULES = """\
rules:
  - {id: skips, signal: step.skipped, aggregate: {fn: mean}, expect: {op: "<=", value: 0.05}}
  - id: drift
    signal: gradient.global_norm
    aggregate: {fn: quantile, q: 0.5}
    compare: {to: baseline, as: ratio}
    expect: {op: between, low: 0.2, high: 5}
"""
GOOD = HEAD + BASELINE + RULES
ANCHOR = "sha256:" + "a" * 64


def problems(text):
    with pytest.raises(PolicyError) as caught:
        load_policy(text)
    return str(caught.value).splitlines()


def test_reads_what_people_write():
    text = GOOD.replace("{last: 5}", f'{{last: 3, anchor: "{ANCHOR}", on_absent: block}}')
    text += "    severity: warn\n" + RULES.split("\n", 2)[2].replace("drift", "anchored").replace(
        "to: baseline, as: ratio", "to: anchor, as: difference"
    )
    policy = load_policy(text)
    assert (policy.baseline.last, policy.baseline.on_absent) == (3, "block")
    assert (policy.rules[1].compare.how, policy.rules[1].compare.least) == ("ratio", 1e-12)
    assert (policy.rules[2].compare.to, policy.rules[2].compare.least) == ("anchor", 0)
    assert Policy.model_validate_json(json.dumps(policy.document())) == policy


def test_the_digest_of_a_policy_that_says_nothing_of_baselines_stays():
    plain = HEAD + RULES[: RULES.index("  - id: drift")]
    policy = load_policy(plain)
    document = policy.document()
    assert "baseline" not in document
    assert all("compare" not in rule for rule in document["rules"])
    assert policy_digest(policy) == policy_digest(load_policy(HEAD + BASELINE + plain[len(HEAD) :]))
    assert policy_digest(load_policy(GOOD)) != policy_digest(policy)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "{last: 5}",
            "{lasts: 5}",
            (
                "policy.yaml:4:12: baseline.lasts: there is no such field; did you mean last? the"
                " fields here are last, since, anchor, on_absent, comparable_if"
            ),
        ),
        (
            "{last: 5}",
            "{last: 0}",
            "policy.yaml:4:12: baseline.last: got 0; input should be greater than or equal to 1",
        ),
        (
            "{last: 5}",
            "{on_absent: pass}",
            (
                "policy.yaml:4:12: baseline.on_absent: got 'pass'; use 'warn', 'block' or"
                " 'absolute_only'"
            ),
        ),
        (
            "{last: 5}",
            "{anchor: last-week}",
            (
                "policy.yaml:4:12: baseline.anchor: got 'last-week'; must match"
                " ^sha256:[0-9a-f]{64}$"
            ),
        ),
        (
            "{last: 5}",
            f'{{anchor: "{ANCHOR}"}}',
            (
                "policy.yaml:4:12: baseline.anchor: no rule compares with it; write"
                " compare: {to: anchor} in one, or remove the anchor"
            ),
        ),
        (
            "to: baseline",
            "to: anchor",
            (
                "policy.yaml:10:15: rules[1].compare.to: there is no anchor; pin the id of a"
                " verdict in baseline.anchor"
            ),
        ),
        (
            "as: ratio",
            "how: ratio",
            (
                "policy.yaml:10:29: rules[1].compare.how: there is no such field; the fields here"
                " are to, as, floor"
            ),
        ),
        (
            "as: ratio",
            "as: quotient",
            ("policy.yaml:10:29: rules[1].compare.as: got 'quotient'; use 'ratio' or 'difference'"),
        ),
        (
            "as: ratio",
            "floor: 0",
            ("policy.yaml:10:29: rules[1].compare.floor: got 0; input should be greater than 0"),
        ),
        (
            "as: ratio",
            "as: difference, floor: 1",
            ("policy.yaml:10:5: rules[1].compare: a difference needs no floor; remove it"),
        ),
        (
            "gradient.global_norm\n    aggregate: {fn: quantile, q: 0.5}",
            "loss.nonfinite\n    aggregate: {fn: sum}",
            (
                "policy.yaml:10:5: rules[1].compare: loss.nonfinite is 0 in a healthy training, so"
                " there is no ratio to it; compare as difference"
            ),
        ),
        (
            "value: 0.05}}",
            "value: 0.05}, severity: warn}",
            (
                "policy.yaml:1:1: rules: all that have severity block compare with a baseline, and"
                " a first training has none; add one without compare."
            ),
        ),
    ],
)
def test_what_baselines_must_not_say(old, new, message):
    assert old in GOOD
    assert problems(GOOD.replace(old, new)) == [message]


def changed(old, new):
    return [
        (change.field, change.direction)
        for change in diff_policies(load_policy(old), load_policy(new))
    ]


@pytest.mark.parametrize(
    ("old", "new", "field", "direction"),
    [
        ("{last: 5}", "{on_absent: block}", "baseline.on_absent", "stricter"),
        ("{last: 5}", "{on_absent: absolute_only}", "baseline.on_absent", "milder"),
        ("{last: 5}", "{last: 6}", "baseline.last", "changed"),
        ("{last: 5}", "{since: 2026-11-01T00:00:00Z}", "baseline.since", "changed"),
        (
            "{last: 5}",
            "{comparable_if: {same_optimizer: false}}",
            "baseline.comparable_if",
            "changed",
        ),
        ("as: ratio", "as: ratio, floor: 1", "compare", "stricter"),
        ("as: ratio", "as: ratio, floor: 1.0e-20", "compare", "milder"),
        ("as: ratio", "as: difference", "compare", "changed"),
        ("high: 5", "high: 4", "expect", "stricter"),
        ("q: 0.5", "q: 0.6", "aggregate", "changed"),
    ],
)
def test_a_change_says_which_way_it_points(old, new, field, direction):
    assert changed(GOOD, GOOD.replace(old, new)) == [(field, direction)]


def test_a_limit_of_something_else_is_neither_stricter_nor_milder():
    other = GOOD.replace("as: ratio", "as: difference").replace("high: 5", "high: 4")
    assert changed(GOOD, other) == [("compare", "changed"), ("expect", "changed")]
