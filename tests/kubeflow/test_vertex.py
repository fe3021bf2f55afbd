"""What is compiled for Vertex AI: golden, read by Kubeflow's and Google's own code, and run."""

import re
import sys
import warnings
from pathlib import Path

import pytest
import yaml

from gradgate.kubeflow.compile_vertex import main
from gradgate.kubeflow.vertex_settings import VertexError, VertexSettings, require_bucket
from pipeline.beam import InMemory
from pipeline.load_beam import load_beam
from pipeline.on_vertex import ERRORS, create
from tests.pipeline.test_beam import DATAFLOW

pytestmark = pytest.mark.tfx
ROOT = Path(__file__).resolve().parents[2]
STACK = "tfx116" if sys.version_info < (3, 11) else "tfx121"
PLACES = {
    "--root": "gs://rides/gradgate",
    "--data-root": "gs://rides/data",
    "--schema-file": "gs://rides/schema/schema.pbtxt",
    "--push-destination": "gs://rides/serving",
}
ON_BEAM = {"CsvExampleGen", "StatisticsGen", "Transform", "Evaluator", "GradientGate"}


@pytest.fixture(scope="module")
def compile_it(tmp_path_factory):
    """Compiles as the script does; returns the file."""

    def run(*more, settings=None, **places):
        folder = tmp_path_factory.mktemp("vertex")
        path = ROOT / "kubeflow" / "vertex.yaml"
        if settings is not None:
            path = folder / "settings.yaml"
            path.write_text(settings)
        given = PLACES | {f"--{name.replace('_', '-')}": value for name, value in places.items()}
        output = folder / "vertex.yaml"
        arguments = [word for pair in given.items() for word in pair]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status = main(
                ["--output", str(output), *arguments, *more],
                settings=path,
                create=create,
                errors=ERRORS,
            )
        return output if status == 0 else status

    return run


@pytest.fixture(scope="module")
def file(compile_it):
    return compile_it("--mlflow", "http://mlflow:5000")


@pytest.fixture(scope="module")
def spec(file):
    return yaml.safe_load(file.read_text())


def _container(spec, node):
    return spec["deploymentSpec"]["executors"][f"{node}_executor"]["container"]


def test_it_is_the_golden_one(file, golden):
    """Another process made that file: equal input gives equal bytes."""
    golden(f"kubeflow/vertex-{STACK}.yaml", file.read_text())


def test_twice_gives_the_same_bytes(file, compile_it):
    again = compile_it("--mlflow", "http://mlflow:5000")
    assert again.read_bytes() == file.read_bytes()


def test_nothing_is_made_where_vertex_mounts_buckets(tmp_path, monkeypatch):
    """Who compiles need not be root: `/gcs` is a place in Vertex's containers alone."""
    monkeypatch.setattr("gradgate.kubeflow.vertex_step.MOUNT", str(tmp_path / "gcs"))
    create(**{name.strip("-").replace("-", "_"): place for name, place in PLACES.items()})
    assert not (tmp_path / "gcs").exists()


def test_kubeflows_own_loader_and_protobuf_take_it(file, spec):
    from google.protobuf import json_format
    from kfp.components import load_component_from_file
    from kfp.pipeline_spec import pipeline_spec_pb2

    assert load_component_from_file(str(file)).name == "chicago-taxi"
    message = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    assert message.schema_version == "2.1.0"
    assert message.default_pipeline_root == "gs://rides/gradgate"
    config = pipeline_spec_pb2.PipelineDeploymentConfig()
    json_format.ParseDict(spec["deploymentSpec"], config)
    trainer = config.executors["Trainer_executor"].container
    assert (trainer.resources.cpu_limit, trainer.resources.memory_limit) == (8, 32)


def test_googles_sdk_takes_it(file):
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import aiplatform

    job = aiplatform.PipelineJob(
        display_name="taxi",
        template_path=str(file),
        project="rides-prod",
        location="europe-west4",
        credentials=AnonymousCredentials(),
    )
    resource = job.to_dict()
    assert resource["runtimeConfig"]["gcsOutputDirectory"] == "gs://rides/gradgate"
    assert set(resource["pipelineSpec"]["root"]["dag"]["tasks"]) >= ON_BEAM


def test_no_run_needs_to_be_told_anything(spec):
    assert "inputDefinitions" not in spec["root"]


def test_each_artifact_has_a_schema_that_leads_to_its_class(spec):
    """By TFX's own reading, which the containers do: ours are told from the standard ones."""
    from kfp.pipeline_spec import pipeline_spec_pb2
    from tfx.orchestration.kubeflow.v2.container.kubeflow_v2_entrypoint_utils import (
        parse_raw_artifact_dict,
    )

    found = {}
    for component in spec["components"].values():
        for side in ("inputDefinitions", "outputDefinitions"):
            for name, artifact in component.get(side, {}).get("artifacts", {}).items():
                text = artifact["artifactType"]["instanceSchema"]
                schema = yaml.safe_load(text)
                assert schema["type"] == "object"
                assert re.fullmatch(r"[a-z][a-z0-9-_]{2,20}\.[A-Z][\w-]{2,49}", schema["title"])
                lists = pipeline_spec_pb2.ExecutorInput.Inputs()
                made = lists.artifacts[name].artifacts.add()
                made.type.instance_schema = text
                ((one,),) = parse_raw_artifact_dict(lists.artifacts).values()
                found[schema["title"]] = type(one)
    assert found["gradgate.GradientHealth"].__module__ == "gradgate.tfx.artifacts"
    assert found["gradgate.TrainingHealthVerdict"].__module__ == "gradgate.tfx.artifacts"
    for title, kind in found.items():
        assert title.split(".")[1] == kind.__name__


def test_each_input_is_an_output_of_the_same_type(spec):
    tasks, components = spec["root"]["dag"]["tasks"], spec["components"]
    edges = 0
    for task in tasks.values():
        component = components[task["componentRef"]["name"]]
        for name, given in task.get("inputs", {}).get("artifacts", {}).items():
            source = given["taskOutputArtifact"]
            producer = components[tasks[source["producerTask"]]["componentRef"]["name"]]
            made = producer["outputDefinitions"]["artifacts"][source["outputArtifactKey"]]
            wanted = component["inputDefinitions"]["artifacts"][name]
            assert wanted["artifactType"] == made["artifactType"]
            edges += 1
    assert edges > 20


def test_the_gate_is_asked_anew_in_each_run_and_all_else_may_be_cached(spec):
    from kfp import dsl

    tasks = spec["root"]["dag"]["tasks"]
    anew = {name for name, task in tasks.items() if task.get("cachingOptions") == {}}
    assert anew == {"GradientGate", "FailIfBlocked"}
    nonce = tasks["GradientGate"]["inputs"]["parameters"]["run_nonce"]
    assert nonce == {"runtimeValue": {"constant": dsl.PIPELINE_JOB_ID_PLACEHOLDER}}


def test_the_last_blessed_model_is_one_that_the_gate_blessed(spec):
    resolver = spec["deploymentSpec"]["executors"][
        "LastBlessedModel-model-blessing-resolver_executor"
    ]
    (query,) = resolver["resolver"]["outputArtifactQueries"].values()
    assert query["filter"] == (
        'schema_title="tfx.ModelBlessing" AND state=LIVE AND metadata.blessed.number_value=1'
        " AND metadata.blessed_by_gate.number_value=1"
    )


SETTINGS = """
image: registry.example/gradgate:1
environment: {TF_CPP_MIN_LOG_LEVEL: "2", MLFLOW_HTTP_REQUEST_TIMEOUT: "30"}
nodes:
  CsvExampleGen: {cpu: 2}
  Trainer: {cpu: 8, memory_gb: 32, accelerator: {type: NVIDIA_TESLA_T4, count: 2}}
"""


def test_each_node_gets_what_the_settings_say(compile_it):
    spec = yaml.safe_load(compile_it("--image", "other:2", settings=SETTINGS).read_text())
    trainer = _container(spec, "Trainer")
    accelerator = {"type": "NVIDIA_TESLA_T4", "count": "2"}
    assert trainer["resources"] == {
        "cpuLimit": 8.0,
        "memoryLimit": 32.0,
        "accelerator": accelerator,
    }
    assert _container(spec, "CsvExampleGen")["resources"] == {"cpuLimit": 2.0}
    assert "resources" not in _container(spec, "Transform")
    for executor in spec["deploymentSpec"]["executors"].values():
        if "container" in executor:
            container = executor["container"]
            assert container["image"] == "other:2"
            assert container["command"] == ["python", "-m", "gradgate.kubeflow.vertex_step"]
            assert container["env"] == [
                {"name": "MLFLOW_HTTP_REQUEST_TIMEOUT", "value": "30"},
                {"name": "TF_CPP_MIN_LOG_LEVEL", "value": "2"},
            ]


def test_beams_arguments_reach_every_beam_component_and_the_gate(spec, compile_it, tmp_path):
    (tmp_path / "engine.yaml").write_text(DATAFLOW)
    engine = load_beam(str(tmp_path / "engine.yaml"))
    on_dataflow = yaml.safe_load(compile_it("--beam", str(tmp_path / "engine.yaml")).read_text())
    for compiled, wanted in ((spec, InMemory()), (on_dataflow, engine)):
        given = {
            name.removesuffix("_executor")
            for name, executor in compiled["deploymentSpec"]["executors"].items()
            if _holds(executor.get("container", {}).get("args", ()), wanted.pipeline_args())
        }
        assert given >= ON_BEAM
    hook = _container(on_dataflow, "CsvExampleGen")["lifecycle"]["preCacheCheck"]
    assert _holds(hook["args"], engine.pipeline_args())


def _holds(args, wanted):
    return tuple(args[-len(wanted) :]) == wanted


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("root", "--root '/data/root' is no gs://BUCKET/FOLDER. On Vertex AI each node runs in a"),
        ("data_root", "--data-root '/data/root' is no gs://BUCKET/FOLDER."),
        ("schema_file", "--schema-file '/data/root' is no gs://BUCKET/FOLDER."),
        ("push_destination", "--push-destination '/data/root' is no gs://BUCKET/FOLDER."),
    ],
)
def test_a_local_path_is_refused(compile_it, capsys, option, words):
    assert compile_it(**{option: "/data/root"}) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("place", ["s3://rides/x", "gs://", "gs://R/x", "rides", ""])
def test_what_is_no_bucket_is_refused(place):
    with pytest.raises(VertexError, match="is no gs://BUCKET/FOLDER"):
        require_bucket("the place", place)
    assert require_bucket("the place", "gs://rides/x/") == "gs://rides/x"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("[]", "settings are a mapping, got list."),
        ("imag: x", "settings.yaml: image: Field required"),
        ("image: x\nnodes: {Trainr: {cpu: 1}}", "no node 'Trainr'; did you mean 'Trainer'?"),
        ("image: x\nnodes: {Trainer: {cpu: 0}}", "nodes.Trainer.cpu: Input should be greater than"),
        (
            "image: x\nenvironment: {MLFLOW_TRACKING_PASSWORD: p}",
            "looks like a secret, and whoever",
        ),
    ],
)
def test_settings_that_do_not_do_say_what_is_wrong(compile_it, capsys, settings, words):
    assert compile_it(settings=settings) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--config", "soundd"), "there is no configuration 'soundd'; did you mean 'sound'?"),
        (("--beam", "dataflow"), "--beam dataflow: it needs project, region, temp_location,"),
    ],
)
def test_what_the_pipeline_cannot_use_is_said_as_everywhere(compile_it, capsys, options, words):
    assert compile_it(*options) == 2
    assert words in capsys.readouterr().err


def test_the_gate_does_not_read_the_record_on_dataflow(compile_it, capsys, tmp_path):
    (tmp_path / "engine.yaml").write_text(DATAFLOW + "gate_engine: beam\n")
    assert compile_it("--beam", str(tmp_path / "engine.yaml")) == 2
    assert "the gate reads the record as files, and the workers of dataflow" in (
        capsys.readouterr().err
    )


def test_a_secret_is_no_setting():
    with pytest.raises(ValueError, match="SIGNING_KEY_PRIVATE looks like a secret"):
        VertexSettings(image="x", environment={"SIGNING_KEY_PRIVATE": "x"})
