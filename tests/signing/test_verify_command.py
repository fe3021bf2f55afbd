"""`gradgate verify --key`: whether a key that is trusted signed the verdict."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradgate.contracts import bind_tree
from gradgate.contracts.verdict import Finding, Subject
from gradgate.gate.render import render
from gradgate.signing import VERDICT_ENVELOPE, load_signer, sign_verdict

COMPONENTS = Path(__file__).resolve().parents[2] / "components"


@pytest.fixture
def judged(tmp_path, verdict):
    """Writes a model, and a verdict that blesses it."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"graph")
    bound = bind_tree(tmp_path / "model")
    finding = Finding(
        id="nan", signal="loss", status="pass", level="ok", severity="block",
        evidence="reported", message="none",
    )  # fmt: skip
    changes = {
        "decision": "ok",
        "blessed": True,
        "healthy": True,
        "headline": "OK",
        "subject": Subject(model_digest=bound.digest, model_files=bound.files),
        "findings": (finding,),
        "integrity": (),
    }
    blessed = verdict.model_copy(update=changes).sealed()
    (tmp_path / "verdict.json").write_text(render(blessed, "json"))
    return blessed


@pytest.fixture
def run(tmp_path):
    def verify(*arguments):
        command = ["verify", "--model", "model", "--verdict", "verdict.json", *map(str, arguments)]
        return subprocess.run(
            [sys.executable, "-m", "gradgate", *command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(COMPONENTS)},
            capture_output=True,
            text=True,
            check=False,
        )

    return verify


def test_a_signed_verdict_is_verified(judged, run, pair, tmp_path):
    key = pair()
    (tmp_path / VERDICT_ENVELOPE).write_bytes(sign_verdict(judged, load_signer(str(key.path))))
    (tmp_path / "gate.pub.pem").write_text(key.public)
    done = run("--key", "gate.pub.pem")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("verified: 1 file, as judged: OK\n")


def test_a_verdict_that_is_not_signed_is_not_verified(judged, run, pair, tmp_path):
    (tmp_path / "gate.pub.pem").write_text(pair().public)
    done = run("--key", "gate.pub.pem")
    assert done.returncode == 14
    assert done.stdout.startswith("not verified: the verdict is not signed: verdict.dsse.json: ")


def test_a_key_that_cannot_be_read_is_named(judged, run):
    done = run("--key", "none.pem")
    assert done.returncode == 14
    assert done.stdout.startswith("not verified: the key none.pem cannot be read: ")
