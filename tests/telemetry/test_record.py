"""What is written comes back; what was damaged does not come back as something else."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from gradgate.contracts import bind_tree, parse_json
from gradgate.contracts.health import manifest_digest
from gradgate.telemetry.reader import RecordError, open_record
from gradgate.telemetry.writer import RecordWriter


def read_all(directory):
    record = open_record(directory)
    return record, list(record.batches())


def test_steps_come_back_as_they_were_written(finished, batch, assert_same):
    _, batches = read_all(finished)
    assert_same(batches, [batch(0, 13), batch(13, 10)])


def test_statistics_without_histograms_come_back_without(tmp_path, card, batch):
    steps = batch(0, 5)
    plain = dataclasses.replace(steps.statistics, histogram=None)
    writer = RecordWriter(tmp_path)
    writer.begin(card)
    writer.append(dataclasses.replace(steps, statistics=plain))
    writer.finalize(training_uid="t", status="completed", instrumented=True)
    _, (found,) = read_all(tmp_path)
    assert found.statistics.histogram is None


def test_non_finite_numbers_are_kept(tmp_path, card, batch):
    steps = batch(0, 4)
    steps.loss[:] = [np.nan, np.inf, -np.inf, 1]
    steps.norms[2, 1] = np.nan
    writer = RecordWriter(tmp_path)
    writer.begin(card)
    writer.append(steps)
    writer.finalize(training_uid="t", status="completed", instrumented=True)
    record, (found,) = read_all(tmp_path)
    np.testing.assert_array_equal(found.loss, steps.loss)
    np.testing.assert_array_equal(found.norms, steps.norms)
    assert record.summary.nonfinite_loss_steps == 3
    assert record.summary.nonfinite_gradient_steps == 1
    assert [v.first_nonfinite_step for v in record.summary.variables] == [None, 2, None]


def test_a_run_that_was_never_instrumented_says_so(tmp_path):
    RecordWriter(tmp_path).finalize(training_uid="t", status="completed", instrumented=False)
    record, batches = read_all(tmp_path)
    assert batches == []
    assert not record.manifest.instrumented
    assert record.manifest.observed_steps == 0


def test_a_loss_that_nobody_showed_is_not_summarised(tmp_path, card, batch):
    writer = RecordWriter(tmp_path)
    writer.begin(card.model_copy(update={"loss_measured": False}))
    steps = batch(0, 4)
    steps.loss[:] = np.nan
    writer.append(steps)
    writer.finalize(training_uid="t", status="completed", instrumented=True)
    summary = open_record(tmp_path).summary
    assert summary.nonfinite_loss_steps == 0
    assert summary.loss.count == summary.loss.nonfinite == 0


def test_long_runs_are_written_in_parts_while_they_run(tmp_path, card, batch):
    writer = RecordWriter(tmp_path)
    writer.begin(card)
    for first in range(0, 9000, 1000):
        writer.append(batch(first, 1000))
    assert len(list((tmp_path / "parts").iterdir())) == 1  # 5,000 rows are on disk already
    with pytest.raises(RecordError, match="the last step on disk is 4999") as caught:
        open_record(tmp_path)
    assert caught.value.code == "T-UNFINALIZED"


@pytest.mark.parametrize(
    "name", ["manifest.json", "model.json", "summary.json", "parts/00000.parquet"]
)
def test_truncation_at_any_byte_is_noticed(finished, name):
    path = finished / name
    whole = path.read_bytes()
    for length in range(0, len(whole), 1 + len(whole) // 2000):
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError) as caught:
            read_all(finished)
        assert caught.value.code in {"T-TRUNCATED", "T-CORRUPT", "T-UNFINALIZED"}


@pytest.mark.parametrize(
    "name", ["manifest.json", "model.json", "summary.json", "parts/00000.parquet"]
)
def test_a_flipped_bit_is_noticed(finished, name):
    path = finished / name
    whole = path.read_bytes()
    for bit in np.random.default_rng(0).choice(len(whole) * 8, 300, replace=False).tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(RecordError):
            read_all(finished)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("manifest.json", "T-UNFINALIZED"),
        ("model.json", "T-TRUNCATED"),
        ("summary.json", "T-TRUNCATED"),
        ("parts/00001.parquet", "T-TRUNCATED"),
    ],
)
def test_a_missing_file_is_noticed(finished, name, code):
    (finished / name).unlink()
    with pytest.raises(RecordError) as caught:
        read_all(finished)
    assert caught.value.code == code


def test_a_missing_record_is_said_to_be_missing(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RecordError, match="no health record") as caught:
            open_record(folder)
        assert caught.value.code == "T-MISSING"


def edit_manifest(record, **changes):
    document = parse_json((record / "manifest.json").read_bytes())
    document.update(changes)
    document["digest"] = manifest_digest(document)
    (record / "manifest.json").write_text(json.dumps(document))


def test_a_newer_major_version_is_refused_and_a_newer_minor_one_is_read(finished):
    edit_manifest(finished, schema_version="1.9", something_new=1)
    assert open_record(finished).manifest.schema_version == "1.9"
    edit_manifest(finished, schema_version="2.0")
    with pytest.raises(RecordError, match=r"written in version 2\.0; this gradgate reads up to"):
        open_record(finished)


def test_an_edited_manifest_is_noticed(finished):
    document = parse_json((finished / "manifest.json").read_bytes())
    document["planned_steps"] = 5
    (finished / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(RecordError, match="damaged or edited"):
        open_record(finished)


def test_fewer_parts_than_steps_is_noticed(finished):
    document = parse_json((finished / "manifest.json").read_bytes())
    edit_manifest(finished, parts=document["parts"][:1])
    with pytest.raises(RecordError, match=r"says 23 steps, its parts hold 13") as caught:
        open_record(finished)
    assert caught.value.code == "T-TRUNCATED"


def test_a_part_that_is_listed_twice_is_noticed(finished):
    document = parse_json((finished / "manifest.json").read_bytes())
    edit_manifest(finished, parts=[document["parts"][0]] * 2)
    with pytest.raises(RecordError, match="step 0 stands twice") as caught:
        open_record(finished)
    assert caught.value.code == "T-OVERLAP"


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd"])
def test_a_manifest_cannot_lead_out_of_the_record(finished, path):
    document = parse_json((finished / "manifest.json").read_bytes())
    edit_manifest(finished, summary=document["summary"] | {"path": path})
    with pytest.raises(RecordError, match="leads out of the record"):
        open_record(finished)


def test_a_directory_is_not_written_twice(finished, tmp_path):
    with pytest.raises(FileExistsError, match="holds a finished record"):
        RecordWriter(finished)
    shutil.copytree(finished, tmp_path / "cut")
    (tmp_path / "cut" / "manifest.json").unlink()
    with pytest.raises(FileExistsError, match="did not finish"):
        RecordWriter(tmp_path / "cut")


def test_torn_files_of_a_crash_are_swept(tmp_path):
    (tmp_path / "parts").mkdir()
    torn = tmp_path / "parts" / "00000.parquet.partial"
    torn.write_bytes(b"half")
    RecordWriter(tmp_path)
    assert not torn.exists()


def test_the_model_is_bound_by_its_digest(tmp_path, card, batch):
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"graph")
    writer = RecordWriter(tmp_path / "record")
    writer.begin(card)
    writer.append(batch(0, 2))
    bound = bind_tree(model)
    writer.finalize(training_uid="t", status="completed", instrumented=True, model=bound)
    assert open_record(tmp_path / "record").manifest.model == bound


def test_another_models_variables_cannot_go_on_a_record(tmp_path, card):
    writer = RecordWriter(tmp_path)
    writer.begin(card)
    writer.begin(card.model_copy(update={"seed": 7}))  # the same variables: more is known of them
    with pytest.raises(ValueError, match="Start a new record for another model"):
        writer.begin(card.model_copy(update={"variables": card.variables[:1]}))
