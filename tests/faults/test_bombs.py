"""Row 25: small files that unpack to much, and manifests and schemas that lie.

Each of these records has the right digests, as whoever runs the training could write them: what
they claim is refused before it is unpacked.
"""

import json
import time
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradgate.contracts import parse_json, sha256
from gradgate.contracts.health import manifest_digest
from gradgate.telemetry.columns import to_table
from gradgate.telemetry.reader import RecordError, open_record

MOST = 200_000_000


def seal(record, **changes):
    """Makes the manifest fit the files again, and changes fields of it."""
    path = record / "manifest.json"
    document = parse_json(path.read_bytes())
    for file in (*document["parts"], document["card"], document["summary"]):
        data = (record / file["path"]).read_bytes()
        file.update(size=len(data), sha256=sha256(data))
    document.update(changes)
    document["digest"] = manifest_digest(document)
    path.write_text(json.dumps(document))


def read_all(record):
    return list(open_record(record).batches())


def refusal(record):
    """How a record is refused, in bounded time and memory."""
    tracemalloc.start()
    before, start = pa.default_memory_pool().max_memory() or 0, time.process_time()
    with pytest.raises(RecordError) as caught:
        read_all(record)
    took, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 2  # with the memory traced
    assert peak < MOST
    after = pa.default_memory_pool().max_memory() or 0
    assert after <= max(before, MOST)
    assert caught.value.code in {"T-CORRUPT", "T-TRUNCATED", "T-OVERLAP"}
    return caught.value.message


@pytest.fixture
def table(make_steps):
    return to_table(make_steps())


@pytest.fixture
def with_part(make_record):
    """Writes a record whose one part is this table."""

    def write(table, **options):
        record = make_record()
        pq.write_table(table, record / "parts/00000.parquet", compression="zstd", **options)
        seal(record)
        return record

    return write


def in_place_of(table, name, column):
    return table.set_column(table.schema.get_field_index(name), name, column)


def test_the_whole_record_is_sound(with_part, table):
    (batch,) = read_all(with_part(table))
    assert len(batch) == 6


def test_many_steps_where_the_manifest_says_six(with_part, make_steps):
    record = with_part(to_table(make_steps(300_000)))
    assert refusal(record) == "parts/00000.parquet: has 300000 rows, the manifest says 6."


def test_a_list_of_a_million_numbers_a_step(with_part, table):
    zeros = pa.array(np.zeros(6_000_000, np.float32))
    lists = pa.ListArray.from_arrays(pa.array(np.arange(7, dtype=np.int32) * 1_000_000), zeros)
    record = with_part(in_place_of(table, "norms", lists))
    assert (record / "parts/00000.parquet").stat().st_size < 100_000
    assert "column norms.list." in refusal(record)
    assert "holds 6000000 values in" in refusal(record)


def test_a_text_of_a_hundred_megabytes_in_a_column_of_its_own(with_part, table):
    text = pa.array(["x" * 100_000_000] + [""] * 5)
    record = with_part(table.append_column("more", text))
    assert (record / "parts/00000.parquet").stat().st_size < 100_000
    assert refusal(record).startswith("parts/00000.parquet: column more holds 6 values in 1000")


def test_a_column_that_nobody_knows_is_left_out(with_part, table):
    """A newer minor version may add one."""
    newer = table.append_column("more", pa.array([{"a": [1]}] * 6))
    (batch,) = read_all(with_part(newer))
    assert len(batch) == 6


LIES = {
    "float64 for float32": (
        lambda table: in_place_of(table, "loss", table["loss"].cast(pa.float64())),
        "column loss has type double, expected float",
    ),
    "a text": (
        lambda table: in_place_of(table, "loss", pa.array(["0.1"] * 6)),
        "column loss has type string, expected float",
    ),
    "a missing column": (
        lambda table: table.drop_columns("norms") if hasattr(table, "drop_columns") else
        table.drop(["norms"]),
        "column norms is missing",
    ),
    "an empty value": (
        lambda table: in_place_of(table, "loss", pa.array([None] * 6, pa.float32())),
        "column loss has 6 empty values",
    ),
    "lists that are too short": (
        lambda table: in_place_of(table, "norms", pa.array([[]] * 6, pa.list_(pa.float32()))),
        "column norms has rows of other than 1 values",
    ),
    "steps that stand twice": (
        lambda table: in_place_of(table, "step", pa.array([0, 0, 1, 2, 3, 4])),
        "steps do not rise by 1 from 0",
    ),
    "steps of another part": (
        lambda table: in_place_of(table, "step", pa.array(range(7, 13))),
        "begins at step 7, expected 0",
    ),
    "too few rows": (lambda table: table.slice(0, 5), "has 5 rows, the manifest says 6"),
    "no rows": (lambda table: table.slice(0, 0), "has 0 rows, the manifest says 6"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_schema_that_lies(with_part, table, name):
    change, message = LIES[name]
    assert message in refusal(with_part(change(table)))


def part_says(**changes):
    return lambda document: {"parts": [{**document["parts"][0], **changes}]}


@pytest.mark.parametrize(
    "lie",
    [
        part_says(size=1),
        part_says(size=10**300),
        part_says(sha256="sha256:0"),
        part_says(rows=7),
        part_says(rows=10**15, last_step=10**15 - 1),
        part_says(first_step=1, last_step=6),
        part_says(path="parts/00001.parquet"),
        part_says(path="parts/\0"),
        part_says(path="x" * 5000),
        part_says(path="\x1b[2J"),
        part_says(path="."),
        lambda document: {"observed_steps": 10**300},
        lambda document: {"parts": []},
        lambda document: {"card": None},
        lambda document: {"summary": {**document["summary"], "path": "a\0b"}},
        lambda document: {"card": {**document["card"], "path": "y" * 300}},
    ],
)
def test_a_manifest_that_lies(make_record, lie):
    record = make_record()
    seal(record)
    document = parse_json((record / "manifest.json").read_bytes())
    document.update(lie(document))
    document["digest"] = manifest_digest(document)
    (record / "manifest.json").write_text(json.dumps(document))
    refusal(record)


@pytest.mark.parametrize("number", [10**15, 10**300])
def test_a_plan_that_is_absurd_is_not_fulfilled(make_record, verdict_on, number):
    record = make_record()
    seal(record, planned_steps=number)
    assert verdict_on(record).headline.startswith("BLOCK T-COVERAGE: 6 of 1")


def test_a_number_of_more_digits_than_a_float_has_is_refused(make_record):
    record = make_record()
    path = record / "manifest.json"
    path.write_bytes(
        path.read_bytes().replace(b'"planned_steps":6', b'"planned_steps":' + b"9" * 400)
    )
    with pytest.raises(RecordError, match="a number of 400 digits"):
        open_record(record)


@pytest.mark.parametrize("depth", [50, 200, 600, 900, 950, 980, 990, 995, 1000, 5000, 100_000])
def test_a_document_of_any_depth_is_refused_in_words(make_record, depth):
    record = make_record()
    path = record / "manifest.json"
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    path.write_bytes(path.read_bytes().replace(b'"planned_steps":6', b'"planned_steps":' + nested))
    assert refusal(record).startswith("manifest.json: ")


def test_a_file_beyond_any_record_is_not_read(make_record):
    record = make_record()
    with (record / "parts/00000.parquet").open("r+b") as file:
        file.truncate(1 << 40)
    assert "has 1099511627776 bytes, more than any such file" in refusal(record)
