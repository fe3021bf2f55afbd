"""`gradgate sync` where nothing can be sent; that it sends is tested with the tracking server."""

import json
import os

import pytest

from gradgate.contracts import Tracking
from gradgate.telemetry.sinks.mlflow_outbox import Job, Outbox


def job(**changes):
    fields = {"tracking": Tracking(run_name="taxi"), "training_uid": "0a1b2c3d4e", "started_ms": 0}
    return Job(what="training", **fields | changes)


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "workspace" / "mlflow")


def test_an_empty_outbox_is_well(run_cli, outbox):
    answer = run_cli("sync")  # in the current directory's workspace
    assert (answer.returncode, answer.stdout) == (0, "nothing to send\n")


def test_what_is_left_is_named_with_its_reason(run_cli, outbox):
    outbox.put(job())
    with outbox.sending():
        (outbox.folder / "sender.lock").write_text("")  # it does not say who it is
        answer = run_cli("sync", outbox.folder, "--timeout", "0")
    assert answer.returncode == 12
    assert answer.stdout == (
        "left       the record of taxi (0a1b2c3d): another sender is at work and does not let go\n"
        "0 sent, 1 left\n"
    )


def test_what_was_set_aside_is_listed_and_can_be_taken_up_again(run_cli, outbox):
    outbox.set_aside(outbox.put(job()), "T-MISSING: there is no health record.")
    answer = run_cli("sync", outbox.folder.parent)
    assert answer.returncode == 0
    assert answer.stdout.splitlines() == [
        "set aside  the record of taxi (0a1b2c3d): T-MISSING: there is no health record.",
        "When the cause is gone: gradgate sync --retry-failed",
        "nothing to send",
    ]
    with outbox.sending():
        (outbox.folder / "sender.lock").write_text("")
        answer = run_cli("sync", "--retry-failed", "--format", "json", "--timeout", "0")
    assert answer.returncode == 12
    assert [about["what"] for about in json.loads(answer.stdout)["left"]] == ["training"]


def test_a_training_elsewhere_is_left_alone(run_cli, outbox):
    begun = job(process="another-host/1/2").model_copy(update={"what": "begin"})
    outbox.done(outbox.put(begun), begun)
    answer = run_cli("sync")
    assert (answer.returncode, answer.stdout.splitlines()) == (
        0,
        ["running    taxi (0a1b2c3d) on another machine", "nothing to send"],
    )


def test_a_folder_without_an_outbox_is_refused_with_the_remedy(run_cli, tmp_path):
    answer = run_cli("sync", tmp_path)
    assert answer.returncode == 2
    assert "there is no outbox here. Name the workspace" in answer.stderr


def test_a_record_whose_outbox_is_gone_says_so(run_cli, tmp_path):
    (tmp_path / "tracking.json").write_text(json.dumps({"folder": os.fspath(tmp_path / "gone")}))
    answer = run_cli("sync", tmp_path)
    assert answer.returncode == 2
    assert "no outbox" in answer.stderr
