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
    "persistence": {"op": "<", "value": 0.3, "tail": 3},
}
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
        rule["scope"] = {"include": [draw(st.sampled_from(["**", "first/*", "*/bias"]))]}
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


def policy(make, asked):
    return make.policy(
        *asked, coverage={"min_step_fraction": 1.0, "max_gap_steps": 0, "min_steps": 1}
    )


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


PROPERTIES = [
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
    verdict = make.verdict(training, policy=policy(make, asked))
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
