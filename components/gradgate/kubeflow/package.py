"""Compiles a graph to a package for Kubeflow Pipelines 2.x. Needs the KFP SDK, not TFX.

Equal graphs and settings give equal bytes.
"""

import difflib
import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gradgate.kubeflow.graph import (
    DECISION,
    JOB_ID,
    METADATA,
    METRICS,
    REPORT,
    RUN_ID,
    SUMMARY,
    Graph,
    Node,
    Parameter,
)
from gradgate.kubeflow.settings import Settings

_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_OWN = (
    Parameter(name=METADATA, kind="str", description="Address of the metadata store of all runs"),
    Parameter(
        name=RUN_ID,
        kind="str",
        default="",
        description="Names the run in the metadata store; empty for Kubeflow's own id",
    ),
)


class PackageError(ValueError):
    """A graph and settings that make no package; the message says what to change."""


def compile_package(graph: Graph, settings: Settings, target: Path) -> None:
    """Writes the package of a pipeline.

    Args:
        graph: What `read_graph` gave.
        settings: What each step gets.
        target: The file, `.yaml`; the SDK decides on the format by its ending.

    Raises:
        PackageError: If the settings name a node or a parameter that is not there, or the SDK is
            missing or too old.
    """
    dsl, compiler = _sdk()
    parameters = _parameters(graph, settings)
    _require_known("node", settings.nodes, [node.id for node in graph.nodes])

    def body(*values: Any) -> None:
        given = {parameter.name: value for parameter, value in zip(parameters, values, strict=True)}
        tasks: dict[str, Any] = {}
        for node in graph.nodes:
            step = _component(dsl, graph, node, parameters, settings.image)
            task = step(**given, **{JOB_ID: dsl.PIPELINE_JOB_ID_PLACEHOLDER})
            task.set_display_name(node.id)
            # TFX has a cache of its own, which knows what a node really depends on.
            task.set_caching_options(enable_caching=False)
            task.after(*(tasks[upstream] for upstream in node.upstream))
            _equip(task, settings, node.id)
            tasks[node.id] = task

    body.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_argument(parameter) for parameter in parameters]
    )
    body.__doc__ = _describe(f"{graph.name}, each node a step.", parameters)
    pipeline = dsl.pipeline(name=_name(graph.name), description=f"{graph.name} by gradgate")(body)
    compiler.Compiler().compile(pipeline, str(target))


def _sdk() -> tuple[Any, Any]:
    try:
        from kfp import compiler, dsl, kubernetes  # noqa: F401
    except ImportError as error:
        raise PackageError(
            "compiling needs the KFP SDK and kfp-kubernetes, 2.16: pip install gradgate[kubeflow],"
            f" with Python 3.11 or newer ({error})."
        ) from error
    return dsl, compiler


def _parameters(graph: Graph, settings: Settings) -> tuple[Parameter, ...]:
    reserved = {RUN_ID, JOB_ID, METADATA}
    if taken := sorted(reserved & {parameter.name for parameter in graph.parameters}):
        raise PackageError(
            f"{graph.factory}: its parameter {taken[0]!r} has a name that the package needs."
        )
    _require_known("parameter", settings.parameters, [p.name for p in graph.parameters])
    found = []
    for parameter in graph.parameters:
        default = settings.parameters.get(parameter.name, parameter.default)
        if default is not None and type(default).__name__ != parameter.kind:
            raise PackageError(
                f"the parameter {parameter.name!r} is a {parameter.kind}; its default {default!r}"
                f" in the settings is none."
            )
        found.append(parameter.model_copy(update={"default": default}))
    metadata, run_id = _OWN
    return (*found, metadata.model_copy(update={"default": settings.metadata}), run_id)


def _require_known(what: str, named: Iterable[str], known: list[str]) -> None:
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise PackageError(
                f"the settings name a {what} {name!r} that the pipeline does not have.{hint} It has"
                f" {', '.join(known)}."
            )


def _component(
    dsl: Any, graph: Graph, node: Node, parameters: tuple[Parameter, ...], image: str
) -> Callable[..., Any]:
    # Made for each node: the name of the component is what Kubeflow's graph and logs show.
    def step(*_: Any, **__: Any) -> Any:
        return dsl.ContainerSpec(
            image=image,
            command=["python", "-m", "gradgate.kubeflow.step"],
            args=[
                *("--factory", graph.factory),
                *("--node", node.id),
                *("--graph", graph.digest),
                # All parameters and places in one: a policy's text needs no quoting then.
                *("--executor-input", "{{$}}"),
            ],
        )

    arguments = [_argument(p.model_copy(update={"default": None})) for p in parameters]
    arguments.append(_argument(Parameter(name=JOB_ID, kind="str")))
    if node.verdict is not None:
        outputs = {
            REPORT: dsl.Output[dsl.HTML],
            SUMMARY: dsl.Output[dsl.Markdown],
            METRICS: dsl.Output[dsl.Metrics],
            DECISION: dsl.OutputPath(str),
        }
        arguments.extend(
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
            for name, annotation in outputs.items()
        )
    step.__signature__ = inspect.Signature(arguments)  # type: ignore[attr-defined]
    step.__annotations__ = {argument.name: argument.annotation for argument in arguments}
    step.__name__ = _name(node.id)
    step.__doc__ = f"{node.id}: {node.type}."
    component: Callable[..., Any] = dsl.container_component(step)
    return component


def _argument(parameter: Parameter) -> inspect.Parameter:
    empty = inspect.Parameter.empty
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=empty if parameter.default is None else parameter.default,
        annotation=_TYPES[parameter.kind],
    )


def _describe(title: str, parameters: tuple[Parameter, ...]) -> str:
    lines = [f"    {p.name}: {p.description}." for p in parameters if p.description]
    return "\n".join([title, "", "Args:", *lines]) if lines else title


def _name(text: str) -> str:
    """Kubeflow's form of a name: `LastBlessedModel` becomes `last-blessed-model`."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", text)
    return re.sub(r"[^a-z0-9]+", "-", parts.lower()).strip("-")


def _equip(task: Any, settings: Settings, node: str) -> None:
    from kfp import kubernetes

    step = settings.of(node)
    if step.cpu is not None:
        task.set_cpu_request(step.cpu).set_cpu_limit(step.cpu)
    if step.memory is not None:
        task.set_memory_request(step.memory).set_memory_limit(step.memory)
    if step.gpu is not None:
        task.set_accelerator_type(step.gpu.type).set_accelerator_limit(step.gpu.count)
    if step.retries:
        task.set_retry(step.retries, backoff_duration="30s", backoff_factor=2.0)
    for name, value in sorted(step.env.items()):
        task.set_env_variable(name, value)
    if step.timeout is not None:
        kubernetes.set_timeout(task, step.timeout)
    for secret in step.secrets:
        kubernetes.use_secret_as_env(task, secret.name, dict(sorted(secret.keys.items())))
    for files in step.secret_files:
        kubernetes.use_secret_as_volume(task, files.name, files.path)
    for volume in step.volumes:
        kubernetes.mount_pvc(task, volume.claim, volume.path)
    for number, scratch in enumerate(step.scratch):
        medium = "Memory" if scratch.memory else None
        kubernetes.empty_dir_mount(
            task, f"scratch-{number}", scratch.path, medium=medium, size_limit=scratch.size
        )
    for key, value in sorted(step.node_selector.items()):
        kubernetes.add_node_selector(task, key, value)
    for toleration in step.tolerations:
        kubernetes.add_toleration(
            task,
            key=toleration.key,
            operator=toleration.operator,
            value=toleration.value,
            effect=toleration.effect,
            toleration_seconds=toleration.seconds,
        )
    for key, value in sorted(step.labels.items()):
        kubernetes.add_pod_label(task, key, value)
    kubernetes.set_image_pull_policy(task, settings.pull_policy)
    if settings.pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(settings.pull_secrets))
    kubernetes.set_security_context(task, run_as_user=settings.run_as_user, run_as_non_root=True)
