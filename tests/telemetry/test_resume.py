"""A training that was killed goes on with its record, wherever it was killed."""

import os
import random
import shutil
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from gradgate.telemetry.reader import RecordError, open_record
from gradgate.telemetry.writer import RecordWriter

STEPS, EVERY = 16, 8
_DEEDS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir"}


class Killed(BaseException):
    """As abrupt as kill -9: nothing in the writer handles it."""


class Killer:
    """Counts what a process does to the files of a folder, and ends it before the nth deed."""

    def __init__(self):
        self.folder, self.left, self.done = None, 0, 0

    def __call__(self, event, arguments):
        if self.folder is None or event not in _DEEDS:
            return
        if event == "open" and not set(arguments[1] or "r") & set("wax+"):
            return
        is_relative = event in {"os.remove", "os.rmdir"}  # as in shutil.rmtree
        if is_relative or str(arguments[0]).startswith(self.folder):
            self.done += 1
            if self.done == self.left:
                raise Killed


_killer = Killer()
sys.addaudithook(_killer)  # cannot be removed, so it rests between the tests


@contextmanager
def killed_at(folder, deed):
    _killer.folder, _killer.left, _killer.done = str(folder), deed, 0
    try:
        yield _killer
    except Killed:
        pass
    finally:
        _killer.folder = None


class Training:
    """A training as the guard drives it: its backup is what Keras would bring back."""

    def __init__(self, folder, card, steps, take):
        self.folder, self.card, self.steps, self.take = folder, card, steps, take
        self.backup = 0

    def run(self):
        writer = RecordWriter.resume(self.folder)
        writer.begin_training(writer.training_uid or "t1")
        critic = writer.for_optimizer("critic")
        both, start = (writer, critic), 0
        for each in both:
            checkpoint = each.find_checkpoint(self.backup)
            start = 0 if checkpoint is None else checkpoint.steps
            assert checkpoint is None or checkpoint.state["seen"].tolist() == [start, start + 1]
            seconds = each.rewind(start, "a test")
            assert seconds == (self.steps.seconds[start - 1] if start else 0)
            each.begin(self.card)
        for first in range(start, STEPS, 4):
            last = min(first + 4, STEPS)
            for each in both:
                each.append(self.take(self.steps, first, last))
            if last % 12 == 0:
                writer.flush()
            if last % EVERY == 0:
                for each in both:
                    each.save_checkpoint(last, last, {"seen": np.array([last, last + 1])})
                self.backup = last
        for each in (critic, writer):
            each.finalize(training_uid="t1", status="completed", instrumented=True)


@pytest.fixture
def training(tmp_path, full_card, full_batch, take):
    def training(name):
        return Training(tmp_path / name, full_card, full_batch(0, STEPS), take)

    return training


def finish(training):
    """Starts it again, as an orchestrator does."""
    if not (training.folder / "manifest.json").exists():
        training.run()


def test_killed_anywhere_and_twice_the_record_is_that_of_the_undisturbed_run(
    tmp_path, training, assert_same, monkeypatch
):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a process dies here, not the power
    with killed_at(tmp_path / "whole", 0) as counted:
        training("whole").run()
    whole = open_record(tmp_path / "whole")
    assert whole.manifest.resumes == ()
    deeds = counted.done
    assert deeds > 40
    again = random.Random(0)
    for deed in range(1, deeds + 1):
        folder = tmp_path / "killed"
        killed = training("killed")
        with killed_at(folder, deed):
            killed.run()
        with killed_at(folder, again.randrange(1, 25)):
            finish(killed)
        finish(killed)
        record = open_record(folder)
        for found, wanted in (
            (record, whole),
            (record.optimizers["critic"], whole.optimizers["critic"]),
        ):
            assert_same(found.batches(), wanted.batches())
            assert found.summary == wanted.summary
            assert len(found.manifest.resumes) <= 2
        assert {resume.at_step for resume in record.manifest.resumes} <= set(
            range(0, STEPS + 1, EVERY)
        )
        shutil.rmtree(folder)


def test_restarts_are_marked_and_the_first_beginning_stays(tmp_path, training):
    run = training("record")
    with killed_at(run.folder, 30):
        run.run()
    before = RecordWriter.resume(run.folder)
    assert (before.is_resumed, before.training_uid) == (True, "t1")
    run.run()
    manifest = open_record(run.folder).manifest
    (resume,) = manifest.resumes
    assert resume.reason == "a test"
    assert 0 < resume.at_step < STEPS
    assert manifest.started_at == before.started_at
    assert not (run.folder / "resume").exists()


def test_a_new_directory_begins_anew(tmp_path):
    writer = RecordWriter.resume(tmp_path)
    assert not writer.is_resumed
    assert writer.training_uid is writer.find_checkpoint(0) is None
    assert (writer.steps, writer.rewind(0, "nothing happened")) == (0, 0.0)
    assert writer.finalize(training_uid="t", status="failed", instrumented=False).resumes == ()


def test_a_new_training_takes_no_checkpoint_of_another(tmp_path, card):
    writer = RecordWriter(tmp_path)
    writer.begin_training("t1")
    writer.save_checkpoint(0, 0, {})
    assert RecordWriter(tmp_path).find_checkpoint(0) is None
    assert not (tmp_path / "resume").exists()


def test_a_finished_record_is_not_resumed(finished):
    with pytest.raises(FileExistsError, match="holds a finished record"):
        RecordWriter.resume(finished)


def test_an_unfinished_record_says_how_to_go_on(finished):
    (finished / "manifest.json").unlink()
    with pytest.raises(FileExistsError, match=r"Pass resume=True to gradgate\.instrument to go"):
        RecordWriter(finished)


def test_another_training_cannot_take_the_record(tmp_path):
    RecordWriter(tmp_path).begin_training("t1")
    with pytest.raises(ValueError, match="is the record of training t1; the training t2 needs"):
        RecordWriter.resume(tmp_path).begin_training("t2")


def interrupted(folder, card, batch, lost=0):
    """30 rows in 3 parts, a checkpoint at step 20 (iterations 18: two were skipped)."""
    writer = RecordWriter(folder)
    writer.begin_training("t1")
    writer.begin(card)
    writer.append(batch(0, 10))
    writer.flush()
    writer.append(batch(10 + lost, 10))
    writer.save_checkpoint(18, 20 + lost, {"value": np.float32(0.5)})
    writer.append(batch(20 + lost, 10))
    writer.flush()
    return writer


def test_the_last_checkpoint_at_these_iterations_is_found(tmp_path, card, batch):
    writer = interrupted(tmp_path, card, batch)
    writer.save_checkpoint(18, 30, {"value": np.float32(0.75)})
    found = RecordWriter.resume(tmp_path).find_checkpoint(18)
    assert (found.steps, found.rows, float(found.state["value"])) == (30, 30, 0.75)
    assert writer.find_checkpoint(17) is None


def test_only_the_last_checkpoints_are_kept(tmp_path):
    writer = RecordWriter(tmp_path)
    for step in range(70):
        writer.save_checkpoint(step, step, {"file": np.array([step])})
    assert writer.find_checkpoint(5) is None
    assert writer.find_checkpoint(6).steps == 6
    assert writer.find_checkpoint(69).state["file"].tolist() == [69]


def test_a_state_of_objects_is_refused(tmp_path):
    with pytest.raises(ValueError, match="what holds Python objects"):
        RecordWriter(tmp_path).save_checkpoint(0, 0, {"what": np.array([None])})


def test_a_checkpoint_before_the_last_row_is_refused(tmp_path, card, batch):
    with pytest.raises(ValueError, match="after 29 steps, but step 29 was appended"):
        interrupted(tmp_path, card, batch).save_checkpoint(29, 29, {})


def test_rewinding_drops_later_rows_and_later_checkpoints(tmp_path, card, batch, assert_same):
    writer = interrupted(tmp_path, card, batch)
    writer.save_checkpoint(30, 30, {})
    writer = RecordWriter.resume(tmp_path)
    assert writer.rewind(14, "straddles a part") == batch(13, 1).seconds[0]
    assert (writer.steps, writer.next_step) == (14, 14)
    assert writer.find_checkpoint(18) is writer.find_checkpoint(30) is None
    writer.append(batch(14, 3))
    writer.finalize(training_uid="t1", status="completed", instrumented=True)
    steps = np.concatenate([found.step for found in open_record(tmp_path).batches()])
    np.testing.assert_array_equal(steps, np.arange(17))


def test_a_training_may_be_rewound_in_the_process_that_began_it(tmp_path, card, batch):
    writer = interrupted(tmp_path, card, batch)
    writer.append(batch(30, 5))  # not on disk yet
    writer.rewind(20, "fit was called again")
    writer.append(batch(20, 5))
    manifest = writer.finalize(training_uid="t1", status="completed", instrumented=True)
    assert manifest.observed_steps == 25
    assert [resume.at_step for resume in manifest.resumes] == [20]


def test_steps_that_were_lost_stay_lost(tmp_path, card, batch):
    interrupted(tmp_path, card, batch, lost=3)
    writer = RecordWriter.resume(tmp_path)
    writer.rewind(writer.find_checkpoint(18).steps, "again")
    assert (writer.steps, writer.next_step) == (20, 23)


def test_a_damaged_part_after_the_checkpoint_is_dropped(tmp_path, card, batch):
    interrupted(tmp_path, card, batch)
    (tmp_path / "parts" / "00002.parquet").write_bytes(b"torn")
    (tmp_path / "parts" / "00003.parquet.partial").write_bytes(b"torn")
    writer = RecordWriter.resume(tmp_path)
    writer.rewind(20, "again")
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == [
        "00000.parquet",
        "00001.parquet",
    ]


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_a_gap_before_the_checkpoint_is_refused_and_nothing_is_changed(tmp_path, card, batch, how):
    interrupted(tmp_path, card, batch)
    part = tmp_path / "parts" / "00001.parquet"
    part.write_bytes(b"torn") if how == "damaged" else part.unlink()
    before = sorted(tmp_path.rglob("*"))
    writer = RecordWriter.resume(tmp_path)
    with pytest.raises(ValueError, match=r"10 of the 20 steps before step 20 \(parts/0000"):
        writer.rewind(20, "again")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["model.json", "resume/training.json"])
def test_a_damaged_document_is_refused(tmp_path, card, batch, name):
    interrupted(tmp_path, card, batch)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(ValueError, match="is damaged, so this training cannot go on"):
        RecordWriter.resume(tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path, card, batch):
    interrupted(tmp_path, card, batch)
    (checkpoint,) = (tmp_path / "resume").glob("*.npz")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(ValueError, match="is damaged, so this training cannot go on"):
        RecordWriter.resume(tmp_path).find_checkpoint(18)


def test_steps_without_a_model_card_are_refused(tmp_path, card, batch):
    interrupted(tmp_path, card, batch)
    (tmp_path / "model.json").unlink()
    with pytest.raises(ValueError, match=r"model\.json: is missing"):
        RecordWriter.resume(tmp_path)


def test_a_restart_that_fails_before_it_goes_on_keeps_what_there_was(tmp_path, card, batch):
    interrupted(tmp_path, card, batch)
    (tmp_path / "parts" / "00003.parquet").write_bytes(b"torn")
    writer = RecordWriter.resume(tmp_path)
    writer.finalize(training_uid="t1", status="failed", instrumented=False)
    record = open_record(tmp_path)
    assert sum(len(steps) for steps in record.batches()) == record.manifest.observed_steps == 30
    assert not (tmp_path / "parts" / "00003.parquet").exists()


def test_a_record_that_is_being_gone_on_with_is_not_finished(tmp_path, card, batch):
    interrupted(tmp_path, card, batch)
    RecordWriter.resume(tmp_path).rewind(20, "again")
    with pytest.raises(RecordError, match="the last step on disk is 19") as caught:
        open_record(tmp_path)
    assert caught.value.code == "T-UNFINALIZED"
