"""`pipeline.distributed` in clusters of two and three processes on loopback, and what ends them.

All clusters run once for all tests, in `clusters.py`, which says what happens to which process.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradgate.cli.exits import Exit
from gradgate.telemetry.reader import RecordError, open_record
from gradgate.training.workers import LOST

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.half("first")


@pytest.fixture(scope="session")
def clusters(tmp_path_factory):
    folder, root = tmp_path_factory.mktemp("clusters"), HERE.parents[1]
    places = [str(root / "components"), str(root), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    environment.pop("TF_CONFIG", None)
    script = [sys.executable, HERE / "clusters.py", folder]
    subprocess.run(script, env=environment, check=True, timeout=900)
    return folder


@pytest.fixture
def ended(clusters):
    """Returns the exit statuses of a case, having looked that they are these."""

    def ended(case, **expected):
        codes = json.loads((clusters / case / "ended.json").read_text())
        logs = {path.stem: path.read_text()[-2000:] for path in (clusters / case).glob("*.log")}
        assert codes == {name.replace("_", " "): code for name, code in expected.items()}, logs
        return clusters / case

    return ended


def manifest_of(folder):
    return open_record(folder / "output" / "record").manifest


def test_three_processes_leave_one_sound_record_and_its_model(ended, call):
    folder = ended("three", chief_0=0, worker_0=0, worker_1=0)
    record = open_record(folder / "output" / "record")
    assert record.manifest.status == "completed"
    assert record.manifest.observed_steps == record.manifest.planned_steps == 200
    assert record.card.replica_names == ("chief 0", "worker 0", "worker 1")
    assert [each.name for each in record.summary.replicas] == list(record.card.replica_names)
    assert all(each.norm.count == each.loss.count == 200 for each in record.summary.replicas)
    model = folder / "output" / "model" / "Format-Serving"
    done = call("check", folder / "output" / "record", "--model", model)
    assert done.returncode == Exit.OK, done.stdout


@pytest.mark.parametrize(
    ("case", "codes", "message"),
    [
        (
            "killed",
            {"chief_0": LOST, "worker_0": -9},
            (
                r"worker 0 was lost \(its connection closed without a word, as when it is killed:.*"
                r"\); chief 0 had taken \d\d steps.*"
            ),
        ),
        (
            "stopped",
            {"worker_0": LOST, "worker_1": None},
            (
                r"worker 1 was lost \(not heard for \d+ s: it is stopped, or its machine or network"
                r" is gone\); worker 0 had taken 60 steps.*"
            ),
        ),
        (
            "hanging",
            {"chief_0": LOST, "worker_0": None},
            (
                r"no step for \d+ s: worker 0 hangs at hang in clusters\.py:\d+, outside of a step;"
                r" chief 0 had taken 60 steps"
            ),
        ),
    ],
)
def test_a_worker_that_is_lost_ends_the_run_with_a_record_that_names_it(
    ended, call, case, codes, message
):
    folder = ended(case, **codes)
    manifest = manifest_of(folder)
    assert manifest.status == "failed"
    assert re.fullmatch(message, manifest.status_message), manifest.status_message
    assert 58 <= manifest.observed_steps <= 60  # all that were taken, though nobody took part
    assert manifest.model is None
    assert not (folder / "output" / "model").exists()
    done = call("check", folder / "output" / "record", "--training-only")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stdout.startswith(
        f"BLOCK T-TRAINER-FAILED: the training failed: {manifest.status_message}"
    )


def test_a_chief_that_is_lost_leaves_no_finished_record_and_no_worker_behind(ended, call):
    folder = ended("chief killed", chief_0=-9, worker_0=LOST)
    with pytest.raises(RecordError, match="did not finish its record"):
        open_record(folder / "output" / "record")
    done = call("check", folder / "output" / "record", "--training-only")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stdout.startswith("BLOCK T-UNFINALIZED: ")
    assert (
        "gradgate: chief 0 was lost (its connection closed" in (folder / "worker 0.log").read_text()
    )


def test_without_tf_config_it_trains_alone(clusters, tmp_path, monkeypatch):
    from pipeline import distributed

    monkeypatch.delenv("TF_CONFIG", raising=False)
    distributed.main(["--output", str(tmp_path), "--steps", "3"])
    record = open_record(tmp_path / "record")
    assert record.manifest.observed_steps == 3
    assert record.card.replicas_by_name == ()
