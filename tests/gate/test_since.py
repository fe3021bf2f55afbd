"""Since when a rule has not held, from little memory: against asking anew after every sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gradgate.contracts import Rule
from gradgate.gate.aggregates import accumulator
from gradgate.gate.compare import holds
from gradgate.gate.signals import Samples
from gradgate.gate.since import since

RULE = TypeAdapter(Rule)
MEDIANS = [
    {"fn": "tail_median", "portion": 0.1},
    {"fn": "tail_median", "portion": 0.37},
    {"fn": "tail_median", "portion": 1.0},
    {"fn": "improvement", "portion": 0.1},
    {"fn": "improvement", "portion": 0.5},
]
EXPECTATIONS = [
    *({"op": op, "value": 0.25} for op in ("<", "<=", "==", ">=", ">")),
    {"op": "between", "low": 0.0, "high": 0.5},
]
some_values = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0, -1.0]), st.floats(-2, 2, width=16))


def rule_of(aggregate, expect):
    document = {"id": "asked", "signal": "loss", "aggregate": aggregate, "expect": expect}
    return RULE.validate_python(document)


def found(rule, values, *, size, looks=1 << 20, **memory):
    """The rows since which the rule has not held, -1 where it holds; and the looks it took."""
    search = since(
        rule.aggregate, rule.expect, np.ones(values.shape[1], dtype=bool), looks=looks, **memory
    )
    looks = 0
    while looks == 0 or search.again():
        looks += 1
        for start in range(0, len(values), size):
            rows = np.arange(start, min(start + size, len(values)))
            search.feed(Samples(step=10 * rows, value=values[rows]))
    broken = search.step >= 0
    np.testing.assert_array_equal(
        search.value[broken], values[search.step[broken] // 10, np.flatnonzero(broken)]
    )
    return np.where(broken, search.step // 10, -1), looks


def slowly(rule, values):
    rows = []
    for column in values.T:
        last = 0
        for count in range(1, len(column) + 1):
            seen = accumulator(rule.aggregate, columns=1)
            seen.update(column[:count, np.newaxis])
            if holds(rule.expect, seen.value())[0]:
                last = count
        rows.append(last if last < len(column) else -1)
    return rows


@pytest.mark.parametrize("aggregate", MEDIANS, ids=str)
@given(
    values=st.lists(st.tuples(some_values, some_values), min_size=1, max_size=60).map(np.array),
    bad=st.one_of(st.none(), st.tuples(st.integers(0, 59), st.sampled_from([np.nan, np.inf]))),
    expect=st.sampled_from(EXPECTATIONS),
    size=st.integers(1, 60),
    kept=st.sampled_from([0, 8, 1 << 20]),
)
def test_medians_of_moving_portions(aggregate, values, bad, expect, size, kept):
    if bad is not None:
        values[bad[0] % len(values), 0] = bad[1]
    rule = rule_of(aggregate, expect)
    rows, looks = found(rule, values, size=size, kept=kept)
    assert rows.tolist() == slowly(rule, values)
    assert looks == 1 or kept < values.size


@pytest.mark.parametrize("aggregate", MEDIANS[1:4:2], ids=str)
@given(
    values=st.lists(st.tuples(some_values, some_values), min_size=20, max_size=60).map(np.array),
    expect=st.sampled_from(EXPECTATIONS),
    allowed=st.integers(1, 4),
)
def test_a_search_that_is_given_up_says_so_and_is_never_too_early(
    aggregate, values, expect, allowed
):
    rule = rule_of(aggregate, expect)
    columns = np.ones(2, dtype=bool)
    search, looks = since(rule.aggregate, rule.expect, columns, kept=0, looks=allowed), 0
    while looks == 0 or search.again():
        looks += 1
        search.feed(Samples(step=np.arange(len(values)), value=values))
    assert looks <= allowed + 2
    for column, row in enumerate(slowly(rule, values)):
        if search.is_bound[column]:
            assert search.step[column] >= row
        else:
            assert search.step[column] == row


@given(
    values=st.lists(st.tuples(some_values, some_values), min_size=1, max_size=40).map(np.array),
    expect=st.sampled_from(EXPECTATIONS),
    q=st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1)),
    size=st.integers(1, 40),
)
def test_quantiles(values, expect, q, size):
    rule = rule_of({"fn": "quantile", "q": q}, expect)
    rows, looks = found(rule, values, size=size)
    assert rows.tolist() == slowly(rule, values)
    assert looks == 1


@pytest.mark.parametrize("aggregate", MEDIANS[:1] + MEDIANS[3:4], ids=str)
def test_a_long_series_is_searched_in_few_looks(aggregate):
    """Of five times as many samples as are kept: some to count, one to take in, one to look up."""
    generator = np.random.default_rng(0)
    level = np.concatenate([np.linspace(2, 0.2, 9_000), np.linspace(0.3, 1.9, 11_000)])
    values = (level + 0.05 * generator.standard_normal(20_000))[:, np.newaxis]
    op, value = ("<=", 1.0) if aggregate["fn"] == "tail_median" else (">=", 0.3)
    rule = rule_of(aggregate, {"op": op, "value": value})
    rows, looks = found(rule, values, size=4096, kept=4096)
    in_memory, _ = found(rule, values, size=4096)
    assert rows.tolist() == in_memory.tolist()
    assert 9_000 < rows[0] < 20_000
    assert looks <= 6
