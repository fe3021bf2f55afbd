"""SIGTERM, as a scheduler sends it: the steps are on the disk, and the process ends as before.

The trainings that get one are processes of their own, see `terminated_trainings.py`.
"""

import json
import signal
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gradgate.training import instrument


@pytest.fixture(scope="module")
def ended(tmp_path_factory, run_alone):
    """Returns how a training ended: exit code, what it noted, and the folder of its record."""
    folder = tmp_path_factory.mktemp("terminated")
    done = run_alone(Path(__file__).with_name("terminated_trainings.py"), folder)
    found = json.loads(done.stdout.splitlines()[-1])

    def one(name):
        return found[name]["code"], found[name]["notes"], folder / name / "record"

    one.log = lambda name: found[name]["log"]
    return one


def steps_on_disk(record):
    """Returns the steps in all parts, readable while the training runs."""
    paths = sorted((record / "parts").iterdir())
    return [step for path in paths for step in pq.read_table(path)["step"].to_pylist()]


def test_all_finished_batches_are_on_disk_and_the_process_dies_by_the_signal(ended):
    code, notes, record = ended("from outside")
    assert code == -signal.SIGTERM
    # Python runs a handler between two of its own instructions: a batch may have been finished
    # that was not noted yet.
    steps = steps_on_disk(record)
    assert len(notes) <= len(steps) <= len(notes) + 1
    assert steps == list(range(len(steps)))
    assert not (record / "manifest.json").exists()
    assert "gradgate: SIGTERM: saving the health record" in ended.log("from outside")


def test_a_training_that_was_told_to_go_is_resumed_as_a_killed_one(ended, read):
    assert ended("default")[:2] == (-signal.SIGTERM, "." * 13)
    code, notes, _ = ended("resumed")
    assert (code, len(notes)) == (0, 16)  # from the backup after 8 of 24
    (record, steps), (whole, wanted) = read(ended("default")[2]), read(ended("whole")[2])
    assert steps.step.tolist() == list(range(24))
    assert steps.loss.tolist() == wanted.loss.tolist()
    assert record.summary == whole.summary
    assert [each.at_step for each in record.manifest.resumes] == [8]
    assert record.manifest.planned_steps == 24


def test_a_signal_that_comes_while_a_part_is_written_waits_for_the_part(ended):
    code, notes, record = ended("while written")
    assert (code, notes) == (-signal.SIGTERM, "." * 8)
    assert steps_on_disk(record) == list(range(8))


def test_a_signal_that_comes_while_a_function_is_traced_loses_nothing(ended):
    code, notes, record = ended("while traced")
    assert (code, notes) == (-signal.SIGTERM, "." * 8)
    assert steps_on_disk(record) == list(range(8))


def test_a_signal_that_comes_while_the_record_is_finished_waits_for_it(ended, read):
    code, notes, record = ended("while finished")
    assert (code, notes) == (-signal.SIGTERM, "." * 24)
    assert len(read(record)[1]) == 24


def test_a_handler_of_the_user_is_called_and_may_end_the_training(ended, read):
    code, notes, record = ended("leaving")
    assert (code, notes) == (3, "." * 13 + "h")
    manifest = read(record)[0].manifest
    assert (manifest.observed_steps, manifest.status) == (13, "failed")
    assert manifest.status_message == "SystemExit: 3"


@pytest.mark.parametrize(("name", "called"), [("staying", 1), ("ignoring", 0)])
def test_a_training_that_its_user_lets_go_on_goes_on(ended, read, name, called):
    code, notes, record = ended(name)
    assert (code, notes.count("h"), notes.count(".")) == (0, called, 24)
    assert len(read(record)[1]) == 24
    assert read(record)[0].manifest.status == "completed"


def test_what_handled_the_signal_before_does_so_again_after_the_guard(line, record_dir):
    before = signal.getsignal(signal.SIGTERM)
    with instrument(line(), record_dir):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_handler_that_replaced_ours_stays(line, record_dir):
    before = signal.getsignal(signal.SIGTERM)
    try:
        with instrument(line(), record_dir):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_in_a_thread_no_handler_is_set(line, record_dir, read):
    before, seen = signal.getsignal(signal.SIGTERM), []

    def train():
        model = line()
        with instrument(model, record_dir):
            seen.append(signal.getsignal(signal.SIGTERM))
            model.fit(line.x, line.y, verbose=0)
        seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [before, before]
    assert len(read(record_dir)[1]) == 1
