"""The first offence against brute force: ask the whole rule anew after every step."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gradgate.contracts.policy import Aggregate, Compare
from gradgate.gate.aggregates import accumulator
from gradgate.gate.compare import holds
from gradgate.gate.since import since

RULES = [
    ("sum", {}),
    ("mean", {}),
    ("max", {}),
    ("min", {}),
    ("last", {}),
    ("sustained_max", {"steps": 2}),
    ("persistence", {"op": "<", "value": 0.5, "tail": 3}),
    ("improvement", {"portion": 0.25}),
    ("tail_median", {"portion": 0.25}),
    ("count", {}),
    ("quantile", {"q": 0.75}),
    ("slope", {}),
    ("variation", {}),
    ("rolling_max", {"over": 3}),
    ("rolling_min", {"over": 2}),
]


def slowly(steps, values, document, expect):
    """The first step of the last stretch of prefixes that all break the rule, by column."""
    found = []
    for column in values.T:
        broken_since = None
        for end in range(1, len(column) + 1):
            seen = accumulator(TypeAdapter(Aggregate).validate_python(document), columns=1)
            seen.update(column[:end, np.newaxis])
            if holds(expect, seen.value())[0]:
                broken_since = None
            elif broken_since is None:
                broken_since = int(steps[end - 1])
        found.append(broken_since)
    return found


@pytest.mark.parametrize(("fn", "numbers"), RULES, ids=[fn for fn, _ in RULES])
@given(
    values=st.lists(
        st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0, np.nan])] * 3), min_size=2, max_size=24
    ),
    op=st.sampled_from(["<", "<=", "==", ">=", ">"]),
    limit=st.sampled_from([0.0, 0.25, 0.5]),
    size=st.integers(1, 24),
    skip=st.integers(0, 3),
)
def test_is_what_brute_force_finds(make, fn, numbers, values, op, limit, size, skip):
    training = make.Training(steps=len(values), every=1)
    training.norms[:] = values
    # variable.norm takes every aggregate but sum, which its indicator twin takes.
    signal = "variable.norm"
    rule = make.rule(signal, fn, op, limit, aggregate=numbers, min_samples=1, id="asked")
    if skip:
        rule["window"] = {"skip_first": skip}
    verdict = make.verdict(training, rule, size=size)
    (finding,) = verdict.findings
    inside = training.step >= skip
    if not inside.any():
        assert finding.status == "unknown"
        return
    expect = Compare(op=op, value=limit)
    steps, seen = training.step[inside], training.norms[inside].astype(np.float64)
    broken = slowly(steps, seen, {"fn": fn, **numbers}, expect)
    if finding.status == "pass":
        assert broken == [None] * 3
        return
    earliest = min(step for step in broken if step is not None)
    column = broken.index(earliest)
    assert finding.first_offence.step == earliest
    assert finding.first_offence.variable == training.card.variables[column].path
    np.testing.assert_equal(finding.first_offence.value, float(training.norms[earliest, column]))


@given(
    values=st.lists(
        st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0, np.nan])] * 3), min_size=2, max_size=24
    ),
    fn=st.sampled_from(["max", "mean", "last"]),
    quantifier=st.sampled_from(
        [("any", 2), ({"at_most": 1}, 1), ({"at_most": 9}, 2), ({"fraction": 0.34}, 1)]
    ),
    size=st.integers(1, 24),
)
def test_where_some_may_fail_it_is_where_one_too_many_had(make, values, fn, quantifier, size):
    written, allowed = quantifier
    training = make.Training(steps=len(values), every=1)
    training.norms[:] = values
    scope = {"quantifier": written}
    rule = make.rule("variable.norm", fn, "<", 0.5, min_samples=1, id="asked", scope=scope)
    (finding,) = make.verdict(training, rule, size=size).findings
    seen = training.norms.astype(np.float64)
    broken = slowly(training.step, seen, {"fn": fn}, Compare(op="<", value=0.5))
    hopeless = [step for step, column in zip(broken, seen.T, strict=True) if np.isnan(column).any()]
    in_order = sorted(step for step in broken if step is not None)
    steps = [*hopeless, *in_order[allowed : allowed + 1]]
    assert finding.status == ("fail" if steps else "pass")
    if steps:
        assert finding.first_offence.step == min(steps)


@given(at=st.integers(0, 99), size=st.integers(1, 100))
def test_the_excerpt_is_at_most_twenty_samples_to_each_side(make, at, size):
    training = make.Training(steps=100)
    training.norms[at, 0] = np.nan
    verdict = make.verdict(training, make.rule("gradient.nonfinite"), size=size)
    excerpt = verdict.findings[0].first_offence.excerpt
    steps = [sample.step for sample in excerpt]
    assert steps == list(range(max(0, at - 20), min(100, at + 21)))
    assert [sample.value for sample in excerpt] == [float(step == at) for step in steps]


def test_the_excerpt_shows_also_what_is_outside_the_window(make, training):
    training.norms[:, 0] = 9
    finding = make.finding(training, "variable.norm", "max", "<", 5, window={"skip_first": 10})
    assert finding.first_offence.step == 10
    assert finding.first_offence.excerpt[0].step == 0


def test_where_the_search_is_given_up_the_verdict_says_so(make, training, monkeypatch):
    """Of medians of losses that rise, in no memory and after one look."""
    monkeypatch.setattr("gradgate.gate.offences.since", partial(since, kept=0, looks=1))
    training.loss[:] = np.linspace(0.1, 1, 300)
    aggregate = {"portion": 0.1}
    rule = make.rule("loss", "tail_median", "<", 0.5, aggregate=aggregate, id="asked")
    verdict = make.verdict(training, rule)
    (finding,) = verdict.findings
    assert finding.first_offence.at_the_latest
    assert finding.first_offence.step >= 140
    assert f"for good from step {finding.first_offence.step} on, or from an earlier one" in (
        finding.message
    )
    assert verdict.document()["findings"][0]["first_offence"]["at_the_latest"] is True
    monkeypatch.undo()
    (finding,) = make.verdict(training, rule).findings
    # The median of p samples' last tenth is below 0.5 while 0.1 + 0.9 * 0.95 p / 299 is: p = 140.
    assert (finding.first_offence.step, finding.first_offence.at_the_latest) == (140, False)
    assert "or from an earlier one" not in finding.message
    assert (
        "at_the_latest"
        not in make.verdict(training, rule).document()["findings"][0]["first_offence"]
    )
