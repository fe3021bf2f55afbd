"""What must hold of every judgement: less evidence, or worse, never makes the decision milder.

Source of the list: the project's fact sheet on gates, 6.3. Each property is a function, so that
`test_mutants.py` can show that it kills a judge with a known fault.
"""

import json
import math

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.contracts import Policy, Verdict
from gradgate.gate.schemas import verdict_schema

LEVELS = {"ok": 0, "warn": 1, "block": 2}
SIGNALS = [
    ("loss", "last", "<"),
    ("loss", "improvement", ">="),
    ("loss", "slope", "<="),
    ("gradient.global_norm", "variation", "<="),
    ("loss", "count", ">="),
    ("loss.nonfinite", "rate", "<="),
    ("variable.norm", "quantile", "<="),
    ("variable.norm", "rolling_max", "<="),
    ("clip.scale", "rolling_min", ">="),
    ("loss", "tail_median", "<="),
    ("loss.vs_constant", "tail_median", "<="),
    ("loss.nonfinite", "sum", "<="),
    ("gradient.nonfinite_applied", "sum", "<="),
    ("gradient.global_norm", "max", "<"),
    ("variable.norm", "sustained_max", "<"),
    ("variable.norm", "min", ">"),
    ("variable.norm", "mean", "<="),
    ("variable.mean_abs", "persistence", "<"),
    ("variable.update_ratio", "max", "<"),
    ("variable.update_ratio", "mean", ">="),
    ("variable.weight_norm", "last", "<="),
    ("gradient.first_last_ratio", "min", ">="),
    ("gradient.direction_flip", "mean", "<="),
    ("step.skipped", "mean", "<="),
    ("clip.saturation", "mean", "<="),
    ("clip.scale", "mean", ">="),
    ("weights.nonfinite", "sum", "<="),
    ("variable.unused", "max", "<="),
]
NUMBERS = {
    "sustained_max": {"steps": 2},
    "quantile": {"q": 0.7},
    "rate": {"per": 2},
    "rolling_max": {"over": 3},
    "rolling_min": {"over": 3},
    "persistence": {"op": "<", "value": 0.3, "tail": 3},
}
# From the strictest to the mildest, for the three variables of the training.
QUANTIFIERS = ["all", {"fraction": 0.34}, {"at_most": 1}, {"at_most": 2}, "any"]
limits = st.sampled_from([-1.0, 0.0, 0.05, 0.3, 0.5, 1.0, 2.0])
plain = st.floats(0, 2, width=32)


@st.composite
def rules(draw):
    signal, fn, op = draw(st.sampled_from(SIGNALS))
    rule = {
        "signal": signal,
        "aggregate": {"fn": fn, **NUMBERS.get(fn, {})},
        "expect": {"op": op, "value": draw(limits)},
        "severity": draw(st.sampled_from(["block", "warn"])),
        "min_samples": 1,
    }
    if signal.startswith("variable.") and draw(st.booleans()):
        rule["scope"] = {
            "include": [draw(st.sampled_from(["**", "first/*", "*/bias"]))],
            "quantifier": draw(st.sampled_from(QUANTIFIERS)),
        }
    if signal not in {"weights.nonfinite", "variable.unused"}:
        rule["min_samples"] = draw(st.sampled_from([1, 5, 12]))
        rule["window"] = {"skip_first": draw(st.integers(1, 3))}
    return rule


@st.composite
def trainings(draw, make):
    steps = draw(st.integers(4, 16))
    training = make.Training(steps=steps, every=draw(st.sampled_from([1, 3])))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    training.loss[:] = rng.choice([0.1, 0.5, 0.69, 1.0], steps)
    training.norms[:] = rng.choice([0.0, 0.2, 0.5, 1.5], training.norms.shape)
    training.global_norm[:] = rng.choice([0.2, 0.5, 1.5], steps)
    training.clipped[:] = rng.random(steps) < 0.5
    training.clip_scale[:] = np.where(training.clipped, 0.4, 1.0)
    training.applied[:] = rng.random(steps) < 0.9
    training.mean_abs[:] = rng.choice([0.1, 0.5], training.mean_abs.shape)
    training.weight_norm[:] = rng.choice([0.0, 0.3, 1.5], training.mean_abs.shape)
    training.update_ratio[:] = rng.choice([0.05, 0.3, 1.5], training.mean_abs.shape)
    training.update_ratio[training.weight_norm == 0] = math.nan
    training.global_cosine[:] = rng.choice([-0.5, 0.5, math.nan], len(training.sampled))
    if draw(st.booleans()):
        training.without_gradient(draw(st.integers(0, 2)))
    return training


@st.composite
def cases(draw, make, least=1):
    blocking = {**draw(rules()), "severity": "block"}
    others = draw(st.lists(rules(), min_size=least - 1, max_size=2))
    return draw(trainings(make)), [blocking, *others]


def policy(make, asked, **fields):
    coverage = {"min_step_fraction": 1.0, "max_gap_steps": 0, "min_steps": 1}
    return make.policy(*asked, coverage=coverage, **fields)


def levels(make, training, asked):
    """The level of each rule, and the decision."""
    verdict = make.verdict(training, policy=policy(make, asked))
    by_rule = {finding.id: LEVELS[finding.level] for finding in verdict.findings}
    return {**by_rule, "decision": LEVELS[verdict.decision]}


def never_milder(after, before):
    return all(after[name] >= before[name] for name in before)


ARRAYS = {
    "loss": "loss",
    "loss.vs_constant": "loss",
    "loss.nonfinite": "loss",
    "gradient.nonfinite_applied": "norms",
    "gradient.global_norm": "global_norm",
    "variable.norm": "norms",
    "variable.mean_abs": "mean_abs",
    "variable.update_ratio": "update_ratio",
    "variable.weight_norm": "weight_norm",
    "clip.scale": "clip_scale",
}


def check_a_bad_number_never_improves(make, data):
    """P3: replacing numbers by NaN or an infinity never makes the decision milder."""
    training, asked = data.draw(cases(make))
    before = levels(make, training, asked)
    failing = [rule for i, rule in enumerate(asked) if before[f"rule-{i}"]]  # only these can
    rule = data.draw(st.sampled_from(failing or asked))
    array = getattr(training, ARRAYS.get(rule["signal"], "norms"))
    bad = data.draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    row = data.draw(st.integers(0, len(array) - 1))
    match data.draw(st.sampled_from(["one", "all after", "those that offend"])):
        case "one":
            array[row] = bad
        case "all after":
            array[row:] = bad
        case _:
            limit = rule["expect"]["value"]
            offends = array >= limit if rule["expect"]["op"] in {"<", "<="} else array <= limit
            array[offends] = bad
    assert never_milder(levels(make, training, asked), before)


def check_missing_evidence_never_improves(make, data):
    """P2: without a series, a row, or a fact the decision is never milder.

    A rule may be: the last loss is another one where the last row is lost. Coverage blocks then.
    """
    training, asked = data.draw(cases(make))
    before = levels(make, training, asked)
    what = data.draw(st.sampled_from(["rows", "rows and manifest", "loss", "constant", "weights"]))
    if what.startswith("rows"):
        rows = data.draw(st.lists(st.booleans(), min_size=len(training.step)).map(np.array))
        keep = rows[: len(training.step)]
        training.keep(keep)
        if what == "rows and manifest":
            training.replace(observed_steps=int(keep.sum()))
    elif what == "loss":
        training.replace(loss_measured=False)
    elif what == "constant":
        training.replace(constant_loss=None)
    else:
        training.summary = training.summary.model_copy(update={"variables": ()})
    after = levels(make, training, asked)
    if what.startswith("rows"):
        before, after = ({"decision": found["decision"]} for found in (before, after))
    assert never_milder(after, before)


def check_another_rule_never_improves(make, data):
    """P4."""
    training, asked = data.draw(cases(make))
    more = [*asked, data.draw(rules())]
    assert never_milder(levels(make, training, more), levels(make, training, asked))


def check_a_tighter_limit_never_improves(make, data):
    """P5."""
    training, asked = data.draw(cases(make))
    before = levels(make, training, asked)
    place = data.draw(st.integers(0, len(asked) - 1))
    expect = dict(asked[place]["expect"])
    step = data.draw(st.floats(0, 2))
    expect["value"] += -step if expect["op"] in {"<", "<="} else step
    asked[place] = {**asked[place], "expect": expect}
    assert never_milder(levels(make, training, asked), before)


def check_a_stricter_quantifier_never_improves(make, data):
    training, asked = data.draw(cases(make))
    strict, mild = data.draw(st.tuples(*[st.integers(0, len(QUANTIFIERS) - 1)] * 2).map(sorted))
    rule = {**data.draw(rules()), "signal": "variable.norm", "severity": "block"}
    rule |= {"aggregate": {"fn": "max"}, "min_samples": 1}
    one, other = ({**rule, "scope": {"quantifier": QUANTIFIERS[i]}} for i in (strict, mild))
    stricter, milder = ([*asked, rule] for rule in (one, other))
    assert never_milder(levels(make, training, stricter), levels(make, training, milder))


def check_a_rule_in_shadow_decides_nothing(make, data):
    """P8: with it the verdict is, but for what it reports apart, the one without it."""
    training, asked = data.draw(cases(make))
    quiet = {**data.draw(rules()), "id": "quiet"}
    without = make.verdict(training, policy=policy(make, asked))
    place = data.draw(st.integers(0, len(asked)))
    more = [{"id": f"rule-{i}", **rule} for i, rule in enumerate(asked)]
    more.insert(place, quiet)
    beside = make.verdict(training, policy=policy(make, more, shadow_rules=["quiet"]))
    apart = ("verdict_id", "inputs", "would_decide", "shadow_findings")
    assert _but(beside, apart) == _but(without, apart)
    assert [finding.id for finding in beside.shadow_findings] == ["quiet"]
    assert LEVELS[beside.would_decide] >= LEVELS[beside.decision]


def _but(verdict, names):
    return {name: value for name, value in verdict.document().items() if name not in names}


def check_shadow_changes_what_is_done_and_not_what_is_found(make, data):
    """A policy in shadow finds the same, never calls a model healthy, and only damage blocks."""
    training, asked = data.draw(cases(make))
    if data.draw(st.booleans()):
        training.replace(observed_steps=0)
    enforced = make.verdict(training, policy=policy(make, asked))
    shadow = make.verdict(training, policy=policy(make, asked, mode="shadow"))
    assert shadow.document()["findings"] == enforced.document()["findings"]
    assert shadow.would_decide == enforced.decision
    assert not shadow.healthy
    is_damaged = any(check.status == "fail" for check in enforced.integrity)
    expected = "block" if is_damaged else min(enforced.decision, "warn", key=LEVELS.get)
    assert shadow.decision == expected


@st.composite
def some_waivers(draw, make, names):
    """Up to three waivers in force, each of one rule, some of single layers."""
    drawn = draw(st.lists(st.sampled_from(names), max_size=3))
    layers = st.sampled_from([None, ["**"], ["first/*"], ["head/kernel", "first/bias"]])
    return make.waivers(*({"rule": name, "scope": {"layers": draw(layers)}} for name in drawn))


def check_a_waiver_changes_its_rule_alone(make, data):
    """P7: at most from block to warn; a rule that broke, and what says of damage, never."""
    training, asked = data.draw(cases(make))
    if data.draw(st.booleans()):
        training.replace(observed_steps=0)
    asked = [*asked, {**asked[0], "signal": "no.signal", "severity": "warn"}]
    names = [f"rule-{i}" for i in range(len(asked))]
    given = data.draw(some_waivers(make, names))
    before = make.verdict(training, policy=policy(make, asked))
    after = make.verdict(training, policy=policy(make, asked), waivers=given)
    waived = {waiver.rule for waiver in given.waivers}
    levels = {finding.id: finding for finding in before.findings}
    for finding in after.findings:
        plain = levels[finding.id]
        one, other = (found.model_dump(mode="json") for found in (finding, plain))
        if one != other:  # as words, since NaN is not equal to itself
            assert finding.id in waived
            assert plain.status in {"fail", "unknown"}
            same_value = one["observed"]["value"] == other["observed"]["value"]
            assert same_value or len(finding.worst) > 1
        is_milder = LEVELS[finding.level] < LEVELS[plain.level]
        assert not is_milder or (finding.status, finding.level) == ("waived", "warn")
    damage = [check for check in before.integrity if check.status == "fail"]
    assert [check for check in after.integrity if check in damage] == damage
    assert not damage or after.decision == "block"


def check_an_ended_waiver_is_none(make, data):
    """P7: from the instant at which it expires on, it is as if nobody had written it."""
    training, asked = data.draw(cases(make))
    names = [f"rule-{i}" for i in range(len(asked))]
    given = data.draw(some_waivers(make, names))
    as_of = data.draw(st.sampled_from([make.waiver_ends, "2027-11-23T05:40:00Z"]))
    before = make.verdict(training, policy=policy(make, asked), as_of=as_of)
    after = make.verdict(training, policy=policy(make, asked), waivers=given, as_of=as_of)
    assert after.decision == before.decision
    assert [(f.id, f.status, f.level) for f in after.findings] == [
        (f.id, f.status, f.level) for f in before.findings
    ]
    assert {waiver.status for waiver in after.waivers} <= {"expired"}


PROPERTIES = [
    check_a_waiver_changes_its_rule_alone,
    check_an_ended_waiver_is_none,
    check_a_stricter_quantifier_never_improves,
    check_a_rule_in_shadow_decides_nothing,
    check_shadow_changes_what_is_done_and_not_what_is_found,
    check_a_bad_number_never_improves,
    check_missing_evidence_never_improves,
    check_another_rule_never_improves,
    check_a_tighter_limit_never_improves,
]


@pytest.mark.parametrize("check", PROPERTIES, ids=lambda check: check.__name__)
@given(data=st.data())
def test_property(make, check, data):
    check(make, data)


@given(data=st.data())
def test_order_of_rules_changes_nothing_but_the_policy(make, data):
    """P1."""
    training, asked = data.draw(cases(make))
    named = [{"id": f"r-{i}", **rule} for i, rule in enumerate(asked)]
    shuffled = data.draw(st.permutations(named))
    one, other = (make.verdict(training, policy=policy(make, order)) for order in (named, shuffled))
    assert json.dumps([f.model_dump(mode="json") for f in one.findings]) == json.dumps(
        [f.model_dump(mode="json") for f in other.findings]
    )
    assert (one.decision, one.headline) == (other.decision, other.headline)


def test_an_empty_policy_cannot_be_written(make):
    """P6."""
    with pytest.raises(ValueError, match="at least 1 item"):
        make.policy()


def test_no_answer_is_no_pass(make):
    """P6, for whoever gets round the contract."""
    from gradgate.contracts.verdict import Inputs, Subject
    from gradgate.gate.verdicts import decide

    verdict = decide(
        subject=Subject(model_digest="sha256:0"),
        inputs=Inputs(gate_version="0"),
        as_of=make.as_of,
        integrity=(),
    )
    assert (verdict.decision, verdict.blessed) == ("block", False)
    assert verdict.headline == "BLOCK: no rule was asked"


@given(data=st.data())
def test_a_verdict_reads_back_and_fits_its_schema(make, data):
    """P9 and P10."""
    training, asked = data.draw(cases(make))
    training.norms[0, 0] = data.draw(st.sampled_from([0.5, math.nan, math.inf]))
    given = data.draw(some_waivers(make, [f"rule-{i}" for i in range(len(asked))]))
    fields = {"mode": data.draw(st.sampled_from(["enforce", "shadow"]))}
    if len(asked) > 1:
        fields["shadow_rules"] = data.draw(st.sampled_from([[], ["rule-1"]]))
    verdict = make.verdict(training, policy=policy(make, asked, **fields), waivers=given)
    text = json.dumps(verdict.document(), allow_nan=False)
    again = Verdict.model_validate_json(text)
    assert again.document() == verdict.document()
    assert again.computed_id() == verdict.verdict_id
    jsonschema.Draft202012Validator(verdict_schema()).validate(json.loads(text))
    rewritten = Policy.model_validate_json(json.dumps(policy(make, asked).document()))
    assert rewritten == policy(make, asked)


@given(data=st.data(), size=st.integers(1, 16))
def test_a_resumed_run_is_an_uninterrupted_one(make, data, size):
    """P11: how the steps were cut into parts says nothing about them."""
    training, asked = data.draw(cases(make))
    whole = make.verdict(training, policy=policy(make, asked))
    cut = make.verdict(training, policy=policy(make, asked), size=size)
    assert cut.document() == whole.document()
