"""Nodes as Vertex AI runs them: the compiled command, artifacts in buckets, buckets as folders."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from gradgate.contracts import Verdict

pytestmark = pytest.mark.tfx
STACK = "tfx116" if sys.version_info < (3, 11) else "tfx121"
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "kubeflow" / f"vertex-{STACK}.yaml"
NAME = "projects/1/locations/europe-west4/metadataStores/default/artifacts"
MODEL = f"{NAME}/4711"


class Vertex:
    """A bucket in a folder, and what Vertex's launcher does around a container."""

    def __init__(self, mount):
        self.mount = mount
        self.spec = yaml.safe_load(GOLDEN.read_text())

    def put(self, folder, uri):
        """Copies a folder to an address; returns the address."""
        shutil.copytree(folder, self.path(uri))
        return uri

    def path(self, uri):
        assert uri.startswith("gs://"), uri
        return self.mount / uri.removeprefix("gs://")

    def run(self, node, inputs, **parameters):
        """Runs a node on artifacts by key: (name, address, metadata); returns what it gave out."""
        from gradgate.kubeflow.vertex_step import run, stock

        component = self.spec["components"][node]
        task = self.spec["root"]["dag"]["tasks"][node]["inputs"]["parameters"]
        values = {name: each["runtimeValue"]["constant"] for name, each in task.items()}
        definitions = component["inputDefinitions"]["artifacts"]
        output_file = self.mount / "executions" / node / "executor_output.json"
        given = {
            "inputs": {
                "parameterValues": values | parameters,
                "artifacts": {
                    key: _artifact(definitions[key], *said) for key, said in inputs.items()
                },
            },
            "outputs": {
                "outputFile": str(output_file),
                "artifacts": {
                    key: _artifact(kind, f"{NAME}/{node}-{key}", f"gs://rides/runs/{node}/{key}")
                    for key, kind in component["outputDefinitions"]["artifacts"].items()
                },
            },
        }
        args = self.spec["deploymentSpec"]["executors"][f"{node}_executor"]["container"]["args"]
        # TFX fills in nothing that Vertex would: the executor's input takes the place of {{$}}.
        words = [word.replace("{{$}}", json.dumps(given)) for word in args]
        run(*stock._parse_flags(["vertex_step", *words]), mount=str(self.mount))
        made = json.loads(output_file.read_text())
        return {key: each["artifacts"][0] for key, each in made["artifacts"].items()}


def _artifact(definition, name, uri, metadata=None):
    kind = definition["artifactType"]
    return {"artifacts": [{"name": name, "uri": uri, "type": kind, "metadata": metadata or {}}]}


@pytest.fixture
def vertex(tmp_path):
    return Vertex(tmp_path / "gcs")


@pytest.fixture
def judged(vertex, sound, policy, tmp_path):
    """A sound training in the bucket, and the gate's run on it."""

    def judge(evaluator=1.0, text=policy):
        model = vertex.put(sound.model.uri, "gs://rides/runs/Trainer/model")
        health = vertex.put(sound.health.uri, "gs://rides/runs/Trainer/gradient_health")
        vertex.path("gs://rides/runs/examples").mkdir(parents=True)
        blessing = {"blessed": evaluator, "current_model": model, "current_model_id": MODEL}
        return vertex.run(
            "GradientGate",
            {
                "model": (MODEL, model),
                "gradient_health": (f"{NAME}/1", health),
                "evaluator_blessing": (f"{NAME}/2", "gs://rides/runs/Evaluator/b", blessing),
                "examples": (f"{NAME}/3", "gs://rides/runs/examples"),
            },
            policy=text,
            baselines=str(tmp_path / "baselines"),
        )

    return judge


def test_the_gate_reads_and_writes_buckets_and_blesses_by_name(vertex, judged):
    made = judged()
    blessing = made["blessing"]
    assert blessing["uri"] == "gs://rides/runs/GradientGate/blessing"
    metadata = blessing["metadata"]
    assert metadata["blessed"] == metadata["blessed_by_gate"] == 1
    assert metadata["current_model"] == "gs://rides/runs/Trainer/model"
    assert metadata["current_model_id"] == MODEL  # what the resolver asks for in the next run
    assert (vertex.path(blessing["uri"]) / "BLESSED").exists()
    folder = vertex.path(made["verdict"]["uri"])
    verdict = Verdict.model_validate_json((folder / "verdict.json").read_bytes())
    assert verdict.decision == "ok"
    assert (folder / "report.html").exists()


def test_a_model_that_the_evaluator_refused_is_not_found_later(judged):
    metadata = judged(evaluator=0.0)["blessing"]["metadata"]
    assert metadata["blessed"] == metadata["blessed_by_gate"] == 0


def test_the_pusher_ships_what_the_gate_blessed(vertex, judged, tmp_path):
    made = judged()
    destination = {"filesystem": {"baseDirectory": str(tmp_path / "serving")}}
    pushed = vertex.run(
        "VerifyingPusher",
        {
            "model": (MODEL, "gs://rides/runs/Trainer/model"),
            "model_blessing": ("b", made["blessing"]["uri"], made["blessing"]["metadata"]),
            "verdict": ("v", made["verdict"]["uri"], made["verdict"]["metadata"]),
        },
        push_destination=json.dumps(destination),
    )["pushed_model"]
    assert pushed["metadata"]["pushed"] == 1
    assert pushed["uri"].startswith("gs://")
    (version,) = (tmp_path / "serving").glob("*/saved_model.pb")
    assert version.read_bytes() == (
        vertex.path("gs://rides/runs/Trainer/model/Format-Serving/saved_model.pb").read_bytes()
    )


def test_a_node_of_tfx_reads_buckets_itself(vertex, monkeypatch):
    from gradgate.kubeflow import vertex_step

    seen = []
    monkeypatch.setattr(vertex_step.stock, "_run_executor", lambda *given: seen.append(given))
    words = ["--executor_class_path", "tfx.components.statistics_gen.executor.Executor"]
    words += ["--json_serialized_invocation_args", '{"inputs": "gs://rides/runs"}', "--runner=x"]
    args, beam = vertex_step.stock._parse_flags(["vertex_step", *words])
    vertex_step.run(args, beam, mount=str(vertex.mount))
    ((args, beam),) = seen
    assert args.json_serialized_invocation_args == '{"inputs": "gs://rides/runs"}'
    assert beam[-1] == "--runner=x"
