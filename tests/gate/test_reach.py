"""A rule that decides the same of every training is refused, with the number that was meant."""

import json

import pytest

from gradgate.gate import PolicyError, load_policy
from gradgate.gate.signals import ALL

LIMIT = "give a limit that a training can keep, and can break"


def lint(*rules):
    document = {
        "apiVersion": "gradgate/v1",
        "kind": "TrainingHealthPolicy",
        "metadata": {"id": "test", "revision": 1, "owner": "tests"},
        "rules": [{"id": f"rule-{i}", **rule} for i, rule in enumerate(rules)],
    }
    try:
        load_policy(json.dumps(document))
    except PolicyError as error:
        return [f"{problem.field}: {problem.text}" for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("signal", "fn", "expect", "message"),
    [
        (
            "clip.saturation", {"fn": "mean"}, {"op": "<=", "value": 50},
            ("rules[0].expect.value: mean of clip.saturation is from 0 to 1, so it always is at"
            " most 50; for 50% write 0.5"),
        ),
        (
            "activation.dead_fraction", {"fn": "rolling_max", "over": 3}, {"op": "<", "value": 1.5},
            ("rules[0].expect.value: greatest mean of 3 samples in a row of"
            " activation.dead_fraction is from 0 to 1, so it always is below 1.5; for 1.5% write"
            " 0.015"),
        ),
        (
            "variable.norm", {"fn": "quantile", "q": 0.9}, {"op": ">=", "value": -1},
            ("rules[0].expect.value: 0.9 quantile of variable.norm is at least 0, so it always is"
            f" at least -1; {LIMIT}"),
        ),
        (
            "loss.nonfinite", {"fn": "sum"}, {"op": "<", "value": 0},
            ("rules[0].expect.value: sum of loss.nonfinite is at least 0, so it never is below 0;"
            f" {LIMIT}"),
        ),
        (
            "step.skipped", {"fn": "rate", "per": 100}, {"op": ">", "value": 100},
            ("rules[0].expect.value: rate in 100 of step.skipped is from 0 to 100, so it"
            f" never is above 100; {LIMIT}"),
        ),
        (
            "gradient.cosine", {"fn": "min"}, {"op": "==", "value": 2},
            ("rules[0].expect.value: least value of gradient.cosine is from -1 to 1, so it never"
            f" is exactly 2; {LIMIT}"),
        ),
        (
            "clip.scale", {"fn": "mean"}, {"op": "between", "low": 0, "high": 100},
            ("rules[0].expect.high: mean of clip.scale is from 0 to 1, so it always is from 0 to"
            " 100; for 100% write 1"),
        ),
        (
            "variable.zero_fraction", {"fn": "persistence", "op": ">=", "value": 70},
            {"op": "<", "value": 0.5},
            ("rules[0].aggregate.value: variable.zero_fraction is from 0 to 1, so its samples never"
            " are that; for 70% write 0.7"),
        ),
        (
            "variable.mean_abs", {"fn": "persistence", "op": "<", "value": 1e-7},
            {"op": "<", "value": 50},
            "so it always is below 50; for 50% write 0.5",
        ),
    ],
)  # fmt: skip
def test_a_limit_out_of_reach_is_named_with_what_was_meant(signal, fn, expect, message):
    found = lint({"signal": signal, "aggregate": fn, "expect": expect, "min_samples": 3})
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(
    ("signal", "fn", "expect"),
    [
        ("clip.saturation", {"fn": "mean"}, {"op": "<=", "value": 1}),  # measured, whatever it is
        ("clip.saturation", {"fn": "sum"}, {"op": "<=", "value": 50}),
        ("step.skipped", {"fn": "rate"}, {"op": "<=", "value": 50}),
        ("clip.scale", {"fn": "mean"}, {"op": "between", "low": 0, "high": 1}),
        ("clip.scale", {"fn": "variation"}, {"op": "<=", "value": 50}),
        ("variable.zero_fraction", {"fn": "slope"}, {"op": "<=", "value": 50}),
        ("loss", {"fn": "min"}, {"op": ">=", "value": -50}),
        ("loss", {"fn": "improvement"}, {"op": ">=", "value": -0.25}),
        ("weights.nonfinite", {"fn": "sum"}, {"op": "==", "value": 0}),
    ],
)
def test_a_limit_within_reach_stays(signal, fn, expect):
    rule = {"signal": signal, "aggregate": fn, "expect": expect}
    assert lint(rule) == []


def test_what_is_compared_with_a_baseline_has_no_bounds():
    blocking = {"signal": "loss", "aggregate": {"fn": "last"}, "expect": {"op": "<", "value": 1}}
    compared = {
        "signal": "clip.scale",
        "aggregate": {"fn": "mean"},
        "compare": {"to": "baseline", "as": "ratio"},
        "expect": {"op": "<=", "value": 5},
    }
    assert lint(blocking, compared) == []


@pytest.mark.parametrize("signal", ALL, ids=lambda signal: signal.name)
def test_every_fraction_says_that_it_is_one(signal):
    words = ("fraction", "share", "1 where", "skipped")
    if any(word in signal.name or signal.what.startswith(word) for word in words):
        is_indicator = getattr(signal, "kind", "") == "indicator"
        assert is_indicator or signal.bounds == (0, 1)
