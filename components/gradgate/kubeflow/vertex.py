"""Compiles a TFX pipeline for Vertex AI Pipelines, by TFX's own runner.

TFX's IR holds no environment, and nothing for nodes that read files; its query for the last blessed
model takes any component's blessing; and its cache would answer for the gate. These four are put
right in what TFX gave. Equal pipelines and settings give equal bytes.
"""

import difflib
from typing import Any

import yaml
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.orchestration.pipeline import Pipeline

from gradgate.kubeflow.vertex_settings import (
    Resources,
    VertexError,
    VertexSettings,
    require_bucket,
)
from gradgate.kubeflow.vertex_step import BLESSED_BY_GATE

STEP = ("python", "-m", "gradgate.kubeflow.vertex_step")
RUN_NONCE = "{{$.pipeline_job_uuid}}"
"""What Vertex replaces by the id of the run, in the value of a parameter."""

_ANEW = "run_nonce"  # a component with such a parameter is asked anew in each run


def compile_for_vertex(pipeline: Pipeline, settings: VertexSettings) -> str:
    """Returns the pipeline as YAML, schema 2.1.

    Args:
        pipeline: Its components are given their resources, so make it for this alone.
        settings: What the containers get.

    Raises:
        VertexError: If the pipeline root is no bucket, or the settings name an unknown node.
    """
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as vertex

    root = require_bucket("the pipeline root", pipeline.pipeline_info.pipeline_root)
    _give_resources(pipeline, settings)
    config = vertex.KubeflowV2DagRunnerConfig(
        default_image=settings.image,
        default_commands=list(STEP),
        # Of 2.0, neither TFX's own writer of YAML nor Kubeflow's loader can read the parameters.
        use_pipeline_spec_2_1=True,
    )
    spec = vertex.KubeflowV2DagRunner(config).run(pipeline, write_out=False)["pipelineSpec"]
    spec["defaultPipelineRoot"] = root
    tasks, executors = spec["root"]["dag"]["tasks"], spec["deploymentSpec"]["executors"]
    for name, task in tasks.items():
        if _ANEW in task.get("inputs", {}).get("parameters", {}):
            task["cachingOptions"] = {}
        component = spec["components"][task["componentRef"]["name"]]
        _mend(executors[component["executorLabel"]], settings, name)
    text: str = yaml.safe_dump(spec, sort_keys=True, width=100_000)
    return text


def _mend(executor: dict[str, Any], settings: VertexSettings, node: str) -> None:
    container, resolver = executor.get("container"), executor.get("resolver")
    if container is not None:
        if settings.environment:
            said = sorted(settings.environment.items())
            container["env"] = [{"name": name, "value": value} for name, value in said]
        if node in settings.nodes and "resources" not in container:  # TFX forgets ExampleGens
            container["resources"] = _as_json(settings.nodes[node])
    for query in (resolver or {}).get("outputArtifactQueries", {}).values():
        # The Evaluator blesses as well, and what the gate then refused is no model to start from.
        if 'schema_title="tfx.ModelBlessing"' in query["filter"]:
            query["filter"] += f" AND metadata.{BLESSED_BY_GATE}.number_value=1"


def _give_resources(pipeline: Pipeline, settings: VertexSettings) -> None:
    known = {node.id: node for node in pipeline.components if isinstance(node, BaseComponent)}
    for name, resources in settings.nodes.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            raise VertexError(
                f"nodes: there is no node {name!r}{hint} Nodes that run in a container:"
                f" {', '.join(known)}."
            )
        known[name].with_platform_config(_as_proto(resources))


def _as_proto(resources: Resources) -> Any:
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    container = pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec
    return json_format.ParseDict(_as_json(resources), container.ResourceSpec())


def _as_json(resources: Resources) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if resources.cpu is not None:
        found["cpuLimit"] = resources.cpu
    if resources.memory_gb is not None:
        found["memoryLimit"] = resources.memory_gb
    if resources.accelerator is not None:
        accelerator = resources.accelerator
        found["accelerator"] = {"type": accelerator.type, "count": str(accelerator.count)}
    return found
