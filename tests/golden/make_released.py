"""Makes what a gradgate of today leaves of one small training: record, model, policy, verdict.

`python tests/golden/make_released.py` writes them to `tests/golden/released/VERSION`, the version
of the record's schema. What lies there is kept for ever and never made anew: every later gradgate
must read it, or refuse it in words (`tests/faults/test_released.py`).
"""

import shutil
import sys
from pathlib import Path
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import make_runs

from gradgate.contracts import mark_and_bind
from gradgate.contracts.health import SCHEMA_VERSION
from gradgate.gate import Evidence, check_model, judge, load_policy, read_policy
from gradgate.gate.render import render
from gradgate.telemetry.reader import open_record
from gradgate.telemetry.writer import RecordWriter

RELEASED = Path(__file__).with_name("released")
POLICY = Path(__file__).parents[2] / "pipeline" / "policies" / "default.yaml"
_UID = "released-training"


def _export(folder: Path) -> None:
    import tensorflow as tf

    module, rng = tf.Module(), np.random.default_rng(1)
    for variable in make_runs._CARD.variables:
        values = rng.normal(size=variable.shape).astype(np.float32)
        setattr(module, variable.path.replace("/", "_"), tf.Variable(values, name=variable.path))
    tf.saved_model.save(module, str(folder))


def make(folder: Path) -> None:
    """Writes all of it into a folder that is not there yet."""
    folder.mkdir(parents=True)
    _export(folder / "model")
    bound = mark_and_bind(folder / "model", _UID)
    found = {tensor.name: tensor.sha256 for tensor in check_model(folder / "model").weights or ()}
    with mock.patch("gradgate.telemetry.writer.now", return_value=make_runs.FINISHED):
        writer = RecordWriter(folder / "record")
        writer.begin(make_runs._CARD)
        writer.append(make_runs.sound(0, 100))
        writer.flush()
        writer.append(make_runs.sound(100))
        make_runs._finish(
            writer,
            training_uid=_UID,
            model=bound,
            final_weight_sha256={path: found[path] for path in make_runs.PATHS},
        )
    shutil.copyfile(POLICY, folder / "policy.yaml")
    verdict = judge(
        load_policy(read_policy(folder / "policy.yaml")),
        Evidence.of(open_record(folder / "record")),
        model=check_model(folder / "model"),
        as_of=make_runs.FINISHED,
    )
    (folder / "verdict.json").write_text(render(verdict, "json"), encoding="utf-8")


if __name__ == "__main__":
    make(RELEASED / SCHEMA_VERSION)
