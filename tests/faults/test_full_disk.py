"""Row 6: the disk is full at any write of the record, of a verdict, of a pushed copy.

In two ways: the kernel lets no file grow beyond so many bytes, for every number of bytes that
matters; and each file operation in turn fails, until none is left that could.
"""

import errno

import pytest

from gradgate.cli.exits import Exit
from gradgate.contracts import Verdict, bind_tree
from gradgate.gate.read_verdict import VERDICT, VerdictError, read_verdict
from gradgate.gate.report_files import report_files
from gradgate.telemetry.durable import write_durably
from gradgate.telemetry.reader import RecordError, open_record
from gradgate.telemetry.writer import RecordWriter
from gradgate.tfx.pusher.checks import Blessing
from gradgate.tfx.pusher.verified_push import push

SIZES = [0, 1, 100, *range(400, 16_000, 1700)]


def left_behind(folder):
    return [path.name for path in folder.rglob("*.partial")]


@pytest.fixture
def train(tmp_path, make_steps, make_card):
    """Writes a record in three stretches; every stretch that fails is tried once more."""
    number = iter(range(10_000))

    def train(disturbed):
        folder = tmp_path / f"record-{next(number)}"
        writer = None

        def begin():
            nonlocal writer
            writer = RecordWriter(folder)

        def flush():
            writer.flush()

        def finish():
            writer.finalize(
                training_uid="small",
                status="completed",
                instrumented=True,
                planned_steps=6,
                final_weight_nonfinite={"net/dense/kernel": 0},
            )

        steps = [begin, lambda: writer.begin(make_card())]
        for first in (0, 2, 4):
            steps.append(lambda first=first: writer.append(make_steps(2, first)))
            steps.append(flush)
        steps.append(finish)
        done = 0
        with disturbed:
            for step in steps:
                try:
                    step()
                except OSError as error:
                    assert error.errno in {errno.ENOSPC, errno.EFBIG}
                    break
                done += 1
        return folder, steps[done:], len(steps) - done

    return train


def is_finished(folder):
    try:
        return len([step for batch in open_record(folder).batches() for step in batch.step]) == 6
    except RecordError as error:
        assert error.code in {"T-MISSING", "T-UNFINALIZED"}
        return False


def test_no_byte_beyond_the_end_of_the_disk(train, no_file_above, verdict_on):
    finished = []
    for size in SIZES:
        folder, left, failures = train(no_file_above(size))
        assert is_finished(folder) == (not failures)
        assert verdict_on(folder).decision == ("block" if failures else "ok")
        assert left_behind(folder) == []
        for step in left:  # there is room again, and the same process goes on
            step()
        assert is_finished(folder)
        assert verdict_on(folder).decision == "ok"
        finished.append(not failures)
    assert finished[0] is False
    assert finished[-1] is True


def test_each_operation_of_the_writer_fails_once(train, trouble, verdict_on):
    for disturbed in trouble.each(errno.ENOSPC):
        folder, left, failures = train(disturbed)
        # The last operation is the fsync of the folder, after which the record is whole.
        assert failures or is_finished(folder)
        for step in left:
            try:
                step()
            except FileExistsError:  # it was finished, but for that fsync
                assert is_finished(folder)
        assert is_finished(folder)
        assert verdict_on(folder).decision == "ok"
        assert left_behind(folder) == []
    assert trouble.seen > 20


def test_rows_of_a_part_that_could_not_be_written_are_not_lost(
    tmp_path, make_steps, make_card, no_file_above
):
    writer = RecordWriter(tmp_path / "record")
    writer.begin(make_card())
    writer.append(make_steps(3))
    with no_file_above(100), pytest.raises(OSError, match="File too large"):
        writer.flush()
    assert writer.steps == 3
    writer.append(make_steps(3, 3))
    writer.finalize(training_uid="small", status="completed", instrumented=True)
    assert is_finished(tmp_path / "record")


# --- Verdicts -------------------------------------------------------------------------------------
@pytest.fixture
def verdict(make_record, verdict_on):
    return verdict_on(make_record())


def absent_or_whole(path, verdict):
    """A verdict is absent, or complete and valid."""
    try:
        found = read_verdict(path)
    except VerdictError as error:
        assert error.kind == "missing"
        return False
    assert found.document() == verdict.document()
    return True


def test_a_verdict_artifact_on_a_full_disk(tmp_path, verdict, no_file_above, trouble):
    def write(folder):
        folder.mkdir()
        for name, data in report_files(verdict, policy="policy", waivers="waivers"):
            write_durably(folder / name, data)
        write_durably(folder / "BLESSED", b"")

    for size in (*SIZES, 40_000, 80_000):
        folder = tmp_path / f"of {size} bytes"
        try:
            with no_file_above(size):
                write(folder)
        except OSError:
            assert not (folder / "BLESSED").exists()
            absent_or_whole(folder / VERDICT, verdict)
        else:
            assert absent_or_whole(folder / VERDICT, verdict)
        assert left_behind(folder) == []
    for number, disturbed in enumerate(trouble.each(errno.ENOSPC)):
        folder = tmp_path / f"operation {number}"
        try:
            with disturbed:
                write(folder)
        except OSError:
            is_there = absent_or_whole(folder / VERDICT, verdict)
            assert is_there or not (folder / "BLESSED").exists()
        else:
            assert absent_or_whole(folder / VERDICT, verdict)


def test_the_verdict_of_check_on_a_full_disk(
    call, make_record, small_policy_text, tmp_path, no_file_above
):
    record, out = make_record(), tmp_path / "verdict.json"
    (tmp_path / "policy.yaml").write_text(small_policy_text)
    line = ("check", record, "--training-only", "--policy", "policy.yaml", "--format", "json")
    line = (*line, "--as-of", "2026-11-23T05:40:00Z", "--out", out)
    statuses = set()
    for size in (0, 1, 1000, 2000, 1_000_000):
        with no_file_above(size):
            done = call(*line)
        statuses.add(done.returncode)
        if done.returncode == Exit.CANNOT_JUDGE:
            assert done.stderr == f"cannot write --out {out}: File too large\n"
            assert not out.exists()
        assert left_behind(tmp_path) == []
    assert statuses == {Exit.CANNOT_JUDGE, Exit.OK}
    whole = out.read_bytes()
    Verdict.model_validate_json(whole)
    with no_file_above(1000):  # what was there is not lost
        assert call(*line).returncode == Exit.CANNOT_JUDGE
    assert out.read_bytes() == whole
    done = call(*line[:-1], "/dev/full")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stderr == "cannot write --out /dev/full: No space left on device\n"
    assert call(*line[:-1], "/dev/null").returncode == Exit.OK


# --- Pushes ---------------------------------------------------------------------------------------
@pytest.fixture
def blessed(released, verdict_on):
    """A model with its verdict and blessing, as the gate left them."""
    verdict = verdict_on(released.record, released.model, released.policy)
    assert verdict.blessed, verdict.headline
    folder = released.model.parent / "verdict"
    folder.mkdir()
    for name, data in report_files(verdict, policy="policy"):
        (folder / name).write_bytes(data)
    blessing = Blessing(blessed=1, verdict_id=verdict.verdict_id)

    def push_into(serving):
        return push(
            released.model,
            blessings=[blessing],
            verdict_dir=folder,
            base_directory=serving,
            now=1000.0,
        )

    push_into.digest = verdict.subject.model_digest
    return push_into


def served(serving):
    """The digests of what a model server would load."""
    folders = serving.iterdir() if serving.is_dir() else ()
    return [bind_tree(path).digest for path in folders if path.name.isdigit()]


def test_a_push_onto_a_full_disk(blessed, tmp_path, no_file_above):
    outcomes = set()
    for size in (0, 1, 50, 100, 200, 400, 800, 1600, 100_000):
        serving = tmp_path / f"serving-{size}"
        try:
            with no_file_above(size):
                pushed = blessed(serving).pushed
        except OSError:
            pushed = False
        outcomes.add(pushed)
        assert served(serving) == ([blessed.digest] if pushed else [])
        assert not list(serving.glob(".incoming-*"))
    assert outcomes == {False, True}


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
def test_each_operation_of_a_push_fails_once(blessed, tmp_path, trouble, error):
    remarks = 0
    for number, disturbed in enumerate(trouble.each(error)):
        serving = tmp_path / f"serving-{number}"
        try:
            with disturbed:
                record = blessed(serving)
        except OSError:
            assert served(serving) == []
            continue
        assert served(serving) == ([blessed.digest] if record.pushed else [])
        remarks += record.pushed and ";" in record.reason
    assert trouble.seen > 30
    assert remarks  # what failed after the model was served is said, and is no error
