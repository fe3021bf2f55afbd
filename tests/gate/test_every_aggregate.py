"""What every aggregate must do. A new one is added to ALL and nowhere else.

Each stands beside the same thing by NumPy, over a whole column at once.
"""

import itertools
import math
import pickle
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gradgate.contracts.policy import Aggregate
from gradgate.gate.aggregates import CORES, accumulator
from gradgate.gate.aggregates.by_rank import ByRank


def sustained_max(column, steps):
    width = min(steps, len(column))
    return max(min(column[i : i + width]) for i in range(len(column) - width + 1))


def persistence(column, tail):
    hits = [value < 0.5 for value in column]
    return min(sum(hits) / len(hits), sum(hits[-tail:]) / len(hits[-tail:]))


def improvement(column, portion):
    size = math.ceil(portion * len(column))
    first, last = np.median(column[:size]), np.median(column[-size:])
    if first == last:
        return 0.0
    return math.inf * (first - last) if first == 0 else (first - last) / abs(first)


def tail_median(column, portion):
    return float(np.median(column[-math.ceil(portion * len(column)) :]))


def quantile(column, q):
    return float(np.quantile(column, q))


def slope(column):
    """By exact fractions."""
    if len(column) == 1:
        return math.nan
    x, y = range(len(column)), [Fraction(value) for value in column]
    center = Fraction(sum(x), len(column))
    spread = sum((a - center) ** 2 for a in x)
    return float(sum((a - center) * b for a, b in zip(x, y, strict=True)) / spread)


def variation(column):
    """By exact fractions; the square root alone is rounded, twice."""
    values = [Fraction(value) for value in column]
    mean = sum(values) / len(values)
    if len(column) == 1 or not any(values):
        return math.nan
    square = sum((value - mean) ** 2 for value in values) / len(values)
    return math.sqrt(square / mean**2) if mean else math.inf


def rolling(column, over, pick):
    width = min(over, len(column))
    return pick(math.fsum(column[i : i + width]) / width for i in range(len(column) - width + 1))


ALL = [
    ({"fn": "count"}, len),
    ({"fn": "rate", "per": 100}, lambda column: 100 * sum(column) / len(column)),
    ({"fn": "quantile", "q": 0.0}, min),
    ({"fn": "quantile", "q": 0.5}, lambda column: quantile(column, 0.5)),
    ({"fn": "quantile", "q": 0.99}, lambda column: quantile(column, 0.99)),
    ({"fn": "quantile", "q": 1.0}, max),
    ({"fn": "slope"}, slope),
    ({"fn": "variation"}, variation),
    ({"fn": "rolling_max", "over": 1}, max),
    ({"fn": "rolling_max", "over": 3}, lambda column: rolling(column, 3, max)),
    ({"fn": "rolling_min", "over": 4}, lambda column: rolling(column, 4, min)),
    ({"fn": "sum"}, sum),
    ({"fn": "mean"}, lambda column: sum(column) / len(column)),
    ({"fn": "max"}, max),
    ({"fn": "min"}, min),
    ({"fn": "last"}, lambda column: column[-1]),
    ({"fn": "sustained_max", "steps": 1}, lambda column: sustained_max(column, 1)),
    ({"fn": "sustained_max", "steps": 3}, lambda column: sustained_max(column, 3)),
    (
        {"fn": "persistence", "op": "<", "value": 0.5, "tail": 1},
        lambda column: persistence(column, 1),
    ),
    (
        {"fn": "persistence", "op": "<", "value": 0.5, "tail": 4},
        lambda column: persistence(column, 4),
    ),
    ({"fn": "improvement", "portion": 0.1}, lambda column: improvement(column, 0.1)),
    ({"fn": "improvement", "portion": 0.5}, lambda column: improvement(column, 0.5)),
    ({"fn": "tail_median", "portion": 0.3}, lambda column: tail_median(column, 0.3)),
    ({"fn": "tail_median", "portion": 1.0}, lambda column: tail_median(column, 1.0)),
]
BY_RANK = [case for case in ALL if issubclass(CORES[case[0]["fn"]], ByRank)]
RUNNING = [case for case in ALL if case not in BY_RANK]


def of_each(cases):
    names = ("document", "reference")
    return pytest.mark.parametrize(names, cases, ids=[str(document) for document, _ in cases])


every_aggregate = of_each(ALL)
every_by_rank = of_each(BY_RANK)
every_running = of_each(RUNNING)
# float32 as in a record; few distinct values, so that ties and equalities happen.
sample = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0, -1.0]), st.floats(-1e6, 1e6, width=32))
columns = st.lists(st.tuples(sample, sample), min_size=1, max_size=20).map(np.array)
# Any float64 below 2^800, so that sums need all their bits.
wide = st.one_of(st.floats(-1, 1), st.floats(-1e240, 1e240), st.sampled_from([1.0, -1.0, 5e-324]))
wide_columns = st.lists(st.tuples(wide, wide), min_size=1, max_size=20).map(np.array)
cuts = st.lists(st.integers(0, 20), max_size=5).map(sorted)
AGGREGATE = TypeAdapter(Aggregate)


def new(document, width=2, **memory):
    return accumulator(AGGREGATE.validate_python(document), columns=width, **memory)


def pieces(values, at):
    return [values[a:b] for a, b in itertools.pairwise([0, *at, max(len(values), *at, 0)])]


def test_every_aggregate_of_the_contract_is_here():
    assert {document["fn"] for document, _ in ALL} == set(CORES)


@every_aggregate
@given(values=columns)
def test_is_what_numpy_says(document, reference, values):
    seen = new(document)
    seen.update(values)
    expected = [reference(column.tolist()) for column in values.T]
    np.testing.assert_allclose(seen.value(), expected, rtol=1e-12, atol=1e-9)
    assert seen.samples == len(values)


@given(values=columns, q=st.floats(0, 1))
def test_every_quantile_is_numpys_to_one_unit_in_the_last_place(values, q):
    seen = new({"fn": "quantile", "q": q})
    seen.update(values)
    np.testing.assert_array_max_ulp(seen.value(), np.quantile(values, q, axis=0), maxulp=1)


@every_aggregate
@given(values=columns, at=cuts)
def test_cutting_into_stretches_changes_no_bit(document, reference, values, at):
    whole, cut = new(document), new(document)
    whole.update(values)
    for piece in pieces(values, at):
        cut.update(piece)
    np.testing.assert_array_equal(whole.value(), cut.value())


@every_running
@given(values=st.one_of(columns, wide_columns), at=cuts)
def test_running_gives_the_value_after_every_sample(document, reference, values, at):
    cut = new(document)
    running = np.vstack([cut.running(piece) for piece in pieces(values, at)])
    prefixes = []
    for count in range(1, len(values) + 1):
        seen = new(document)
        seen.update(values[:count])
        prefixes.append(seen.value())
    np.testing.assert_array_equal(running, prefixes)
    np.testing.assert_array_equal(cut.value(), prefixes[-1])


@every_running
@given(values=columns, at=st.integers(0, 20))
def test_running_goes_on_where_updating_stopped(document, reference, values, at):
    mixed, whole = new(document), new(document)
    mixed.update(values[:at])
    after = mixed.running(values[at:])
    np.testing.assert_array_equal(after, whole.running(values)[at:])


@every_aggregate
@given(values=st.one_of(columns, wide_columns), at=cuts, data=st.data())
def test_merging_stretches_in_any_order_is_seeing_the_whole(document, reference, values, at, data):
    """To the last bit, whichever neighbours are merged first."""
    whole = new(document)
    whole.update(values)
    parts = []
    for piece in pieces(values, at):
        parts.append(new(document))
        parts[-1].update(piece)
    while len(parts) > 1:
        left = data.draw(st.integers(0, len(parts) - 2))
        parts[left].merge(parts.pop(left + 1))
    assert parts[0].samples == whole.samples
    assert parts[0].value().tobytes() == whole.value().tobytes()


@every_by_rank
@given(values=st.one_of(columns, wide_columns), at=cuts, kept=st.integers(0, 12))
def test_several_looks_in_little_memory_find_the_same(document, reference, values, at, kept):
    whole, seen = new(document), new(document, kept=kept)
    whole.update(values)
    looks = 0
    while looks == 0 or seen.again():
        looks += 1
        for piece in pieces(values, at):
            seen.update(piece)
    assert seen.samples == len(values)
    assert looks == 1 or values.size > kept
    assert seen.value().tobytes() == whole.value().tobytes()


@every_by_rank
@given(values=columns, at=cuts, kept=st.integers(0, 12))
def test_each_look_can_be_taken_in_stretches(document, reference, values, at, kept):
    """As by the workers of an engine: each sees its stretch, from what was known before."""
    whole, seen = new(document), new(document, kept=kept)
    whole.update(values)
    is_first = True
    while is_first or seen.again():
        is_first = False
        before = pickle.dumps(seen)
        stretches = []
        for number, piece in enumerate(pieces(values, at)):
            stretch = pickle.loads(before)
            stretch.begin_stretch(number)
            stretch.update(piece)
            stretch.end_stretch()
            stretches.append(pickle.loads(pickle.dumps(stretch)))
        for stretch in stretches:
            seen.merge(stretch)
    assert seen.samples == whole.samples
    assert seen.value().tobytes() == whole.value().tobytes()


@every_by_rank
def test_samples_that_changed_between_two_looks_are_an_error(document, reference):
    seen = new(document, kept=4)
    seen.update(np.arange(40.0).reshape(20, 2))
    assert seen.again()
    seen.update(np.arange(40.0).reshape(20, 2)[:7])
    with pytest.raises(ValueError, match="changed between two looks"):
        seen.again()


@given(values=wide_columns)
def test_a_sum_is_rounded_once(values):
    seen = new({"fn": "sum"})
    seen.update(values)
    assert seen.value().tolist() == [float(sum(map(Fraction, column))) for column in values.T]


def test_the_least_floats_add_up_too():
    seen = new({"fn": "sum"})
    values = np.array([[5e-324, -5e-324], [5e-324, 2.0**-1022], [1e-308, 1e240]])
    np.testing.assert_array_equal(seen.running(values)[1:], [[1e-323, 2.0**-1022 - 5e-324],
                                                             [1e-323 + 1e-308, 1e240]])  # fmt: skip
    seen.update(values)
    assert seen.value().tolist() == [2e-323 + 2e-308, 2e240]


@given(
    values=st.lists(st.integers(0, 1000), min_size=2, max_size=30),
    step=st.sampled_from([1e-6, 1e-9, 1e-13]),
)
def test_the_variation_of_what_hardly_varies_is_not_lost(values, step):
    """Where the sums of squares differ in the last of their bits, or beyond them."""
    column = 3.0 + step * np.array(values)
    seen = new({"fn": "variation"}, 1)
    seen.update(column[:, np.newaxis])
    np.testing.assert_allclose(seen.value(), [variation(column.tolist())], rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize("least", [1e160, 1e-160])
def test_where_a_square_is_no_number_the_variation_is_no_pass(least):
    seen = new({"fn": "variation"}, 1)
    assert seen.running(np.array([[1.0], [1.0], [least]])).tolist()[1:] == [[0.0], [math.inf]]
    assert seen.value().tolist() == [math.inf]


def test_what_is_kept_does_not_grow_with_the_samples():
    """A quantile of ten times as many samples takes no more memory, in every look."""

    def peak(rows):
        tracemalloc.start()
        seen, is_first = new({"fn": "quantile", "q": 0.9}, kept=2048), True
        while is_first or seen.again():
            is_first = False
            for start in range(0, rows, 1000):
                seen.update(np.sin(np.arange(start, start + 1000.0)).reshape(-1, 2))
        seen.value()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(100_000) < 1.3 * peak(10_000)


@every_aggregate
@given(values=columns, row=st.integers(0, 19), bad=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_one_bad_sample_spoils_its_column_for_good_and_no_other(
    document, reference, values, row, bad
):
    row %= len(values)
    spoiled = values.copy()
    spoiled[row, 0] = bad
    clean, seen = new(document), new(document)
    clean.update(values)
    seen.update(spoiled)
    np.testing.assert_array_equal(seen.value()[0], bad)
    np.testing.assert_array_equal(seen.value()[1], clean.value()[1])


@every_running
@given(values=columns, row=st.integers(0, 19), bad=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_bad_sample_spoils_what_comes_after_it_alone(document, reference, values, row, bad):
    row %= len(values)
    spoiled = values.copy()
    spoiled[row, 0] = bad
    running = new(document).running(spoiled)
    np.testing.assert_array_equal(running[row:, 0], bad)
    assert np.isfinite(running[:row, 0]).all() or document["fn"] in {"slope", "variation"}


@every_aggregate
def test_the_first_bad_sample_is_kept_through_a_merge(document, reference):
    left, right = new(document, 1), new(document, 1)
    left.update(np.array([[1.0]]))
    right.update(np.array([[math.inf], [math.nan]]))
    left.merge(right)
    assert left.value().tolist() == [math.inf]
    right.merge(left)
    assert right.value().tolist() == [math.inf]


@every_aggregate
def test_no_sample_has_no_value(document, reference):
    empty = new(document)
    empty.update(np.empty((0, 2)))
    assert not empty.again()
    other = new(document)
    other.merge(empty)
    with pytest.raises(ValueError, match="no sample"):
        other.value()


@every_aggregate
def test_overflow_is_no_pass(document, reference):
    seen = new(document, 1)
    seen.update(np.array([[1e308], [1e308], [1e308]]))
    value = seen.value()[0]
    harmless = {1e308, 0.0} | ({3.0} if document["fn"] == "count" else set())
    assert value in harmless or not math.isfinite(value)
