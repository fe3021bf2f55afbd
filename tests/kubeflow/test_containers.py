"""The compiled package, for real: every step in a container of our image, run by `kfp.local`.

`make test-kubeflow` builds the image and runs this. Containers are as a cluster would have them:
not root, a root file system that nobody writes to, and one shared folder.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

IMAGE = os.environ.get("GRADGATE_IMAGE", "")
ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    not IMAGE, reason="needs a Docker engine and our image: make test-kubeflow"
)
PROGRAM = ROOT / "tests" / "kubeflow" / "run_package.py"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The volume of all steps; the containers' user may write to it."""
    folder = Path(os.environ.get("GRADGATE_SHARED") or tmp_path_factory.mktemp("shared"))
    shutil.rmtree(folder, ignore_errors=True)
    for path in (folder, folder / "steps", folder / "place"):
        path.mkdir()
        path.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def package(shared):
    """Compiled here, from the graph that the image itself reads."""
    command = ["python", "-m", "gradgate.kubeflow.read_graph", "pipeline.on_kubeflow:create"]
    graph = subprocess.run(
        ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", IMAGE, *command, "root=/tmp/x"],
        check=True,
        capture_output=True,
        text=True,
    )
    (shared / "graph.json").write_text(graph.stdout)
    golden = json.loads((ROOT / "tests" / "golden" / "kubeflow" / "graph.json").read_text())
    assert json.loads(graph.stdout) == golden
    subprocess.run(
        [
            *(sys.executable, ROOT / "kubeflow" / "compile.py", "--image", IMAGE),
            *("--graph", shared / "graph.json", "--output", shared / "package.yaml"),
        ],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "components")},
    )
    return shared / "package.yaml"


def run(package, shared, **parameters):
    """Runs the package as `kfp.local` does; returns what it said, and whether it was green."""
    given = {
        "root": str(shared / "place"),
        "metadata": f"sqlite://{shared}/place/metadata.sqlite",
        **parameters,
    }
    done = subprocess.run(
        [sys.executable, PROGRAM, package, shared, json.dumps(given)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'components'}:{ROOT}"},
    )
    (shared / f"{parameters['run_id']}.log").write_text(done.stdout + done.stderr)
    became = {}
    for line in done.stdout.splitlines():
        words = line.split("gradgate: ", 1)[-1].split()
        if len(words) == 5 and words[2] == "in" and words[1] in {"done", "cached", "skipped"}:
            became[words[0]] = words[1]
    return became, done.returncode == 0, done.stdout + done.stderr


def versions(shared):
    folder = shared / "place" / "serving" / "chicago_taxi"
    return sorted(path.name for path in folder.iterdir() if path.name.isdigit())


@pytest.fixture(scope="module")
def sound(package, shared):
    return run(package, shared, run_id="first", config="sound")


def test_a_sound_run_is_green_and_its_model_pushed(sound, shared):
    became, is_green, said = sound
    assert is_green, said[-3000:]
    assert set(became.values()) == {"done"}
    assert len(became) == 11
    assert len(versions(shared)) == 1
    (report,) = shared.glob("steps/**/report")
    assert "<html" in report.read_text()
    (decision,) = shared.glob("steps/**/decision")
    assert decision.read_text() == "ok"


def test_a_sick_run_finds_the_last_blessed_model_is_blocked_and_red(sound, package, shared):
    became, is_green, said = run(
        package, shared, run_id="sick", config="silent-nan", fail_run_on_block=True
    )
    assert not is_green
    assert "FailIfBlocked is its last node" in said
    assert became["VerifyingPusher"] == "done"
    assert "FailIfBlocked" not in became
    # TFX's cache, over containers: what does not depend on the configuration is not done again.
    assert became["CsvExampleGen"] == became["StatisticsGen"] == "cached"
    assert became["Transform"] == "done"
    assert len(versions(shared)) == 1
    assert sorted(path.read_text() for path in shared.glob("steps/**/decision")) == ["block", "ok"]
    with sqlite3.connect(shared / "place" / "metadata.sqlite") as store:
        found = store.execute(
            "SELECT count(*) FROM Event JOIN Execution ON Event.execution_id = Execution.id"
            " JOIN Type ON Execution.type_id = Type.id JOIN Association ON"
            " Association.execution_id = Execution.id JOIN Context ON Context.id ="
            " Association.context_id"
            " WHERE Type.name LIKE '%Resolver%' AND Context.name LIKE '%sick'"
        ).fetchone()
    assert found[0] >= 2, "the resolver found no model and blessing of the first run"


def test_containers_are_not_root_and_cannot_write():
    program = "import os, pathlib; print(os.getuid()); pathlib.Path('/opt/x').write_text('')"
    command = ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", IMAGE, "python", "-c"]
    done = subprocess.run([*command, program], check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert int(done.stdout) > 0
    assert "Read-only file system" in done.stderr
