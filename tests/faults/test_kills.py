"""Rows 3, 4, 5, 17, 28: killed at every file operation and at random moments, stopped, at once.

What is killed is a fork of `kills.py`, which imports what it needs once.
"""

import json
import shutil
from pathlib import Path

import pytest

KILLS = 40  # at random moments, besides the one at each operation


@pytest.fixture(scope="module")
def run(tmp_path_factory, small_policy_text, newest_release, write_record, run_alone):
    """Returns how often what was found in a scenario; all of them run in one process."""
    folder = tmp_path_factory.mktemp("kills")
    for name in ("record", "model"):
        shutil.copytree(newest_release / name, folder / name)
    (folder / "policy.yaml").write_text(small_policy_text)
    write_record(folder / "small")
    done = run_alone(Path(__file__).with_name("kills.py"), folder)
    found = json.loads(done.stdout)

    def run(name):
        assert "error" not in found[name], found[name]["error"] + done.stderr
        return found[name]

    return run


def test_a_training_killed_between_export_and_manifest_is_blocked_and_goes_on(run):
    found = run("record")
    assert found["blocked"] > 25
    assert found["whole"] >= 1


def test_a_killed_gate_leaves_a_whole_verdict_or_none(run):
    found = run("verdict")
    assert found["absent"] >= 4
    assert found["absent"] + found["whole"] > 15 + KILLS


def test_a_killed_check_leaves_the_old_verdict_or_the_new_one_or_none(run):
    found = run("check")
    assert {"absent", "old", "new"} <= set(found)
    assert sum(found.values()) > 15 + KILLS


def test_a_killed_push_leaves_a_whole_version_or_none(run):
    found = run("push")
    assert found["nothing"] > 10
    assert found["served"] >= 1


def test_two_gates_and_a_pusher_at_once_fifty_times(run):
    assert sum(run("together").values()) == 50


def test_a_gate_with_too_little_memory_blesses_nothing(run):
    found = run("memory")
    assert found["clean"] >= 1
    assert found["clean"] < 14


def test_bytes_that_kill_arrow_leave_no_verdict(run):
    found = run("arrow")
    assert sum(found.values()) == 50
    assert found["block"] > 15


def test_a_writer_that_was_stopped_for_a_while_writes_on(run):
    assert run("stalled")["stopped"] > 5
