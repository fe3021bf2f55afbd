"""What tests of several rooms share."""

import gc
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before TensorFlow is imported: its fused ReLU, which turns NaN into 0, is part of what is tested,
# and TensorFlow turns it on by itself on some processors only.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# A loaded machine is slow now and then, so a test's time says nothing; `--hypothesis-profile` and
# `--hypothesis-seed` choose otherwise.
settings.register_profile(
    "gradgate", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", parent=settings.get_profile("gradgate"), max_examples=2000)
settings.load_profile("gradgate")


@pytest.fixture(scope="session")
def base_python() -> Path:
    """A Python with the base package alone: no TensorFlow, TFX or MLflow to be found.

    `make test` has made it already; otherwise it is made here, in seconds.
    """
    root = Path(__file__).resolve().parents[1]
    subprocess.run(["sh", str(root / "requirements" / "bootstrap.sh"), "base"], check=True)
    return root / ".venv-base" / "bin" / "python"


@pytest.fixture(autouse=True, scope="module")
def _nothing_old_is_searched():
    """Takes what a file of tests leaves behind out of the garbage collector's sight.

    TensorFlow keeps a few megabytes of every function that was ever traced. After some hundred
    trainings, one full collection among those objects takes as long as ten tests.
    """
    yield
    gc.collect()
    gc.freeze()


def pytest_addoption(parser):
    parser.addoption("--golden", action="store_true", help="rewrite the golden files")
    parser.addoption(
        "--half",
        choices=("first", "second"),
        help="every other test of what trains or judges in many ways, and one half of the tests"
        " that are marked `half`: for two stacks that share the work",
    )


# What judges records asks little of a stack; what trains in hundreds of ways would take each of
# them too long. So of these rooms each test runs on one stack, in turn.
_SHARED = {
    *("cli", "contracts", "diagnosis", "faults", "gate", "mutants", "signing"),
    *("gradients", "training"),
}


def pytest_collection_modifyitems(config, items):
    """Leaves out what the other stack does, where `--half` says so."""
    half = config.getoption("--half")
    if half is None:
        return
    shared, out = defaultdict(list), set()
    for item in items:
        mark = item.get_closest_marker("half")
        if mark is not None:
            out |= set() if mark.args in ((half,), ("both",)) else {item}
        elif _SHARED & set(item.path.parts):
            shared[item.path].append(item)
    for number, tests in enumerate(shared.values()):
        # The next file begins with the other stack: many have one costly test, which comes first.
        firsts = tests[number % 2 :: 2]
        del firsts[3::4]  # it has more of the rest
        out |= set(tests) - set(firsts) if half == "first" else set(firsts)
    config.hook.pytest_deselected(items=[item for item in items if item in out])
    items[:] = [item for item in items if item not in out]


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Runs `gradgate ARGS...` in this process; anything but an exit status is an error."""
    from typer.testing import CliRunner

    from gradgate.cli import app

    monkeypatch.chdir(tmp_path)
    for name, value in {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)

    def call(*arguments):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def run_alone():
    """Runs a script in a process of its own, which must end well; returns what it did."""

    def run(script, *arguments):
        root = Path(__file__).resolve().parents[1]
        done = subprocess.run(
            [sys.executable, script, *arguments],
            env=os.environ | {"PYTHONPATH": str(root / "components")},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def golden(request):
    """Compares a text with a file under tests/golden; `--golden` writes it instead."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).resolve().parent / "golden" / name
        if request.config.getoption("--golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{path} differs; see --golden"

    return compare
