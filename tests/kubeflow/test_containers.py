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


def in_container(*command, options=()):
    """Runs a command as a cluster would: nothing to write to but `/tmp`, and here no network."""
    limits = ["--read-only", "--tmpfs", "/tmp", "--network=none", "--cap-drop=ALL"]
    return subprocess.run(
        ["docker", "run", "--rm", *limits, *options, IMAGE, *command],
        check=False,
        capture_output=True,
        text=True,
    )


def test_containers_are_not_root_and_cannot_write():
    program = "import os, pathlib; print(os.getuid()); pathlib.Path('/opt/x').write_text('')"
    done = in_container("python", "-c", program)
    assert done.returncode != 0
    assert int(done.stdout) > 0
    assert "Read-only file system" in done.stderr


def test_the_image_judges_as_it_is_and_under_a_number_that_a_cluster_chose():
    runs = "/opt/gradgate/app/gradgate/gate/golden_runs"
    for record, status in (("healthy", 0), ("nan-mid-run", 10)):
        command = ("gradgate", "check", f"{runs}/{record}/record", "--training-only")
        for options in ((), ("--user", "123456:0")):
            done = in_container(*command, options=options)
            assert done.returncode == status, done.stderr


def test_every_module_that_tfx_names_imports_without_what_was_taken_out():
    modules = "tfx.v1, IPython, kfp, matplotlib.pyplot, mlflow, pandas, scipy.stats, sklearn"
    done = in_container("python", "-c", f"import {modules}")
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_module_that_a_pipeline_names_as_a_file_is_packed_and_installed():
    program = (
        "import pathlib\n"
        "from tfx.components.util import udf_utils\n"
        "module = pathlib.Path('/tmp/own.py')\n"
        "module.write_text('def run_fn(fn_args): pass\\n')\n"
        "wheel, _ = udf_utils.package_user_module_file('Trainer', str(module), '/tmp/root')\n"
        "print((pathlib.Path(udf_utils.install_to_temp_directory(wheel)) / 'own.py').is_file())\n"
    )
    done = in_container("python", "-c", program)
    assert done.stdout.splitlines()[-1:] == ["True"], done.stderr[-3000:]


def test_nothing_of_the_building_machine_and_no_compiler_is_in_the_image():
    look = (
        "env | cut -d= -f1; ls /etc/ssl /etc/pip.conf;"
        " for name in cc gcc g++ ld; do command -v $name; done; true"
    )
    done = in_container("sh", "-c", look)
    assert done.returncode == 0, done.stderr
    assert "PATH" in done.stdout.splitlines()
    assert not {"SSL_CERT_FILE", "PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX"} & set(
        done.stdout.splitlines()
    )
    assert "authorities.crt" not in done.stdout
    assert "/pip.conf" not in done.stdout
    assert "/bin/" not in done.stdout
