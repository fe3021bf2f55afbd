"""Row 27: whatever the environment, the same inputs give the same verdict, byte for byte."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradgate.cli.exits import Exit

COMPONENTS = Path(__file__).resolve().parents[2] / "components"
ENVIRONMENTS = {
    "plain": ({}, []),
    "C locale": (
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Pacific/Kiritimati",
         "PYTHONHASHSEED": "1"},
        [],
    ),
    "no home": ({"HOME": None, "USER": None, "TMPDIR": "/nowhere", "PYTHONHASHSEED": "2"}, []),
    "without asserts": ({"TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8"}, ["-O"]),
    "without docstrings": ({"PYTHONHASHSEED": "4294967295"}, ["-OO", "-W", "error"]),
}  # fmt: skip


@pytest.fixture
def check(released):
    def check(name):
        changes, options = ENVIRONMENTS[name]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LC_", "LANG"))}
        env |= {"PYTHONPATH": str(COMPONENTS), **changes}
        done = subprocess.run(
            [
                sys.executable, *options, "-m", "gradgate", "check", released.record, "--model",
                released.model, "--policy", released.policy_file, "--format", "json", "--as-of",
                "2026-11-23T05:40:00Z",
            ],
            env={k: v for k, v in env.items() if v is not None},
            cwd="/proc",  # where nobody can write, whoever it is
            umask=0o077,
            capture_output=True,
            timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == Exit.OK, done.stderr.decode()
        return done.stdout

    return check


def test_it_is_the_same_verdict_in_every_one(check):
    found = {name: check(name) for name in ENVIRONMENTS}
    assert len(set(found.values())) == 1, {name: hash(data) for name, data in found.items()}
    verdict = json.loads(found["plain"])
    assert (verdict["decision"], verdict["blessed"]) == ("ok", True)


def test_what_only_its_owner_may_read_is_written_whole(released, tmp_path, call):
    before = os.umask(0o077)
    try:
        out = tmp_path / "verdict.json"
        line = ("check", released.record, "--model", released.model, "--format", "json")
        assert call(*line, "--policy", released.policy_file, "--out", out).returncode == Exit.OK
    finally:
        os.umask(before)
    assert out.stat().st_mode & 0o777 == 0o600
    assert call("verify", "--model", released.model, "--verdict", out).returncode == Exit.OK
