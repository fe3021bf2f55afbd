"""Fuzzing of the four readers: only documented errors, in bounded time and memory.

`fuzz.py` has the corpus and the mutations; here it runs a fixed number of cases with a fixed seed.
`make fuzz` runs it for long with a new seed.
"""

import contextlib
import tracemalloc

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.gate import PolicyError, load_policy, load_waivers
from gradgate.gate.read_verdict import VerdictError, read_verdict
from gradgate.telemetry.reader import RecordError, open_record

SEED = 4
CASES = {"policy": 300, "waivers": 500, "record": 400, "verdict": 600}  # some 5 s each
MOST_BYTES = 200_000_000


@pytest.fixture(scope="module")
def fuzz(program):
    return program("fuzz")


@pytest.mark.parametrize("reader", CASES)
def test_mutants_are_taken_or_refused_in_words(fuzz, tmp_path, reader):
    print(f"seed {SEED}")
    tally = fuzz.run(reader, tmp_path, seed=SEED, cases=CASES[reader])
    assert sum(tally.values()) == CASES[reader]
    taken = sum(count for what, count in tally.items() if what.startswith("taken"))
    # A fuzzer whose mutants all break off at the first byte tests nothing else.
    assert taken > CASES[reader] // 20, tally
    assert taken < CASES[reader], tally


@pytest.mark.parametrize("reader", CASES)
def test_the_corpus_takes_no_more_memory_than_it_may(fuzz, tmp_path, reader):
    fuzz.MOST_SECONDS, before = 5.0, fuzz.MOST_SECONDS  # the memory is traced
    tracemalloc.start()
    try:
        tally = fuzz.run_corpus(reader, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        fuzz.MOST_SECONDS = before
    assert peak < MOST_BYTES
    assert pa.total_allocated_bytes() < MOST_BYTES
    assert len(tally) > 1


def test_a_case_is_the_same_whenever_it_is_made(fuzz, tmp_path):
    reader = fuzz.PolicyReader(tmp_path)
    one, other = (reader.case(fuzz.random.Random("7 policy 3")) for _ in range(2))
    assert one == other


anything = st.one_of(st.binary(max_size=300), st.text(max_size=150).map(str.encode))


@given(data=anything)
def test_any_bytes_are_no_policy(data):
    with pytest.raises(PolicyError):
        load_policy(data)


@given(data=anything)
def test_any_bytes_are_no_waivers(small_policy, data):
    with pytest.raises(PolicyError):
        load_waivers(data, small_policy)


@pytest.fixture(scope="module")
def record(tmp_path_factory, fuzz):
    reader = fuzz.RecordReader(tmp_path_factory.mktemp("record"))
    with contextlib.suppress(AssertionError):
        reader.read(reader.bases[0])
    return reader.folder


@given(data=anything)
@pytest.mark.parametrize(
    "name", ["manifest.json", "model.json", "summary.json", "parts/00000.parquet"]
)
def test_any_bytes_are_no_file_of_a_record(record, name, data):
    path = record / name
    whole = path.read_bytes()
    path.write_bytes(data)
    try:
        with pytest.raises(RecordError):
            list(open_record(record).batches())
    finally:
        path.write_bytes(whole)


@given(data=anything)
def test_any_bytes_are_no_verdict(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    with pytest.raises(VerdictError):
        read_verdict(path)
