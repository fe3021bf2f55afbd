"""The set-up as a person meets it: started as a program, in a fresh checkout.

The installer is replaced by a script that only notes what it was told, where a test is about
order and interruption; one test installs for real.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FAKE_UV = """#!/bin/sh
case "$1 $2" in
"--version "*) echo "uv 99.0.0"; exit 0 ;;
esac
echo "$*" >> "$UV_CALLS"
if [ "$1" = venv ]; then for home; do :; done; mkdir -p "$home/bin"; fi
if [ "$1 $2" = "pip sync" ]; then eval "${UV_SYNC:-:}"; fi
"""


class SetUp:
    """Starts the set-up of one checkout with a fake installer on the path."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.calls_file = checkout.parent / "calls"
        tools = checkout.parent / "tools"
        tools.mkdir()
        (tools / "uv").write_text(FAKE_UV)
        (tools / "uv").chmod(0o755)
        self.environment = {
            "PATH": f"{tools}:/usr/bin:/bin",
            "HOME": str(checkout.parent),
            "GRADGATE_PYTHON": os.path.realpath(sys.executable),
            "UV_CALLS": str(self.calls_file),
        }
        self.command = ["sh", str(checkout / "requirements" / "bootstrap.sh"), "base"]

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command,
            env={**self.environment, **environment},
            stderr=subprocess.PIPE,
            text=True,
            # Whoever started the tests in the background may have left interrupts ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def calls(self) -> list[str]:
        """What the installer was asked since the last look: `venv`, `pip sync`, `pip install`."""
        if not self.calls_file.exists():
            return []
        lines = self.calls_file.read_text().splitlines()
        self.calls_file.unlink()
        return [line.split(" --")[0] for line in lines]

    def state(self) -> str:
        return json.loads((self.checkout / ".venv-base" / "gradgate.json").read_text())["state"]

    def wait_for_installer(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.calls_file.exists() and "pip sync" in self.calls_file.read_text():
                return
            time.sleep(0.05)
        pytest.fail("the installer was not started within 30 s")


@pytest.fixture
def set_up(checkout):
    return SetUp(checkout)


EVERYTHING = ["venv", "pip sync", "pip install"]


def test_the_first_run_installs_and_the_second_finds_nothing_to_do(set_up):
    first = set_up.run()
    assert first.returncode == 0, first.stderr
    assert set_up.calls() == EVERYTHING
    version = ".".join(map(str, sys.version_info[:3]))
    line, ready = first.stderr.splitlines()
    assert line.startswith(f"gradgate: Python {version} (")
    assert line.endswith("packages into .venv-base ...")
    assert ready.startswith("gradgate: .venv-base is ready after ")

    second = set_up.run()
    assert (second.returncode, second.stderr, set_up.calls()) == (0, "", [])


@pytest.mark.parametrize("changed", ["pyproject.toml", "requirements/base.txt"])
def test_a_changed_lock_or_project_is_installed_into_what_is_there(set_up, changed):
    set_up.run()
    set_up.calls()
    with (set_up.checkout / changed).open("a") as file:
        file.write("# changed\n")
    assert "bringing .venv-base up to date" in set_up.run().stderr
    assert set_up.calls() == ["pip sync", "pip install"]
    assert set_up.run().stderr == ""


def test_a_changed_interpreter_makes_the_environment_anew(set_up):
    set_up.run()
    set_up.calls()
    stamp = set_up.checkout / ".venv-base" / "gradgate.json"
    content = json.loads(stamp.read_text())
    content["interpreter_mark"] = [1, 1]  # as after an upgrade in place
    stamp.write_text(json.dumps(content))
    set_up.run()
    assert set_up.calls() == EVERYTHING


def test_a_moved_checkout_makes_the_environment_anew(set_up, tmp_path):
    set_up.run()
    set_up.calls()
    moved = set_up.checkout.rename(tmp_path / "moved")
    set_up.command[1] = str(moved / "requirements" / "bootstrap.sh")
    assert set_up.run().returncode == 0
    assert set_up.calls() == EVERYTHING


def test_a_failed_installation_shows_the_end_of_the_log_and_is_not_taken_for_a_finished_one(set_up):
    failed = set_up.run(UV_SYNC="echo no such version; exit 1")
    assert failed.returncode == 1
    assert "the installation failed. The end of its log:" in failed.stderr
    assert "no such version" in failed.stderr
    assert f"The whole log: {set_up.checkout}/.cache/bootstrap.log" in failed.stderr
    assert set_up.state() == "installing"
    set_up.calls()
    assert set_up.run().returncode == 0
    assert set_up.calls() == EVERYTHING


def test_a_missing_compiler_is_named(set_up):
    failed = set_up.run(UV_SYNC="echo \"error: command 'x86_64-linux-gnu-g++' failed\"; exit 1")
    assert "apt-get install -y g++ python3-dev" in failed.stderr


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_installation_ends_its_installer_and_starts_over(set_up, signal_number):
    running = set_up.start(UV_SYNC='echo $$ > "$UV_CALLS.pid"; exec sleep 60')
    set_up.wait_for_installer()
    running.send_signal(signal_number)
    _, message = running.communicate(timeout=180)
    assert running.returncode == 130
    assert message.endswith("interrupted; run the same command again to start over.\n")
    installer = int(Path(f"{set_up.calls_file}.pid").read_text())
    assert not Path(f"/proc/{installer}").exists()
    assert set_up.state() == "installing"
    set_up.calls()
    assert set_up.run().returncode == 0
    assert set_up.calls() == EVERYTHING


def test_after_a_kill_the_next_run_waits_for_the_installer_that_is_left(set_up):
    running = set_up.start(UV_SYNC='sleep 2; echo survivor >> "$UV_CALLS"')
    set_up.wait_for_installer()
    running.kill()
    running.communicate()
    following = set_up.run()
    assert following.returncode == 0
    assert "another set-up of this checkout is running; waiting for it ..." in following.stderr
    # The survivor was through before the environment was made anew.
    assert set_up.calls() == ["venv", "pip sync", "survivor", *EVERYTHING]
    assert set_up.state() == "ready"


def test_two_runs_at_once_install_once(set_up):
    first = set_up.start(UV_SYNC="sleep 1")
    set_up.wait_for_installer()
    assert set_up.run().returncode == 0
    first.communicate(timeout=180)
    assert set_up.calls() == EVERYTHING


def test_an_environment_that_someone_else_made_is_left_alone(set_up):
    mine = set_up.checkout / ".venv-base" / "mine"
    mine.parent.mkdir()
    mine.touch()
    refused = set_up.run()
    assert refused.returncode == 1
    assert "was not made by this set-up. Move it away, then run again." in refused.stderr
    assert mine.exists()


def test_a_given_python_that_does_not_run_is_named(set_up):
    refused = set_up.run(GRADGATE_PYTHON="/nowhere/python3.10")
    assert refused.returncode == 1
    assert "  /nowhere/python3.10 does not run\n" in refused.stderr
    assert "GRADGATE_PYTHON=/nowhere/python3.10: name another" in refused.stderr


def test_an_unknown_command_prints_the_usage(set_up):
    set_up.command[-1] = "instal"
    refused = set_up.run()
    assert refused.returncode == 2
    assert "GRADGATE_STACK=tfx116|tfx121 override the choice." in refused.stderr


def test_the_base_environment_judges_without_tensorflow_tfx_or_mlflow(base_python):
    program = (
        "import importlib.util as u, importlib.metadata as m, gradgate;"
        "print(m.version('gradgate'), [n for n in ('tensorflow', 'tfx', 'mlflow', 'keras')"
        " if u.find_spec(n)])"
    )
    answer = subprocess.run(
        [base_python, "-c", program], capture_output=True, text=True, check=False
    )
    assert answer.stdout == "0.1.0 []\n", answer.stderr
    assert (base_python.parent / "gradgate").exists()
