"""Whether a TFX pipeline is wired so that nothing but a judged model can be pushed.

A gate that is not asked protects nobody, and TFX builds such a pipeline without a word. This looks
at the pipeline as it was built, before anything runs: which component pushes, whose blessing it
obeys, and whose blessing makes a model "the last blessed one".
"""

import dataclasses
from collections.abc import Iterator

from tfx.components.pusher.component import Pusher
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.pipeline import Pipeline
from tfx.types.channel import BaseChannel, UnionChannel
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, PushedModel

from gradgate.gate.load_policy import load_policy
from gradgate.tfx.fail_if_blocked.component import FailIfBlocked
from gradgate.tfx.gate.component import GradientGate
from gradgate.tfx.pusher.component import VerifyingPusher

_Source = tuple[str | None, str | None]  # id of a node, key of its output


@dataclasses.dataclass(frozen=True, kw_only=True)
class WiringProblem:
    """One thing that lets a model be pushed, or be built upon, that was not judged.

    Attributes:
        code: `stock-pusher`, `no-gate`, `unscoped-resolver`, `unjudged-start` or
            `unwired-blessing`.
        node: Id of the component.
        message: What is wrong and what to do.
    """

    code: str
    node: str
    message: str


def lint_pipeline(pipeline: Pipeline) -> list[WiringProblem]:
    """Returns what is wrong with the wiring of a pipeline, node by node.

    Inner pipelines are looked into. Components are known by their class and by what they put out,
    so a Pusher of your own is found too; what an executor does inside is not seen.
    """
    nodes = list(_nodes(pipeline))
    gates = {node.id: node for node in nodes if isinstance(node, GradientGate)}
    problems = [problem for node in nodes for problem in _of_node(node, gates)]
    if gates:
        problems += _unheard(nodes, gates)
        problems += _unjudged_starts(nodes, gates)
    return problems


def _nodes(pipeline: Pipeline) -> Iterator[BaseNode]:
    for node in pipeline.components:
        if isinstance(node, Pipeline):
            yield from _nodes(node)
        else:
            yield node


def _of_node(node: BaseNode, gates: dict[str, GradientGate]) -> Iterator[WiringProblem]:
    if isinstance(node, VerifyingPusher):
        yield from _of_pusher(node, gates)
    elif _pushes(node):
        yield WiringProblem(
            code="stock-pusher",
            node=node.id,
            message=f"{type(node).__name__} does not compare what it pushes with what was judged,"
            " and pushes when its blessing is absent; use gradgate.VerifyingPusher",
        )
    elif isinstance(node, Resolver):
        yield from _of_resolver(node, gates)
    elif isinstance(node, FailIfBlocked):
        yield from _of_last_node(node, gates)


def _pushes(node: BaseNode) -> bool:
    if isinstance(node, Resolver):
        return False
    outputs = (channel.type for channel in node.outputs.values())
    return isinstance(node, Pusher) or any(issubclass(kind, PushedModel) for kind in outputs)


def _of_pusher(pusher: VerifyingPusher, gates: dict[str, GradientGate]) -> Iterator[WiringProblem]:
    blessing = _sources(pusher.inputs["model_blessing"])
    ids = {source[0] for source in blessing}
    if not gates:
        text = "there is no GradientGate in the pipeline, so nothing can be blessed; add one"
        yield WiringProblem(code="no-gate", node=pusher.id, message=text)
        return
    gate = gates.get(next(iter(ids)) or "") if len(ids) == 1 else None
    if gate is None:
        yield WiringProblem(
            code="unwired-blessing",
            node=pusher.id,
            message=f"model_blessing is that of {_named(blessing)}, not the gate's; give it"
            f" {_gate(gates)}.outputs['blessing']",
        )
        return
    verdict = _sources(pusher.inputs["verdict"])
    if verdict != {(gate.id, "verdict")}:
        yield WiringProblem(
            code="unwired-blessing",
            node=pusher.id,
            message=f"verdict is that of {_named(verdict)}, and the blessing that of {gate.id};"
            f" give it {gate.id}.outputs['verdict']",
        )
    model, judged = _sources(pusher.inputs["model"]), _sources(gate.inputs["model"])
    if model != judged:
        yield WiringProblem(
            code="unwired-blessing",
            node=pusher.id,
            message=f"model is that of {_named(model)}, and {gate.id} judges that of"
            f" {_named(judged)}; give both the same",
        )


def _of_resolver(resolver: Resolver, gates: dict[str, GradientGate]) -> Iterator[WiringProblem]:
    for name, channel in resolver.raw_inputs.items():
        if not issubclass(channel.type, ModelBlessing):
            continue
        found = _sources(channel)
        if {source[0] for source in found} <= gates.keys():
            continue
        scope = f"producer_component_id={_gate(gates)!r}"
        yield WiringProblem(
            code="unscoped-resolver",
            node=resolver.id,
            message=f"{name} takes a blessing of {_named(found)}, so a model that the gate refused"
            " can become the baseline or the start of the next training; write"
            f" Channel(type=ModelBlessing, {scope})",
        )


def _of_last_node(node: FailIfBlocked, gates: dict[str, GradientGate]) -> Iterator[WiringProblem]:
    verdict = _sources(node.inputs["verdict"])
    if not verdict <= {(gate, "verdict") for gate in gates}:
        yield WiringProblem(
            code="unwired-blessing",
            node=node.id,
            message=f"verdict is that of {_named(verdict)}, not the gate's, so the run can stay"
            f" green; give it {_gate(gates)}.outputs['verdict']",
        )


def _unjudged_starts(
    nodes: list[BaseNode], gates: dict[str, GradientGate]
) -> Iterator[WiringProblem]:
    """Trainings and comparisons that begin from the latest model, whether it was blessed or not."""
    heedless = {
        node.id
        for node in nodes
        if isinstance(node, Resolver)
        and any(issubclass(channel.type, Model) for channel in node.raw_inputs.values())
        and not any(issubclass(channel.type, ModelBlessing) for channel in node.raw_inputs.values())
    }
    for node in nodes:
        if isinstance(node, Resolver):
            continue
        for name in sorted(node.inputs.keys() & {"base_model", "baseline_model"}):
            found = _sources(node.inputs[name])
            if {source[0] for source in found} & heedless:
                yield WiringProblem(
                    code="unjudged-start",
                    node=node.id,
                    message=f"{name} is what {_named(found)} finds, blessed or not; let it find the"
                    " last blessed model: LatestBlessedModelStrategy, with model_blessing="
                    f"Channel(type=ModelBlessing, producer_component_id={_gate(gates)!r})",
                )


def _unheard(nodes: list[BaseNode], gates: dict[str, GradientGate]) -> Iterator[WiringProblem]:
    """Judges whose blessing no gate hears, though it could."""
    heard = {
        source[0]
        for gate in gates.values()
        for name, channel in gate.inputs.items()
        if name in {"evaluator_blessing", "infra_blessing"}
        for source in _sources(channel)
    }
    may_be_deaf = all(
        not load_policy(gate.exec_properties["policy"]).require_evaluator for gate in gates.values()
    )
    for node in nodes:
        if isinstance(node, Resolver | GradientGate) or node.id in heard:
            continue
        kinds = [channel.type for channel in node.outputs.values()]
        is_infra = any(issubclass(kind, InfraBlessing) for kind in kinds)
        if is_infra or (any(issubclass(k, ModelBlessing) for k in kinds) and not may_be_deaf):
            argument = "infra_blessing" if is_infra else "evaluator_blessing"
            remedy = f"give it to {_gate(gates)} as {argument}"
            if not is_infra:
                remedy += ", or say require_evaluator: false in the policy"
            yield WiringProblem(
                code="unwired-blessing",
                node=node.id,
                message=f"its blessing goes to no gate, so its no would not be heard; {remedy}",
            )


def _sources(channel: BaseChannel) -> set[_Source]:
    """Where the artifacts of a channel come from; nobody in particular is (None, None)."""
    if isinstance(channel, UnionChannel):
        return {source for inner in channel.channels for source in _sources(inner)}
    wrapped = getattr(channel, "wrapped", None)
    if wrapped is not None:
        return _sources(wrapped)
    return {(getattr(channel, "producer_component_id", None), getattr(channel, "output_key", None))}


def _named(sources: set[_Source]) -> str:
    return " and ".join(sorted(source[0] or "any component" for source in sources))


def _gate(gates: dict[str, GradientGate]) -> str:
    return next(iter(gates), "GradientGate")
