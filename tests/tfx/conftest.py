"""Models, records and artifacts for the edges. What needs TFX imports it inside of its fixture."""

import itertools
import json
import os
import sys
import uuid
from pathlib import Path

import pytest

from gradgate.contracts import Verdict, bind_tree, canonical_json
from gradgate.contracts.verdict import Finding, Inputs, Subject
from gradgate.tfx.pusher.checks import Blessing


def write_model(folder, weights=b"sound weights"):
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(weights)
    return folder


def finding(**changes):
    return Finding(
        **{
            "id": "nonfinite-gradient",
            "signal": "gradient.nonfinite_applied",
            "status": "pass",
            "level": "ok",
            "severity": "block",
            "evidence": "reported",
            "message": "0 of 20 steps, expected 0",
            **changes,
        }
    )


def write_verdict(folder, model, **changes):
    bound = bind_tree(model)
    verdict = Verdict(
        **{
            "decision": "ok",
            "blessed": True,
            "healthy": True,
            "headline": "OK: 14 of 14 rules passed",
            "subject": Subject(model_digest=bound.digest, model_files=bound.files),
            "inputs": Inputs(gate_version="0.1.0"),
            "as_of": "2026-11-23T05:40:00Z",
            "findings": (finding(),),
            **changes,
        }
    ).sealed()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verdict.json").write_bytes(canonical_json(verdict.document()))
    return verdict


class Judged:
    """A model that was judged: its folder, its verdict's folder, and the blessing of the two."""

    def __init__(self, root, *, weights=b"sound weights", without=(), **changes):
        self.model = write_model(root / "model", weights)
        for name in without:
            (self.model / name).unlink()
        self.verdict_dir = root / "verdict"
        self.verdict = write_verdict(self.verdict_dir, self.model, **changes)
        self.blessing = Blessing(
            blessed=int(self.verdict.blessed), verdict_id=self.verdict.verdict_id
        )


@pytest.fixture
def judged(tmp_path):
    """Makes a judged model in a folder of its own."""
    return lambda name="run", **changes: Judged(tmp_path / name, **changes)


@pytest.fixture
def serving(tmp_path):
    return tmp_path / "serving" / "taxi"


@pytest.fixture(scope="session")
def s3_server():
    """A server that speaks S3, on the loopback interface; yields its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3_url(s3_server, monkeypatch):
    """An address in a new bucket on that server."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    bucket = f"b-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/serving/taxi"


# Every object store; a new one is added here and nowhere else.
STORES = ["s3", pytest.param("gfile", marks=pytest.mark.tfx)]


@pytest.fixture(params=STORES)
def store(request, tmp_path):
    """A store with nothing in it: S3 on a real server, and TensorFlow's files on a local path."""
    if request.param == "s3":
        from gradgate.tfx.pusher.object_store import open_store

        return open_store(request.getfixturevalue("s3_url"))
    from gradgate.tfx.pusher.gfile_store import GfileStore

    return GfileStore(str(tmp_path / "objects"))


class Meddled:
    """A real store, where something happens right before some of its operations."""

    def __init__(self, store, **before):
        self._store, self._before = store, before
        self.calls = []

    def __getattr__(self, name):
        real = getattr(self._store, name)

        def meddled(*arguments, **named):
            self.calls.append((name, *map(str, arguments)))
            if name in self._before:
                self._before[name](*arguments, **named)
            return real(*arguments, **named)

        return meddled if callable(real) else real


@pytest.fixture
def meddled():
    return Meddled


@pytest.fixture(scope="session")
def artifact():
    """Makes a real TFX artifact at a path, with an id as the metadata store would give it."""
    numbers = itertools.count(1)

    def make(kind, path, **properties):
        path.mkdir(parents=True, exist_ok=True)
        made = kind()
        made.uri, made.id = str(path), next(numbers)
        for name, value in properties.items():
            if isinstance(value, int):
                made.set_int_custom_property(name, value)
            else:
                made.set_string_custom_property(name, value)
        return made

    return make


class Trained:
    """What the Trainer's executor left: its artifacts, by output key."""

    def __init__(self, outputs, folder):
        self.model, self.health = outputs["model"][0], outputs["gradient_health"][0]
        self.serving = Path(self.model.uri) / "Format-Serving"
        self.folder = folder


@pytest.fixture(scope="session")
def train(artifact, tmp_path_factory):
    """Runs the Trainer's executor on a function of `training_code.py`."""
    sys.path.insert(0, str(Path(__file__).parent))
    from tfx.dsl.components.base.base_executor import BaseExecutor
    from tfx.types import standard_artifacts

    from gradgate.tfx.artifacts import GradientHealth
    from gradgate.tfx.trainer.executor import Executor

    def run(name, *, guard=None, train_steps=0, **properties):
        folder = tmp_path_factory.mktemp(name)
        examples = artifact(standard_artifacts.Examples, folder / "examples")
        examples.split_names = '["train", "eval"]'
        for split in ("train", "eval"):
            (folder / "examples" / f"Split-{split}").mkdir()
            (folder / "examples" / f"Split-{split}" / "data").write_text(split)
        outputs = {
            "model": [artifact(standard_artifacts.Model, folder / "model")],
            "model_run": [artifact(standard_artifacts.ModelRun, folder / "model_run")],
            "gradient_health": [artifact(GradientHealth, folder / "health")],
        }
        context = BaseExecutor.Context(stateful_working_dir=str(folder / "kept"))
        executor = Executor(context)
        executor.Do(
            {"examples": [examples]},
            outputs,
            {
                "run_fn": f"training_code.{name}",
                "train_args": json.dumps({"numSteps": train_steps}),
                "eval_args": "{}",
                "custom_config": "null",
                "guard": json.dumps({"seed": 1, **(guard or {})}),
                "tracking": '{"enabled": false}',
                "code_version": "test",
                **properties,
            },
        )
        return Trained(outputs, folder)

    yield run
    sys.path.remove(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def sound(train):
    return train("sound")


@pytest.fixture(scope="session")
def policy():
    return (Path(__file__).parent / "policy.yaml").read_text()


@pytest.fixture
def gate(artifact, policy, tmp_path):
    """Runs the gate's executor; returns the verdict, and the two artifacts."""
    from tfx.types import standard_artifacts

    from gradgate.tfx.artifacts import TrainingHealthVerdict
    from gradgate.tfx.gate.executor import Executor

    def run(model, health, *, text=policy, evaluator="same", properties=None, beam=(), **inputs):
        if evaluator == "same":
            inputs["evaluator_blessing"] = [
                artifact(
                    standard_artifacts.ModelBlessing,
                    tmp_path / "evaluator",
                    blessed=1,
                    current_model=model.uri,
                    current_model_id=model.id,
                )
            ]
        folder = tmp_path / f"gate-{len(list(tmp_path.iterdir()))}"
        outputs = {
            "verdict": [artifact(TrainingHealthVerdict, folder / "verdict")],
            "blessing": [artifact(standard_artifacts.ModelBlessing, folder / "blessing")],
        }
        executor = Executor(Executor.Context(beam_pipeline_args=list(beam)))
        executor.Do(
            {"model": [model], "gradient_health": [health] if health else [], **inputs},
            outputs,
            {"policy": text, "gate_version": "test", "run_nonce": "1", **(properties or {})},
        )
        data = (folder / "verdict" / "verdict.json").read_bytes()
        verdict = Verdict.model_validate_json(data)
        return verdict, outputs["blessing"][0], outputs["verdict"][0]

    return run
