"""What a change of policy is said to do, and that it does that and nothing milder."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gradgate.contracts import Contract, Policy
from gradgate.gate.diff_policies import diff_policies
from gradgate.gate.strictness import of_aggregate, of_field, of_scope

RULE = {
    "id": "asked",
    "signal": "variable.norm",
    "aggregate": {"fn": "max"},
    "expect": {"op": "<=", "value": 1.0},
}
BLOCKING = {
    "id": "other",
    "signal": "step.skipped",
    "aggregate": {"fn": "mean"},
    "expect": {"op": "<=", "value": 1},
    "min_samples": 1,
}


def policy(*rules, **fields):
    document = {
        "apiVersion": "gradgate/v1",
        "kind": "TrainingHealthPolicy",
        "metadata": {"id": "test", "revision": 1, "owner": "tests"},
        "rules": [*rules, BLOCKING],
        **fields,
    }
    return Policy.model_validate_json(json.dumps(document))


def changes(old, new):
    return [(c.subject, c.field, c.direction) for c in diff_policies(old, new)]


def of_rule(**fields):
    """The one change of the rule, from `RULE` to `RULE` with other fields."""
    (change,) = diff_policies(policy(RULE), policy({**RULE, **fields}))
    return change


def test_equal_policies_have_no_change():
    assert diff_policies(policy(RULE), policy(RULE)) == ()
    # What a rule takes from the defaults is the same as saying it.
    said = {**RULE, "severity": "block", "min_samples": 20, "on_missing": "block"}
    assert diff_policies(policy(RULE), policy(said)) == ()


def test_rules_that_came_and_went():
    old, new = policy(RULE), policy({**RULE, "id": "newer", "severity": "warn"})
    removed, added = diff_policies(old, new)
    assert (removed.subject, removed.direction) == ("asked", "removed")
    assert removed.old == "max of variable.norm at most 1, blocks"
    assert (added.subject, added.direction) == ("newer", "added")
    assert added.new == "max of variable.norm at most 1, warns"
    assert removed.may_be_milder
    assert not added.may_be_milder


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        (("<=", 1), ("<=", 0.5), "stricter"),
        (("<=", 1), ("<", 1), "stricter"),
        (("<", 1), ("<=", 1), "milder"),
        ((">=", 1), (">=", 2), "stricter"),
        ((">=", 1), (">", 0.5), "milder"),
        (("<=", 1), ("==", 1), "stricter"),
        (("==", 1), ("==", 2), "changed"),
        (("<=", 1), (">=", 1), "changed"),
        ((0, 2), (1, 2), "stricter"),
        ((0, 2), (-1, 3), "milder"),
        ((0, 2), (1, 3), "changed"),
        ((0, 2), ("<=", 2), "milder"),
        ((0, 2), ("<", 2), "changed"),
    ],
)
def test_an_expectation_that_fewer_numbers_meet_is_stricter(old, new, direction):
    def rule(expect):
        if isinstance(expect[0], str):
            return {**RULE, "expect": {"op": expect[0], "value": expect[1]}}
        return {**RULE, "expect": {"op": "between", "low": expect[0], "high": expect[1]}}

    (change,) = diff_policies(policy(rule(old)), policy(rule(new)))
    assert (change.field, change.direction) == ("expect", direction)


@pytest.mark.parametrize(
    ("fields", "field", "direction"),
    [
        ({"severity": "warn", "on_missing": "block"}, "severity", "milder"),
        ({"min_samples": 30}, "min_samples", "stricter"),
        ({"min_samples": 3}, "min_samples", "milder"),
        ({"when_improving": "warn"}, "when_improving", "milder"),
        ({"warn_for": ["Adam"]}, "warn_for", "milder"),
        ({"window": {"last": 10}}, "window", "changed"),
        ({"signal": "gradient.global_norm"}, "signal", "changed"),
        ({"aggregate": {"fn": "mean"}}, "aggregate", "changed"),
        ({"scope": {"include": ["**", "a"]}}, "scope", "stricter"),
        ({"scope": {"include": ["a"]}}, "scope", "changed"),
        ({"scope": {"exclude": ["a"]}}, "scope", "milder"),
        ({"scope": {"min_rank": 2}}, "scope", "milder"),
        ({"scope": {"include": ["**", "a"], "min_rank": 2}}, "scope", "changed"),
        ({"description": "why"}, "description", "neutral"),
    ],
)
def test_a_field_that_differs_has_a_direction(fields, field, direction):
    change = of_rule(**fields)
    assert (change.field, change.direction) == (field, direction)


def test_severity_takes_on_missing_along():
    old, new = policy({**RULE, "severity": "warn"}), policy(RULE)
    assert sorted(changes(old, new)) == [
        ("asked", "on_missing", "stricter"),
        ("asked", "severity", "stricter"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expect", "direction"),
    [
        ({"op": "<", "value": 1}, {"op": "<", "value": 2}, ("<", 0.5), "stricter"),
        ({"op": "<", "value": 1}, {"op": "<", "value": 2}, (">=", 0.5), "milder"),
        ({"op": "<", "value": 1}, {"op": ">", "value": 1}, ("<", 0.5), "changed"),
        ({"op": "<", "value": 1}, {"op": "<", "value": 1, "tail": 5}, ("<", 0.5), "changed"),
        ({"op": "<", "value": 1}, {"op": "<", "value": 2}, ("==", 0), "changed"),
    ],
)
def test_more_samples_that_count_as_a_fault_are_stricter(old, new, expect, direction):
    def rule(aggregate):
        return {
            **RULE,
            "aggregate": {"fn": "persistence", **aggregate},
            "expect": {"op": expect[0], "value": expect[1]},
        }

    (change,) = diff_policies(policy(rule(old)), policy(rule(new)))
    assert change.direction == direction


def test_a_value_that_must_be_held_for_fewer_steps_is_stricter():
    def rule(steps):
        return {**RULE, "aggregate": {"fn": "sustained_max", "steps": steps}}

    (change,) = diff_policies(policy(rule(5)), policy(rule(2)))
    assert change.direction == "stricter"


@pytest.mark.parametrize(
    ("fields", "field", "direction"),
    [
        ({"coverage": {"min_steps": 200}}, "coverage.min_steps", "stricter"),
        ({"coverage": {"max_gap_steps": 3}}, "coverage.max_gap_steps", "milder"),
        ({"coverage": {"min_step_fraction": 0.5}}, "coverage.min_step_fraction", "milder"),
        ({"require_evaluator": False}, "require_evaluator", "milder"),
        ({"require_trained_weights": False}, "require_trained_weights", "milder"),
    ],
)
def test_the_policy_as_a_whole_has_fields_too(fields, field, direction):
    assert changes(policy(RULE), policy(RULE, **fields)) == [("policy", field, direction)]


def test_a_default_shows_where_it_is_taken():
    found = changes(policy(RULE), policy(RULE, defaults={"min_samples": 5}))
    assert sorted(found) == [
        ("asked", "min_samples", "milder"),
        ("policy", "defaults.min_samples", "milder"),
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "direction"),
    [
        ("mode", "enforce", "shadow", "milder"),
        ("shadow_rules", [], ["loss"], "milder"),
        ("shadow_rules", ["a", "b"], ["a", "c"], "changed"),
        ("required_signals", None, ["loss"], "stricter"),
        ("max_waiver_days", 90, 30, "stricter"),
        ("what.comes.later", 1, 2, "changed"),
        ("require_evaluator", "no", True, "changed"),
    ],
)
def test_a_field_that_nobody_knows_is_said_to_have_changed(name, old, new, direction):
    assert of_field(name, old, new) == direction


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        ("all", "any", "milder"),
        ("all", {"at_most": 2}, "milder"),
        ("any", {"fraction": 0.1}, "stricter"),
        ({"at_most": 2}, {"at_most": 1}, "stricter"),
        ({"fraction": 0.1}, {"fraction": 0.2}, "milder"),
        ({"fraction": 0.1}, {"at_most": 1}, "changed"),
    ],
)
def test_the_more_variables_may_fail_the_milder(old, new, direction):
    scope = {"include": ["**"], "exclude": [], "min_rank": 0}
    assert of_scope({**scope, "quantifier": old}, {**scope, "quantifier": new}) == direction
    # Of more variables more may fail, so nobody can say what a wider scope does.
    wider = {**scope, "include": ["**", "a"], "quantifier": old}
    direction = "stricter" if old == "all" else "changed"
    assert of_scope({**scope, "quantifier": old}, wider) == direction


@pytest.mark.parametrize(
    ("old", "new", "expect", "direction"),
    [(0.5, 0.9, "<=", "stricter"), (0.5, 0.9, ">=", "milder"), (0.5, 0.1, ">", "stricter")],
)
def test_a_higher_quantile_is_a_greater_number(old, new, expect, direction):
    class Quantile(Contract):
        fn: str = "quantile"
        q: float

    def rule(q):
        (made, _) = policy({**RULE, "expect": {"op": expect, "value": 1}}).rules
        return made.model_copy(update={"aggregate": Quantile(q=q)})

    assert of_aggregate(rule(old), rule(new)) == direction


def test_what_may_be_milder_comes_first():
    old = policy(RULE, {**RULE, "id": "b"})
    new = policy({**RULE, "expect": {"op": "<=", "value": 0.1}})
    assert [c.direction for c in diff_policies(old, new)] == ["removed", "stricter"]


# --- A direction is a promise ------------------------------------------------------------------
EXPECTS = st.one_of(
    st.builds(
        lambda op, value: {"op": op, "value": value},
        st.sampled_from(["==", "<", "<=", ">", ">="]),
        st.sampled_from([0, 0.25, 0.5, 1]),
    ),
    st.sampled_from(
        [{"op": "between", "low": 0, "high": 0.5}, {"op": "between", "low": 0.25, "high": 1}]
    ),
)
PLAIN = st.sampled_from([{"fn": name} for name in ("mean", "max", "min", "last")])
SUSTAINED = st.builds(lambda steps: {"fn": "sustained_max", "steps": steps}, st.integers(1, 4))
PERSISTENCE = st.builds(
    lambda op, value, tail: {"fn": "persistence", "op": op, "value": value, "tail": tail},
    st.sampled_from(["<", "<=", ">", ">="]),
    st.sampled_from([0.25, 0.5, 1]),
    st.sampled_from([2, 9]),
)
SCOPES = [{"include": ["first/**"]}, {"min_rank": 2}, {"exclude": ["head/**"]}, {}]
FIELDS = {
    "expect": EXPECTS,
    "severity": st.sampled_from(["block", "warn"]),
    "on_missing": st.just("block"),
    "when_improving": st.sampled_from(["warn", None]),
    "warn_for": st.sampled_from([[], ["SGD"], ["Adam"], ["SGD", "Adam"]]),
    "min_samples": st.sampled_from([1, 5, 50]),
    "scope": st.sampled_from(SCOPES),
}
OTHERS = st.one_of(*(st.fixed_dictionaries({name: values}) for name, values in FIELDS.items()))


@st.composite
def rule_and_change(draw):
    """A rule, and fields that are to change: of the aggregate, of others, or of both."""
    family = draw(st.sampled_from([PLAIN, SUSTAINED, PERSISTENCE]))
    rule = draw(st.fixed_dictionaries({**FIELDS, "aggregate": family}))
    if draw(st.booleans()):
        rule |= {"severity": "block", "min_samples": 1, "when_improving": None}
        rule |= {"warn_for": [], "scope": {}}
    aggregate, others = {"aggregate": draw(family)}, draw(OTHERS)
    return rule, draw(st.sampled_from([aggregate, others, aggregate | others]))


VALUES = st.lists(st.sampled_from([0, 0.25, 0.5, 1, 1, np.nan]), min_size=9, max_size=9)
LEVELS = {"ok": 0, "warn": 1, "block": 2}


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(drawn=rule_and_change(), values=VALUES)
def test_what_is_called_stricter_is_never_milder_and_the_other_way_round(make, drawn, values):
    rule, change = drawn
    fixed = {"id": "asked", "signal": "variable.norm", **rule}
    old, new = policy(fixed), policy({**fixed, **change})
    directions = {change.direction for change in diff_policies(old, new)}
    assume(directions in ({"stricter"}, {"milder"}))
    training = make.Training(steps=9, every=3)
    training.norms[:] = np.array(values, np.float32)[:, np.newaxis]
    before, after = (
        next(f for f in make.verdict(training, policy=p).findings if f.id == "asked")
        for p in (old, new)
    )
    rise = LEVELS[after.level] - LEVELS[before.level]
    assert rise >= 0 if directions == {"stricter"} else rise <= 0
