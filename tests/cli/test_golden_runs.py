"""The golden runs: what is shipped is what the script makes, and is judged as is written beside."""

import dataclasses
import importlib.util
import json
import math

import numpy as np
import pytest

from gradgate.cli.exits import Exit
from gradgate.cli.fixtures import find_fixtures, golden_runs
from gradgate.telemetry.reader import RecordError, open_record

NAMES = (
    "amp-skips", "baseline-drift", "clip-saturation", "dead-units", "empty", "healthy",
    "nan-at-step-0", "nan-mid-run", "resume", "silent-nan", "spike-and-recovery", "truncated",
    "vanishing",
)  # fmt: skip
SOUND = {"healthy", "amp-skips", "resume", "spike-and-recovery"}
# Of bytes, which differ between versions of the library that writes Parquet.
OF_BYTES = {"digest", "size", "sha256", "gate_version"}


@pytest.fixture(scope="module")
def made(request, tmp_path_factory):
    """What the script makes today."""
    path = request.config.rootpath / "tests" / "golden" / "make_runs.py"
    spec = importlib.util.spec_from_file_location("make_golden_runs", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    folder = tmp_path_factory.mktemp("golden_runs")
    script.make(folder)
    return folder


def test_the_default_policy_decides_every_one_as_expected(call):
    done = call("policy", "test", "--format", "json")
    document = json.loads(done.stdout)
    assert [fixture["fixture"] for fixture in document["fixtures"]] == list(NAMES)
    assert [f["differences"] for f in document["fixtures"]] == [[]] * len(NAMES)
    assert done.returncode == Exit.OK


def test_exactly_the_sound_ones_are_expected_to_be_ok():
    found = {fixture.name: fixture.expectation for fixture in find_fixtures(None)}
    assert {name for name, wanted in found.items() if wanted.decision == "ok"} == SOUND
    assert all(
        wanted.failed or wanted.checks for name, wanted in found.items() if name not in SOUND
    )
    assert all(wanted.description for wanted in found.values())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shipped_is_what_the_script_makes(made, name):
    ours, theirs = (open_record(folder / name / "record") for folder in (golden_runs(), made))
    for document in ("manifest", "card", "summary"):
        left, right = (getattr(r, document).model_dump(mode="json") for r in (ours, theirs))
        assert_close(left, right)
    if name == "truncated":
        for record in (ours, theirs):
            with pytest.raises(RecordError, match="T-TRUNCATED"):
                list(record.batches())
        return
    for left, right in zip(ours.batches(), theirs.batches(), strict=True):
        assert_same(left, right)


def test_the_baselines_that_are_shipped_are_those_that_the_script_makes(made):
    ours, theirs = (folder / "baseline-drift" / "baselines" for folder in (golden_runs(), made))
    assert len(list(ours.iterdir())) == 5
    for file in ours.iterdir():
        assert (theirs / file.name).read_bytes() == file.read_bytes()


def test_the_script_makes_no_run_that_is_not_shipped(made):
    names = ({path.name for path in folder.iterdir()} for folder in (made, golden_runs()))
    assert next(names) == next(names) == set(NAMES)


def test_they_are_small():
    sizes = [path.stat().st_size for path in golden_runs().rglob("*") if path.is_file()]
    assert sum(sizes) < 320_000


def assert_close(left, right):
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left.keys() - OF_BYTES:
            assert_close(left[key], right[key])
    elif isinstance(left, list):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_close(one, other)
    elif isinstance(left, float):
        assert math.isclose(left, right, rel_tol=1e-9)
    else:
        assert left == right


def assert_same(left, right):
    for field in dataclasses.fields(left):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if dataclasses.is_dataclass(one):
            assert_same(one, other)
        else:
            np.testing.assert_array_equal(one, other)
