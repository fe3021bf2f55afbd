"""The package: golden bytes, the same in every process, no TensorFlow, and all settings in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gradgate.kubeflow.compile import read_settings
from gradgate.kubeflow.graph import Graph
from gradgate.kubeflow.package import PackageError, compile_package
from gradgate.kubeflow.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "kubeflow"
needs_sdk = pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="packages are compiled with KFP's SDK 2.16, which TFX 1.16 (Python 3.10) cannot have",
)


@pytest.fixture
def graph():
    return Graph.model_validate_json((GOLDEN / "graph.json").read_text())


def documents(path):
    return list(YAML(typ="safe", pure=True).load_all(path.read_text()))


@pytest.mark.tfx
def test_the_graph_of_our_pipeline_is_the_golden_one(graph, tmp_path):
    from gradgate.kubeflow.read_graph import read_graph

    found = read_graph("pipeline.on_kubeflow:create", {"root": str(tmp_path)})
    assert found == graph, "make it again: see tests/golden/kubeflow/README.md"


@needs_sdk
def test_compiled_twice_it_is_the_golden_package_and_no_tensorflow_is_imported(tmp_path):
    program = (
        "import sys; sys.argv = sys.argv[1:]; import runpy\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'tensorflow', 'tfx', 'keras', 'apache_beam', 'mlflow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for seed in ("1", "2"):
        target = tmp_path / f"{seed}.yaml"
        subprocess.run(
            [
                *(sys.executable, "-c", program, str(ROOT / "kubeflow" / "compile.py")),
                *("--graph", str(GOLDEN / "graph.json"), "--output", str(target)),
            ],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "components")},
            check=True,
            capture_output=True,
        )
        golden = GOLDEN / "package.yaml"
        assert target.read_text() == golden.read_text(), "make it again: see the README beside it"


@needs_sdk
def test_steps_bear_the_names_of_the_nodes_and_wait_for_what_they_need(graph):
    spec, _ = documents(GOLDEN / "package.yaml")
    tasks = spec["root"]["dag"]["tasks"]
    named = {task["taskInfo"]["name"]: task for task in tasks.values()}
    assert set(named) == {node.id for node in graph.nodes}
    for node in graph.nodes:
        waits = {
            tasks[name]["taskInfo"]["name"] for name in named[node.id].get("dependentTasks", [])
        }
        assert waits == set(node.upstream)
        assert named[node.id]["cachingOptions"] == {}
    outputs = spec["components"]["comp-gradient-gate"]["outputDefinitions"]
    kinds = {name: a["artifactType"]["schemaTitle"] for name, a in outputs["artifacts"].items()}
    assert kinds == {
        "report": "system.HTML",
        "summary": "system.Markdown",
        "metrics": "system.Metrics",
    }
    assert outputs["parameters"] == {"decision": {"parameterType": "STRING"}}


@needs_sdk
def test_every_setting_reaches_its_step(graph, tmp_path):
    (tmp_path / "settings.yaml").write_text("""
image: mine:1
pull_policy: Always
pull_secrets: [store]
run_as_user: 1234
metadata: postgresql://gradgate@db:5432/mlmd
parameters: {config: silent-nan, fail_run_on_block: true}
defaults: {cpu: 500m, memory: 2Gi}
nodes:
  Trainer:
    gpu: {type: amd.com/gpu, count: 2}
    retries: 3
    timeout: 60
    env: {LEVEL: high}
    secrets: [{name: mlflow, keys: {user: MLFLOW_TRACKING_USERNAME}}]
    secret_files: [{name: signing, path: /keys}]
    volumes: [{claim: data, path: /data}]
    scratch: [{path: /fast, size: 1Gi, memory: true}]
    node_selector: {pool: gpus}
    tolerations: [{key: gpu, operator: Exists, effect: NoSchedule, seconds: 5}]
    labels: {team: taxis}
""")
    target = tmp_path / "package.yaml"
    compile_package(graph, read_settings(tmp_path / "settings.yaml"), target)
    spec, platform = documents(target)
    defaults = spec["root"]["inputDefinitions"]["parameters"]
    assert defaults["config"]["defaultValue"] == "silent-nan"
    assert defaults["fail_run_on_block"]["defaultValue"] is True
    assert defaults["metadata"]["defaultValue"] == "postgresql://gradgate@db:5432/mlmd"
    executors = spec["deploymentSpec"]["executors"]
    trainer, transform = (
        executors["exec-trainer"]["container"],
        executors["exec-transform"]["container"],
    )
    assert trainer["image"] == transform["image"] == "mine:1"
    assert trainer["env"] == [{"name": "LEVEL", "value": "high"}]
    assert trainer["resources"]["resourceCpuLimit"] == "500m"
    assert trainer["resources"]["accelerator"]["resourceType"] == "amd.com/gpu"
    assert trainer["resources"]["accelerator"]["resourceCount"] == "2"
    assert "accelerator" not in transform["resources"]
    retry = spec["root"]["dag"]["tasks"]["trainer"]["retryPolicy"]
    assert retry["maxRetryCount"] == 3
    kubernetes = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-trainer"]
    assert kubernetes["activeDeadlineSeconds"] == "60"
    (secret,) = kubernetes["secretAsEnv"]
    assert secret["keyToEnv"] == [{"envVar": "MLFLOW_TRACKING_USERNAME", "secretKey": "user"}]
    (files,) = kubernetes["secretAsVolume"]
    assert files["mountPath"] == "/keys"
    (volume,) = kubernetes["pvcMount"]
    assert (volume["mountPath"], volume["pvcNameParameter"]["runtimeValue"]["constant"]) == (
        "/data",
        "data",
    )
    (scratch,) = kubernetes["emptyDirMounts"]
    assert (scratch["mountPath"], scratch["medium"], scratch["sizeLimit"]) == (
        "/fast",
        "Memory",
        "1Gi",
    )
    assert kubernetes["nodeSelector"]["labels"] == {"pool": "gpus"}
    (toleration,) = kubernetes["tolerations"]
    assert toleration["key"] == "gpu"
    assert kubernetes["podMetadata"]["labels"] == {"team": "taxis"}
    assert kubernetes["imagePullPolicy"] == "Always"
    assert kubernetes["imagePullSecret"]
    assert kubernetes["securityContext"] == {"runAsUser": "1234", "runAsNonRoot": True}


@needs_sdk
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"nodes": {"Trainr": {}}}, "a node 'Trainr' .*Did you mean 'Trainer'"),
        ({"parameters": {"rot": "/x"}}, "a parameter 'rot' .*Did you mean 'root'"),
        ({"parameters": {"root": 3}}, "'root' is a str; its default 3 in the settings is none"),
    ],
)
def test_settings_that_do_not_fit_the_pipeline_are_an_error(graph, tmp_path, changes, says):
    settings = Settings.model_validate({"image": "i", **changes})
    with pytest.raises(PackageError, match=says):
        compile_package(graph, settings, tmp_path / "package.yaml")
    assert not (tmp_path / "package.yaml").exists()


@needs_sdk
def test_a_parameter_with_a_name_of_the_packages_own_is_an_error(graph, tmp_path):
    first, *rest = graph.parameters
    taken = graph.model_copy(
        update={"parameters": (first.model_copy(update={"name": "run_id"}), *rest)}
    )
    with pytest.raises(PackageError, match="'run_id' has a name that the package needs"):
        compile_package(taken, Settings(image="i"), tmp_path / "package.yaml")


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="here the SDK is there")
def test_without_the_sdk_the_error_says_what_to_install(graph, tmp_path):
    with pytest.raises(PackageError, match=r"gradgate\[kubeflow\], with Python 3\.11 or newer"):
        compile_package(graph, Settings(image="i"), tmp_path / "package.yaml")
