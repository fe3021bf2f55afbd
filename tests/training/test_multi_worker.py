"""Two workers, each a process, that talk over loopback: one record, and the weights of one process.

The trainings run in `worker.py`, once for all tests; the numbers are those of test_strategies.py:
with a row for each worker, mean gradient [-14, -16, -8], losses 36 and 4.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gradgate.contracts import Policy
from gradgate.gate import Evidence, judge

HERE = Path(__file__).resolve().parent
NORM = np.sqrt(516)
CLIPPED = np.array([14, 16, 8]) / NORM  # the weights after one step of SGD, rate 1, limit 1
_SECONDS = 600


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _start(folder, *, cluster=None, number=None):
    components = str(HERE.parents[1] / "components")
    path = os.pathsep.join([components, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("TF_CONFIG", None)
    if cluster is not None:
        task = {"type": "worker", "index": number}
        environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": cluster}, "task": task})
    with (folder / f"{number}.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, HERE / "worker.py", folder],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folders of two workers, and of one process that does it all alone."""
    folder, alone = tmp_path_factory.mktemp("workers"), tmp_path_factory.mktemp("alone")
    cluster = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    running = []
    try:
        running += [_start(folder, cluster=cluster, number=number) for number in range(2)]
        running.append(_start(alone))
        until = time.monotonic() + _SECONDS
        codes = [each.wait(max(1.0, until - time.monotonic())) for each in running]
    finally:
        for each in running:
            each.kill()
            each.wait()
    logs = [
        path.read_text()[-3000:] for path in sorted([*folder.glob("*.log"), alone / "None.log"])
    ]
    assert codes == [0, 0, 0], logs
    return folder, alone


@pytest.fixture
def case(trained, read):
    """Returns what a worker found in a case: the chief, unless told otherwise."""
    folder, alone = trained

    def find(name, number=0):
        place = (alone if number is None else folder) / name
        failure = place / f"{number}.txt"
        assert not failure.exists(), failure.read_text()
        with np.load(place / f"{number}.npz") as found:
            numbers = [found[key] for key in sorted(found) if key.isdigit()]
        record, steps = (None, None)
        if (place / "record").exists():
            record, steps = read(place / "record")
        return SimpleNamespace(numbers=numbers, record=record, steps=steps)

    return find


def _flat(variables):
    return np.concatenate([variable.ravel() for variable in variables])


def _assert_near(one, other):
    """Within 1e-6, relative to the norm of each variable."""
    assert len(one.numbers) == len(other.numbers)
    for a, b in zip(one.numbers, other.numbers, strict=True):
        assert np.linalg.norm(a - b) <= 1e-6 * np.linalg.norm(b)


def test_gradients_of_all_workers_are_averaged_then_measured_then_clipped(case):
    steps = case("order").steps
    np.testing.assert_allclose(steps.loss, [20.0], rtol=1e-6)
    np.testing.assert_allclose(steps.replica_loss, [[36.0, 4.0]], rtol=1e-6)
    own_norms = [12 * np.sqrt(14), 4 * np.sqrt(3)]  # of [-24, -36, -12] and [-4, 4, -4]
    np.testing.assert_allclose(steps.replica_norm, [own_norms], rtol=1e-6)
    np.testing.assert_allclose(steps.global_norm, [NORM], rtol=1e-6)
    np.testing.assert_allclose(steps.clipped_norm, [1.0], rtol=1e-6)
    np.testing.assert_allclose(steps.statistics.max_abs, [[16.0, 8.0]], rtol=1e-6)


def test_every_worker_has_the_clipped_weights(case):
    for number in range(2):
        np.testing.assert_allclose(_flat(case("order", number).numbers[:2]), CLIPPED, rtol=1e-6)


def test_the_chief_writes_one_record_for_all(case):
    # Both are told the same directory, and a second writer would be refused there.
    record = case("order").record
    assert record.card.strategy == "MultiWorkerMirroredStrategy"
    assert record.card.replicas == 2
    assert record.manifest.status == "completed"
    assert record.manifest.observed_steps == 1


@pytest.mark.parametrize("number", [0, 1])
def test_two_workers_give_the_weights_of_one_process(case, number):
    both, alone = case("clip", number), case("clip", None)
    _assert_near(both, alone)
    np.testing.assert_allclose(both.steps.global_norm, alone.steps.global_norm, rtol=1e-6)
    np.testing.assert_array_equal(both.steps.stage_fired, alone.steps.stage_fired)
    assert both.steps.stage_fired[:, 1].any()


def test_a_nan_of_worker_1_is_written_down_by_the_chief(case):
    steps = case("record").steps
    assert np.isfinite(steps.replica_loss[2]).tolist() == [True, False]
    assert np.isfinite(steps.replica_norm[2]).tolist() == [True, False]
    assert np.isnan(steps.loss[2])
    assert steps.applied.all()


def test_the_gate_names_the_worker_that_a_nan_came_from(case):
    record = case("record").record
    sound, sick = record.summary.replicas
    assert (sound.name, sound.first_nonfinite_step) == ("worker 0", 3)
    assert (sick.name, sick.first_nonfinite_step, sick.norm.nonfinite) == ("worker 1", 2, 6)
    verdict = _judged(record)
    found = {finding.id: finding for finding in verdict.findings}
    offence = found["replicas"].first_offence
    assert (offence.step, offence.variable) == (2, "worker 1")
    assert verdict.causes[0].id == "sick-worker"
    assert verdict.causes[0].numbers == ("step 2 had the first NaN or infinity, in worker 1 alone",)
    assert "Look at what only worker 1 has" in found["gradients"].prescription


def _judged(record):
    rule = {"aggregate": {"fn": "sum"}, "expect": {"op": "==", "value": 0}, "min_samples": 1}
    policy = {
        "apiVersion": "gradgate/v1",
        "kind": "TrainingHealthPolicy",
        "metadata": {"id": "test", "revision": 1, "owner": "tests"},
        "rules": [
            {"id": "replicas", "signal": "replica.nonfinite", **rule},
            {"id": "gradients", "signal": "gradient.nonfinite_applied", **rule},
        ],
    }
    return judge(
        Policy.model_validate_json(json.dumps(policy)),
        Evidence.of(record),
        model=None,
        as_of="2026-11-23T05:40:00Z",
        training_only=True,
    )


@pytest.mark.parametrize("number", [0, 1])
def test_every_worker_skips_the_step(case, number):
    found, without = case("skip", number), case("skip", None)
    assert np.flatnonzero(~found.steps.applied).tolist() == [2]
    assert np.isfinite(found.steps.replica_loss[2]).tolist() == [True, False]
    _assert_near(found, without)


@pytest.mark.parametrize("number", [0, 1])
def test_every_worker_stops(case, number):
    found, without = case("stop", number), case("stop", None)
    assert found.steps.applied.tolist() == [True, True, False]
    assert found.record.manifest.status == "stopped"
    _assert_near(found, without)


def test_an_overflow_on_worker_1_alone_is_a_loss_scale_skip(case):
    # As in test_strategies.py: at scales 2^109, 2^108 and 2^107.
    found = case("scaled")
    assert found.steps.loss_scale.tolist() == [2.0**106]
    assert found.steps.loss_scale_skips.tolist() == [3]
    assert found.record.manifest.loss_scale_skips == 3
    for number in range(2):
        weights = _flat(case("scaled", number).numbers[:2])
        np.testing.assert_allclose(weights, np.array([1, -1, 1]) / np.sqrt(3), 1e-4)


# What Keras itself cannot run


def _failure(trained, name):
    folder, _ = trained
    return (folder / name / "0.txt").read_text()


def test_keras_cannot_accumulate_gradients_here(trained):
    assert "merge_call" in _failure(trained, "accumulation, Keras")
    assert _failure(trained, "accumulation").splitlines()[-1] == (
        "ValueError: instrument: gradient_accumulation_steps=2 under MultiWorkerMirroredStrategy:"
        " Keras itself fails there, with or without gradgate. Remove it, and use a larger batch or"
        " more replicas."
    )


def test_keras_cannot_fit_with_several_workers(trained):
    assert "PerReplica" in _failure(trained, "fit, Keras")
    assert _failure(trained, "fit").splitlines()[-1] == (
        "ValueError: gradgate: model.fit with several workers under MultiWorkerMirroredStrategy:"
        " Keras itself fails there, with or without gradgate. Write the loop by hand:"
        " strategy.run(step), with optimizer.apply_gradients in the step."
    )
