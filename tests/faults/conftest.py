"""The universal oracle, small records to damage, and files that fail when a test says so."""

import contextlib
import errno
import importlib.util
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from gradgate.contracts import ModelCard, VariableCard
from gradgate.gate import Evidence, RecordProblem, check_model, judge, load_policy
from gradgate.telemetry.batch import StatisticsBatch, StepBatch
from gradgate.telemetry.reader import RecordError, open_record
from gradgate.telemetry.writer import RecordWriter

ROOT = Path(__file__).parents[2]
AS_OF = "2026-11-23T05:40:00Z"
FINISHED = "2026-11-23T05:30:00Z"
PATHS = ("net/dense/kernel",)
# Every code that a record on disk can be refused by.
CODES = {
    "T-MISSING",
    "T-UNFINALIZED",
    "T-TRUNCATED",
    "T-CORRUPT",
    "T-OVERLAP",
    "T-SCHEMA-NEW",
    "T-OPTIMIZERS",
}
POLICY = """\
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: small, revision: 1, owner: tests}
defaults: {min_samples: 1}
require_trained_weights: false
rules:
  - {id: loss, signal: loss.nonfinite, aggregate: {fn: sum}, expect: {op: "==", value: 0}}
  - {id: norm, signal: variable.norm, aggregate: {fn: max}, expect: {op: "<=", value: 5}}
  - {id: skips, signal: step.skipped, aggregate: {fn: mean}, expect: {op: "<=", value: 0.5},
     severity: warn}
"""
_LEVELS = {"ok": 0, "warn": 1, "block": 2}


def assert_not_milder(clean, faulted):
    """The universal oracle: whatever went wrong, the decision is the clean one or a stricter one.

    And nothing is blessed, or called healthy, that was not.
    """
    assert _LEVELS[faulted.decision] >= _LEVELS[clean.decision], faulted.headline
    assert clean.blessed or not faulted.blessed, faulted.headline
    assert clean.healthy or not faulted.healthy, faulted.headline
    assert faulted.verdict_id == faulted.computed_id()


@pytest.fixture(scope="session")
def not_milder():
    return assert_not_milder


@pytest.fixture(scope="session")
def small_policy_text():
    return POLICY


@pytest.fixture(scope="session")
def small_policy():
    return load_policy(POLICY)


def steps_of(count=6, first=0, paths=PATHS):
    """Steps of a training in which nothing happens; every third is sampled."""
    step = np.arange(first, first + count)
    sampled = step[step % 3 == 0]
    shape = (len(sampled), len(paths))
    ones = np.ones(count, np.float32)
    return StepBatch(
        step=step,
        epoch=step // 3,
        seconds=step * 0.5,
        loss=np.linspace(1.0, 0.5, count).astype(np.float32),
        global_norm=ones.copy(),
        clipped_norm=ones.copy(),
        clip_scale=ones.copy(),
        clipped=np.zeros(count, bool),
        applied=np.ones(count, bool),
        norms=np.ones((count, len(paths)), np.float32),
        statistics=StatisticsBatch(
            step=sampled,
            mean_abs=np.full(shape, 0.5, np.float32),
            max_abs=np.ones(shape, np.float32),
            zero_fraction=np.zeros(shape, np.float32),
            nonfinite=np.zeros(shape, np.int64),
        ),
    )


def card_of(paths=PATHS):
    variables = tuple(
        VariableCard(path=path, layer="dense", shape=(4, 3), dtype="float32") for path in paths
    )
    return ModelCard(model_name="net", variables=variables, optimizer="SGD", statistics_every=3)


def write_record(folder, *, steps=None, **manifest):
    """Writes the record of a small training; returns its folder."""
    steps = steps_of() if steps is None else steps
    paths = PATHS if steps.norms.shape[1] == 1 else tuple(map(str, range(steps.norms.shape[1])))
    writer = RecordWriter(folder)
    writer.started_at = "2026-11-23T05:00:00Z"
    writer.begin(manifest.pop("card", None) or card_of(paths))
    writer.append(steps)
    known = {
        "training_uid": "small",
        "status": "completed",
        "instrumented": True,
        "planned_steps": len(steps),
        "final_weight_nonfinite": dict.fromkeys(paths, 0),
    }
    writer.finalize(**known | manifest)
    return folder


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch):
    monkeypatch.setattr("gradgate.telemetry.writer.now", lambda: FINISHED)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power is cut here, and a disk takes time


@pytest.fixture(scope="session")
def make_steps():
    return steps_of


@pytest.fixture(scope="session")
def make_card():
    return card_of


@pytest.fixture(scope="session", name="write_record")
def _write_record():
    return write_record


@pytest.fixture
def make_record(tmp_path):
    """Writes records below the test's folder."""
    return lambda name="record", **fields: write_record(tmp_path / name, **fields)


def evidence_of(record):
    try:
        return Evidence.of(open_record(record))
    except RecordError as error:
        assert error.code in CODES
        return RecordProblem(code=error.code, message=error.message)


@pytest.fixture(scope="session")
def verdict_on(small_policy):
    """Judges what lies on the disk; nothing but a verdict ever comes out."""

    def verdict_on(record, model=None, policy=small_policy, **options):
        options = {"training_only": model is None, "as_of": AS_OF, **options}
        found = None if model is None else check_model(model)
        return judge(policy, evidence_of(record), model=found, **options)

    return verdict_on


class Released:
    """A copy of what one released gradgate left, see `tests/golden/make_released.py`."""

    def __init__(self, folder):
        self.record, self.model = folder / "record", folder / "model"
        self.policy_file, self.verdict_file = folder / "policy.yaml", folder / "verdict.json"
        self.policy = load_policy(self.policy_file.read_bytes())


@pytest.fixture(scope="session")
def newest_release():
    versions = (ROOT / "tests/golden/released").iterdir()
    return max(versions, key=lambda path: [int(number) for number in path.name.split(".")])


@pytest.fixture
def released(tmp_path, newest_release):
    """A whole training to damage: record and model of one another, judged ok by its policy."""
    shutil.copytree(newest_release, tmp_path / "released")
    return Released(tmp_path / "released")


class Trouble:
    """Lets one file operation fail, of those that concern a folder and what is in it.

    Attributes:
        seen: How many operations there were; the failing one is the last, if there was one.
    """

    _OPERATIONS = (
        (Path, "open"), (Path, "replace"), (Path, "mkdir"), (Path, "unlink"), (Path, "stat"),
        (Path, "lstat"), (Path, "read_bytes"), (os, "open"), (os, "fsync"), (os, "rename"),
        (os, "scandir"), (shutil, "copyfile"),
    )  # fmt: skip

    def __init__(self, folder, patch):
        self._folder, self.seen, self._at, self._error = str(folder), 0, None, None
        for holder, name in self._OPERATIONS:
            patch.setattr(holder, name, self._wrapped(getattr(holder, name)))

    def _wrapped(self, operation):
        def troubled(place=".", *arguments, **options):
            is_ours = isinstance(place, int) or os.fspath(place).startswith(self._folder)
            if is_ours and self._at is not None:
                self.seen += 1
                if self.seen == self._at:
                    raise OSError(self._error, os.strerror(self._error), str(place))
            return operation(place, *arguments, **options)

        return troubled

    @contextlib.contextmanager
    def at(self, number, error=errno.EIO):
        """Lets the operation of this number fail, counted from 1, while the context lasts."""
        self.seen, self._at, self._error = 0, number, error
        try:
            yield self
        finally:
            self._at = None

    def each(self, error=errno.EIO):
        """Yields a context for each operation in turn, until one is left undisturbed."""
        number = 1
        while True:
            yield self.at(number, error)
            if self.seen < number:
                return
            number += 1


@pytest.fixture
def trouble(tmp_path, monkeypatch):
    return Trouble(tmp_path, monkeypatch)


@pytest.fixture
def no_file_above():
    """A disk that is full: no file can grow beyond so many bytes, as the kernel sees to it."""

    @contextlib.contextmanager
    def limit(size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)

    return limit


@pytest.fixture(scope="session")
def program():
    """Loads a program of this folder as a module."""

    def load(name, folder=Path(__file__).parent):
        spec = importlib.util.spec_from_file_location(f"faults_{name}", folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(folder)  # as for a program that is run
            spec.loader.exec_module(module)
        return module

    return load
