"""What must hold of baselines: nothing about one makes a decision milder than the policy says.

Each property is a function, so that the faulty judges at the end can be told from ours.
"""

import dataclasses
import math
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

import gradgate.gate.baseline.comparing as comparing
from gradgate.contracts.policy import Between, Compare
from gradgate.contracts.verdict import Finding
from gradgate.gate import Baselines
from gradgate.gate.aggregates import accumulator
from gradgate.gate.baseline.raw_limits import raw_limits
from gradgate.gate.baseline.relation import Relation
from gradgate.gate.compare import holds
from gradgate.gate.signals import Samples
from gradgate.gate.since import since

MOST = sys.float_info.max
LEVELS = {"ok": 0, "warn": 1, "block": 2}
ABSENT = {"absolute_only": "ok", "warn": "warn", "block": "block"}
norms = st.sampled_from([0.0, 1e-13, 0.05, 0.25, 0.5, 1.0, 4.0, 100.0])
bad = st.sampled_from([math.nan, math.inf, -math.inf, 0.0])


@st.composite
def relative_rules(draw):
    signal, fn = draw(
        st.sampled_from(
            [
                ("gradient.global_norm", "max"),
                ("gradient.global_norm", "mean"),
                ("variable.norm", "max"),
                ("variable.norm", "min"),
                ("loss", "last"),
            ]
        )
    )
    low = draw(st.sampled_from([0.2, 0.5]))
    expect = draw(
        st.sampled_from(
            [
                {"op": "between", "low": low, "high": 2},
                {"op": "<=", "value": 2},
                {"op": ">", "value": low},
            ]
        )
    )
    return {
        "id": "drift",
        "signal": signal,
        "aggregate": {"fn": fn},
        "compare": {"to": "baseline", "as": draw(st.sampled_from(["ratio", "difference"]))},
        "expect": expect,
        "severity": draw(st.sampled_from(["block", "warn"])),
        "min_samples": 1,
    }


@st.composite
def cases(draw, before):
    """A policy with a rule that compares, a training, and the verdicts before it."""
    absolute = {**before.absolute, "expect": {"op": "<=", "value": draw(st.sampled_from([0.1, 1]))}}
    absolute["min_samples"] = 1
    policy = before.make.policy(
        draw(relative_rules()),
        absolute,
        baseline={"on_absent": draw(st.sampled_from(list(ABSENT)))},
        coverage={"min_steps": 1},
    )

    def training():
        made = before.make.Training(steps=8, every=4)
        made.norms[:] = [draw(norms) for _ in range(3)]
        made.global_norm[:] = draw(norms)
        made.loss[:] = draw(norms)
        made.applied[:4] = draw(st.booleans())
        return made

    last = [
        before.verdict(day, training=training(), policy=policy)
        for day in range(draw(st.integers(0, 4)), 0, -1)
    ]
    return policy, training(), [verdict for verdict in last if verdict.healthy]


def judged(before, policy, training, last):
    return before.judge(training, last, policy=policy)


def changed(verdict, change):
    """The verdict with every measured value changed, sealed again."""
    references = [
        reference.model_copy(
            update={
                "measurements": tuple(
                    one.model_copy(update={"values": tuple(change(value) for value in one.values)})
                    for one in reference.measurements
                )
            }
        )
        for reference in verdict.references
    ]
    return verdict.model_copy(update={"references": tuple(references)}).sealed()


def check_a_bad_number_in_a_baseline_never_improves(before, data):
    """NaN, an infinity, or next to nothing in a baseline: never milder than the rule was."""
    policy, training, last = data.draw(cases(before))
    first = judged(before, policy, training, last)
    if not last:
        return
    place = data.draw(st.integers(0, len(last) - 1))
    number = data.draw(bad)
    is_alone = len(last) == 1 and policy.rules[0].compare.how == "ratio"
    if not math.isfinite(number) or is_alone:
        last[place] = changed(last[place], lambda v: v.model_copy(update={"value": number}))
        after = judged(before, policy, training, last)
        assert LEVELS[after.decision] >= LEVELS[first.decision]


def check_without_baselines_it_is_as_the_policy_says(before, data):
    """Fewer baselines never do better than `on_absent`, which the policy says openly."""
    policy, training, _ = data.draw(cases(before))
    verdict = judged(before, policy, training, [])
    finding = before.finding(verdict)
    assert finding.level == ABSENT[policy.baseline.on_absent]
    assert verdict.bootstrap
    absolute = judged(before, policy.model_copy(update={"rules": policy.rules[1:]}), training, [])
    levels = [absolute.decision, finding.level]
    assert verdict.decision == max(levels, key=LEVELS.get)


def check_absolute_rules_are_deaf_to_baselines(before, data):
    policy, training, last = data.draw(cases(before))
    with_them, without = (judged(before, policy, training, some) for some in (last, []))
    assert before.finding(with_them, "skips") == before.finding(without, "skips")
    one, other = with_them.references, without.references
    assert [r.model_dump(mode="json") for r in one] == [r.model_dump(mode="json") for r in other]


def check_what_is_not_alike_never_passes(before, data):
    policy, training, last = data.draw(cases(before))
    training.replace(optimizer="another one")
    finding = before.finding(judged(before, policy, training, last))
    assert finding.status in ({"unknown"} if last else {"unknown", "disabled"})
    if last:
        assert finding.level == policy.severity_of(policy.rules[0])


def check_what_is_not_fit_blocks(before, data):
    policy, training, last = data.draw(cases(before))
    if last:
        place = data.draw(st.integers(0, len(last) - 1))
        fields = data.draw(st.sampled_from([{"healthy": False}, {"headline": "edited"}]))
        wrong = last[place].model_copy(update=fields)
        last[place] = wrong.sealed() if "healthy" in fields else wrong
        assert judged(before, policy, training, last).decision == "block"


def check_own_baseline_passes_no_training(before, data):
    """A training is never compared with itself."""
    policy, training, last = data.draw(cases(before))
    own = before.verdict(20, training=training, policy=policy, uid="itself")
    if own.healthy:
        assert judged(before, policy, training, [*last, own]).decision == "block"


PROPERTIES = [
    check_a_bad_number_in_a_baseline_never_improves,
    check_without_baselines_it_is_as_the_policy_says,
    check_absolute_rules_are_deaf_to_baselines,
    check_what_is_not_alike_never_passes,
    check_what_is_not_fit_blocks,
    check_own_baseline_passes_no_training,
]


@pytest.mark.parametrize("check", PROPERTIES, ids=lambda check: check.__name__)
@given(data=st.data())
def test_property(before, check, data):
    check(before, data)


@given(data=st.data(), size=st.integers(1, 8))
def test_how_the_steps_were_cut_says_nothing(before, data, size):
    policy, training, last = data.draw(cases(before))
    whole = judged(before, policy, training, last)
    cut = before.judge(training, last, policy=policy, size=size)
    assert cut.verdict_id == whole.verdict_id


@given(
    values=st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0, math.nan]), min_size=2, max_size=16),
    reference=st.sampled_from([0.5, 1.0, 2.0]),
    fn=st.sampled_from(["max", "mean", "last", "min"]),
    size=st.integers(1, 16),
)
def test_the_first_offence_is_what_brute_force_finds(before, make, values, reference, fn, size):
    """The step since which every prefix, over the same baseline, breaks the limit."""
    rule = {**before.ratio, "aggregate": {"fn": fn}, "expect": {"op": "<=", "value": 1}}
    policy = before.policy({**rule, "min_samples": 1}, coverage={"min_steps": 1})
    training = make.Training(steps=len(values), every=1)
    training.global_norm[:] = values
    last = [before.verdict(norm=reference, policy=policy)]
    finding = before.finding(before.judge(training, last, policy=policy, size=size))
    reduce = {"max": np.max, "mean": np.mean, "last": lambda v: v[-1], "min": np.min}[fn]
    since = None
    for end in range(1, len(values) + 1):
        seen = np.array(values[:end])
        holds = np.isfinite(seen).all() and reduce(seen) / reference <= 1
        since = None if holds else (end - 1 if since is None else since)
    found = finding.first_offence
    assert (found.step if found else None) == since


@pytest.mark.parametrize("kept", [8, 1 << 20])
@pytest.mark.parametrize(
    ("fn", "numbers"),
    [
        ("quantile", {"q": 0.6}),
        ("tail_median", {"portion": 0.3}),
        ("improvement", {"portion": 0.3}),
        ("slope", {}),
        ("variation", {}),
        ("mean", {}),
        ("persistence", {"op": "<", "value": 1, "tail": 5}),
    ],
)
@given(
    values=st.lists(
        st.sampled_from([-1.0, 0.0, 0.1, 0.3, 1.0, 3.0, math.nan, math.inf]),
        min_size=1,
        max_size=20,
    ),
    how=st.sampled_from(["ratio", "difference"]),
    reference=st.sampled_from([-2.0, -0.3, 0.1, 0.7, 3.0, 1e-300, 1e308, -1e308]),
    expect=st.sampled_from(
        [
            *({"op": op, "value": 0.3} for op in ("<", "<=", "==", ">=", ">")),
            {"op": "<=", "value": -1.0},
            {"op": "between", "low": -0.1, "high": 0.7},
        ]
    ),
    size=st.integers(1, 20),
)
def test_every_search_finds_what_brute_force_finds(
    make, fn, numbers, kept, values, how, reference, expect, size
):
    """Each column has a limit of its own; the first is compared with 1, which is never in doubt."""
    signal = "variable.norm"
    rule = make.policy(make.rule(signal, fn, aggregate=numbers, min_samples=1)).rules[0]
    expect = TypeAdapter(Compare | Between).validate_python(expect)
    relation = Relation(
        to="baseline", how=how, reference=np.array([1.0, reference]), of=np.array([1, 1])
    )
    samples = np.column_stack([values, values])
    search = since(rule.aggregate, raw_limits(expect, relation), np.full(2, True), kept=kept)
    while True:
        for start in range(0, len(values), size):
            rows = np.arange(start, min(start + size, len(values)))
            search.feed(Samples(step=rows, value=samples[rows]))
        if not search.again():
            break
    broken = [None, None]
    for end in range(1, len(values) + 1):
        seen = accumulator(rule.aggregate, columns=2)
        seen.update(samples[:end])
        is_held = holds(expect, relation.compared(seen.value()))
        for column in range(2):
            if is_held[column]:
                broken[column] = None
            elif broken[column] is None:
                broken[column] = end - 1
    assert [None if step < 0 else step for step in search.step.tolist()] == broken


@given(
    how=st.sampled_from(["ratio", "difference"]),
    reference=st.floats(allow_nan=False, allow_infinity=False).filter(bool),
    raw=st.floats(allow_nan=False, allow_infinity=False),
    op=st.sampled_from(["<", "<=", "==", ">=", ">"]),
    steps=st.integers(-2, 2),
)
@example(how="difference", reference=1.0, raw=-MOST, op="<", steps=0)
@example(how="ratio", reference=-1.0, raw=-MOST, op=">", steps=0)
def test_limits_on_the_number_itself_are_exact(how, reference, raw, op, steps):
    """Also next to the limit, where a rounded limit would be off by one float."""
    relation = Relation(to="anchor", how=how, reference=np.array([reference]), of=np.array([1]))
    (limit,) = relation.compared(np.array([raw]))
    expect = Compare(op=op, value=limit if math.isfinite(limit) else 1.0)
    for _ in range(abs(steps)):
        raw = float(np.nextafter(raw, math.copysign(math.inf, steps)))
    values = np.array([raw])
    expected = holds(expect, relation.compared(values))
    assert (holds(raw_limits(expect, relation), values) == expected).all()


# --- Faulty judges --------------------------------------------------------------------------------
def nan_is_dropped(monkeypatch):
    """A baseline that is no number is left out, as by Kayenta's `nanStrategy: remove`."""
    kept = comparing._by_variable

    def values(found):
        known = kept(found).items()
        return {name: [v for v in values if math.isfinite(v[1])] for name, values in known}

    monkeypatch.setattr(comparing, "_by_variable", values)


def a_baseline_of_nothing_passes(monkeypatch):
    """A ratio to next to nothing is taken as 1: Kayenta passes where the baseline is 0."""

    def median(values, how, variable):
        found = float(np.median([value for _, value in values]))
        return found if abs(found) >= how.least else 1.0

    monkeypatch.setattr(comparing, "_median", median)


def unlike_is_absent(monkeypatch):
    """Another architecture counts as a first training."""
    kept = comparing.OfOne._found

    def found(self, how, rule):
        try:
            return kept(self, how, rule)
        except comparing.Unmeasured as reason:
            raise comparing.NoBaseline(str(reason)) from None

    monkeypatch.setattr(comparing.OfOne, "_found", found)


def anything_serves(monkeypatch):
    """Nobody asks whether a baseline was healthy, or whose it is."""
    import importlib

    judge = importlib.import_module("gradgate.gate.judge")
    monkeypatch.setattr(judge, "check_baselines", lambda policy, baselines, manifest: ())
    monkeypatch.setattr(comparing, "problems_of", lambda policy, baselines, manifest: ())


def absent_passes(monkeypatch):
    """A rubber stamp: what has nothing to compare with is fine."""
    import gradgate.gate.asking

    kept = gradgate.gate.asking.without_baseline

    def without(finding, policy, reason, measurement):
        found: Finding = kept(finding, policy, reason, measurement)
        return found.model_copy(update={"level": "ok"})

    monkeypatch.setattr(gradgate.gate.asking, "without_baseline", without)


@pytest.mark.parametrize(
    ("mutate", "check"),
    [
        (nan_is_dropped, check_a_bad_number_in_a_baseline_never_improves),
        (a_baseline_of_nothing_passes, check_a_bad_number_in_a_baseline_never_improves),
        (unlike_is_absent, check_what_is_not_alike_never_passes),
        (anything_serves, check_what_is_not_fit_blocks),
        (anything_serves, check_own_baseline_passes_no_training),
        (absent_passes, check_without_baselines_it_is_as_the_policy_says),
    ],
    ids=lambda value: value.__name__,
)
def test_a_property_kills_it(dies_of, before, mutate, check):
    assert dies_of(mutate, check, before)


def test_baselines_are_a_value():
    assert dataclasses.replace(Baselines(), problems=("x",)).problems == ("x",)
