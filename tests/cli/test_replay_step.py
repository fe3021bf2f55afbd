"""`gradgate replay-step`, as somebody on call types it."""

import json
import shutil
from pathlib import Path

import pytest

import gradgate
from gradgate.cli.exits import Exit
from tests.training import replayed_programs as programs

pytestmark = pytest.mark.half("first")


@pytest.fixture
def trained(tmp_path):
    """A training with a missing value, and its program, where the command is typed."""
    gradgate.reproducible(3)
    model, batches = programs.missing_value()
    with gradgate.instrument(model, tmp_path / "record"):
        model.fit(batches, epochs=1, verbose=0)
    shutil.copy(Path(programs.__file__), tmp_path)


@pytest.mark.usefixtures("trained")
def test_it_says_what_came_in_and_where_nan_was_born(call):
    done = call("replay-step", "record", "--program", "replayed_programs:missing_value")
    assert done.returncode == Exit.OK, done.stderr
    assert "are the recorded ones, bit for bit" in done.stdout
    assert "1 entry NaN or infinite, in column 2 (1)" in done.stdout
    assert "born         NaN in the operation MatMul, in layer first" in done.stdout


@pytest.mark.usefixtures("trained")
def test_another_training_has_status_12_and_json_says_so(call):
    given = ("--program", "replayed_programs:other_data", "--step", 1, "--format", "json")
    done = call("replay-step", "record", *given)
    assert done.returncode == Exit.CANNOT_JUDGE
    document = json.loads(done.stdout)
    assert document["likeness"]["holds"] is False
    assert document["gradients"][0]["variable"].endswith("first/kernel")


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("replayed_programs", "name a module and a function, such as training:program"),
        ("replayed_programs:broken", "replayed_programs:broken: OSError: no such bucket"),
    ],
)
def test_a_program_that_cannot_be_had_is_wrong_usage(call, program, message):
    done = call("replay-step", "record", "--program", program)
    assert done.returncode == Exit.USAGE
    assert message in done.stderr


def test_a_folder_that_is_neither_record_nor_verdict_is_refused(call, tmp_path):
    done = call("replay-step", tmp_path, "--program", "replayed_programs:sound")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert "replay-step: T-MISSING" in done.stderr
