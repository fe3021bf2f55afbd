"""Records of a sound and of sick trainings, and the command line as a process of its own."""

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from gradgate.contracts import ModelCard, VariableCard
from gradgate.telemetry.batch import StatisticsBatch, StepBatch
from gradgate.telemetry.writer import RecordWriter

PATHS = ("m/dense/kernel", "m/dense/bias")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_cli(tmp_path):
    """Runs `gradgate ARGS...`; returns the finished process."""

    def run(*arguments, timeout=120, **environment):
        env = os.environ | {
            "PYTHONPATH": str(ROOT / "components"),
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "TERM": "dumb",
        }
        return subprocess.run(
            [sys.executable, "-m", "gradgate", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=env | environment,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def make_record(tmp_path):
    """Writes a record of 200 steps that learn; `spoil` may change them first."""

    def make(name="record", spoil=lambda steps: None, **manifest):
        count, variables = 200, len(PATHS)
        sampled = np.arange(0, count, 10)
        shape = (len(sampled), variables)
        ones = np.ones(count, np.float32)
        steps = StepBatch(
            step=np.arange(count),
            epoch=np.arange(count) // 50,
            seconds=np.arange(count) * 0.01,
            loss=np.linspace(0.7, 0.2, count).astype(np.float32),
            global_norm=ones.copy(),
            clipped_norm=ones.copy(),
            clip_scale=ones.copy(),
            clipped=np.zeros(count, bool),
            applied=np.ones(count, bool),
            norms=np.full((count, variables), 0.7, np.float32),
            statistics=StatisticsBatch(
                step=sampled,
                mean_abs=np.full(shape, 0.01, np.float32),
                max_abs=np.full(shape, 0.1, np.float32),
                zero_fraction=np.zeros(shape, np.float32),
                nonfinite=np.zeros(shape, np.int64),
            ),
        )
        spoil(steps)
        variable_cards = tuple(
            VariableCard(path=path, layer="dense", shape=(4, 3), dtype="float32") for path in PATHS
        )
        writer = RecordWriter(tmp_path / name)
        writer.begin(ModelCard(model_name="m", variables=variable_cards, optimizer="Adam"))
        writer.append(steps)
        fields = {
            "training_uid": "t1",
            "status": "completed",
            "instrumented": True,
            "planned_steps": count,
            "constant_loss": 0.69,
            "final_weight_nonfinite": dict.fromkeys(PATHS, 0),
        }
        writer.finalize(**fields | manifest)
        return tmp_path / name

    return make


@pytest.fixture
def write_waivers(tmp_path):
    """Writes waivers of one rule that hold for the trainings of `make_record`, which end now."""

    def write(path, *, policy, rule, first_day=-1, last_day=20):
        now = datetime.now(timezone.utc)
        created, expires = (
            (now + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
            for days in (first_day, last_day)
        )
        text = (
            "apiVersion: gradgate/v1\n"
            "kind: Waivers\n"
            "waivers:\n"
            f"  - {{id: w-1, policy: {policy}, rule: {rule}, reason: broken sensors,\n"
            f"     owner: alice, approved_by: bob, created: {created}, expires: {expires}}}\n"
        )
        (tmp_path / path).write_text(text)

    return write
