"""Wirings that let a model through unjudged are found before anything runs."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.tfx
LENIENT = "\nrequire_evaluator: false\n"


class Wiring:
    """A pipeline of real components, wired as a test wants it."""

    def __init__(self, policy):
        from tfx.proto import pusher_pb2
        from tfx.types.channel import Channel
        from tfx.types.standard_artifacts import Examples, Model, ModelBlessing

        from gradgate import GradientGate, Trainer

        self.blessing = lambda **scope: Channel(type=ModelBlessing, **scope)
        self.model = lambda **scope: Channel(type=Model, **scope)
        examples = Channel(type=Examples)
        self.trainer = Trainer(run_fn="x.run_fn", examples=examples)
        self.evaluator = self._evaluator(examples, self.trainer.outputs["model"])
        self.gate = GradientGate(
            model=self.trainer.outputs["model"],
            gradient_health=self.trainer.outputs["gradient_health"],
            evaluator_blessing=self.evaluator.outputs["blessing"],
            policy=policy,
        )
        filesystem = pusher_pb2.PushDestination.Filesystem(base_directory="/serving")
        self.destination = pusher_pb2.PushDestination(filesystem=filesystem)

    def _evaluator(self, examples, model):
        from tfx.components.evaluator.component import Evaluator

        return Evaluator(examples=examples, model=model)

    def pusher(self, **changes):
        from gradgate import VerifyingPusher

        wired = {
            "model": self.trainer.outputs["model"],
            "model_blessing": self.gate.outputs["blessing"],
            "verdict": self.gate.outputs["verdict"],
        }
        return VerifyingPusher(push_destination=self.destination, **wired | changes)

    def resolver(self, **channels):
        from tfx.dsl.components.common.resolver import Resolver
        from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
            LatestBlessedModelStrategy,
        )

        return Resolver(strategy_class=LatestBlessedModelStrategy, **channels)

    def problems(self, *further, leave_out=()):
        from tfx.orchestration.pipeline import Pipeline

        from gradgate.tfx.lint_pipeline import lint_pipeline

        nodes = [self.trainer, self.evaluator, self.gate, *further]
        kept = [node for node in nodes if node not in leave_out]
        pipeline = Pipeline(pipeline_name="p", pipeline_root="/root", components=kept)
        return [(p.node, p.code, p.message) for p in lint_pipeline(pipeline)]


@pytest.fixture
def wiring(policy):
    return Wiring(policy)


def test_the_wiring_of_the_docs_is_sound(wiring):
    scoped = wiring.blessing(producer_component_id="GradientGate")
    resolver = wiring.resolver(model=wiring.model(), model_blessing=scoped)
    assert wiring.problems(wiring.pusher(), resolver) == []


def test_our_own_pipeline_is_sound(tmp_path):
    from gradgate.tfx.lint_pipeline import lint_pipeline
    from pipeline.configs import load
    from pipeline.pipeline import create_pipeline
    from pipeline.workspace import Workspace

    assert lint_pipeline(create_pipeline(load("sound"), Workspace(tmp_path))) == []


def test_a_stock_pusher_is_found(wiring):
    from tfx.components.pusher.component import Pusher

    stock = Pusher(
        model=wiring.trainer.outputs["model"],
        model_blessing=wiring.gate.outputs["blessing"],
        push_destination=wiring.destination,
    )
    ((node, code, message),) = wiring.problems(stock)
    assert (node, code) == ("Pusher", "stock-pusher")
    assert message.endswith("use gradgate.VerifyingPusher")


def test_a_pusher_without_a_gate_is_found(wiring):
    gateless = wiring.pusher(model_blessing=wiring.blessing())
    found = wiring.problems(gateless, leave_out=[wiring.gate])
    assert ("VerifyingPusher", "no-gate") in [problem[:2] for problem in found]


def test_a_pusher_that_obeys_the_evaluator_is_found(wiring):
    pusher = wiring.pusher(model_blessing=wiring.evaluator.outputs["blessing"])
    ((node, code, message),) = wiring.problems(pusher)
    assert (node, code) == ("VerifyingPusher", "unwired-blessing")
    assert message == (
        "model_blessing is that of Evaluator, not the gate's; give it"
        " GradientGate.outputs['blessing']"
    )


def test_a_pusher_that_pushes_another_model_is_found(wiring):
    ((_, code, message),) = wiring.problems(wiring.pusher(model=wiring.model()))
    assert code == "unwired-blessing"
    assert message == (
        "model is that of any component, and GradientGate judges that of Trainer; give both the"
        " same"
    )


def test_a_verdict_of_another_gate_is_found(wiring, policy):
    from gradgate import GradientGate

    other = GradientGate(
        model=wiring.trainer.outputs["model"],
        gradient_health=wiring.trainer.outputs["gradient_health"],
        evaluator_blessing=wiring.evaluator.outputs["blessing"],
        policy=policy,
    ).with_id("OtherGate")
    ((_, code, message),) = wiring.problems(other, wiring.pusher(verdict=other.outputs["verdict"]))
    assert code == "unwired-blessing"
    assert message.startswith("verdict is that of OtherGate, and the blessing that of GradientGate")


@pytest.mark.parametrize(
    ("scope", "whose"),
    [({}, "any component"), ({"producer_component_id": "Evaluator"}, "Evaluator")],
)
def test_a_resolver_that_takes_another_blessing_is_found(wiring, scope, whose):
    resolver = wiring.resolver(model=wiring.model(), model_blessing=wiring.blessing(**scope))
    ((_, code, message),) = wiring.problems(wiring.pusher(), resolver)
    assert code == "unscoped-resolver"
    assert message.startswith(f"model_blessing takes a blessing of {whose}, so a model that the")
    assert message.endswith("Channel(type=ModelBlessing, producer_component_id='GradientGate')")


def test_a_resolver_of_anything_else_is_left_alone(wiring):
    from tfx.dsl.components.common.resolver import Resolver
    from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy

    latest = Resolver(strategy_class=LatestArtifactStrategy, model=wiring.model())
    assert wiring.problems(wiring.pusher(), latest) == []


@pytest.mark.parametrize("is_lenient", [False, True])
def test_an_evaluator_that_no_gate_hears_is_found_unless_the_policy_needs_none(
    wiring, policy, is_lenient
):
    from gradgate import GradientGate

    wiring.gate = GradientGate(
        model=wiring.trainer.outputs["model"],
        gradient_health=wiring.trainer.outputs["gradient_health"],
        policy=policy + (LENIENT if is_lenient else "\nrequire_evaluator: true\n"),
    )
    found = wiring.problems(wiring.pusher())
    assert [problem[:2] for problem in found] == (
        [] if is_lenient else [("Evaluator", "unwired-blessing")]
    )


@pytest.mark.parametrize("is_wired", [True, False])
def test_a_last_node_that_hears_no_gate_is_found(wiring, is_wired):
    from tfx.types.channel import Channel

    from gradgate import FailIfBlocked, TrainingHealthVerdict

    pusher = wiring.pusher()
    verdict = wiring.gate.outputs["verdict"] if is_wired else Channel(type=TrainingHealthVerdict)
    last = FailIfBlocked(verdict=verdict, pushed_model=pusher.outputs["pushed_model"])
    found = wiring.problems(pusher, last)
    if is_wired:
        assert found == []
    else:
        ((node, code, message),) = found
        assert (node, code) == ("FailIfBlocked", "unwired-blessing")
        assert message.endswith("stay green; give it GradientGate.outputs['verdict']")


def test_a_start_from_the_latest_model_blessed_or_not_is_found(wiring):
    from tfx.components.evaluator.component import Evaluator
    from tfx.dsl.components.common.resolver import Resolver
    from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
    from tfx.types.channel import Channel
    from tfx.types.standard_artifacts import Examples

    from gradgate import Trainer

    latest = Resolver(strategy_class=LatestArtifactStrategy, model=wiring.model())
    base, examples = latest.outputs["model"], Channel(type=Examples)
    warm = Trainer(run_fn="x.run_fn", examples=examples, base_model=base).with_id("Warm")
    compared = Evaluator(
        examples=examples, model=wiring.trainer.outputs["model"], baseline_model=base
    ).with_id("Compared")
    nodes = (wiring.pusher(), latest, warm, compared)
    found = {node: (code, message) for node, code, message in wiring.problems(*nodes)}
    assert found["Warm"][0] == found["Compared"][0] == "unjudged-start"
    assert found["Warm"][1] == (
        f"base_model is what {latest.id} finds, blessed or not; let it find the last blessed model:"
        " LatestBlessedModelStrategy, with model_blessing=Channel(type=ModelBlessing,"
        " producer_component_id='GradientGate')"
    )
    scoped = wiring.blessing(producer_component_id="GradientGate")
    blessed = wiring.resolver(model=wiring.model(), model_blessing=scoped).with_id("Blessed")
    warm = Trainer(
        run_fn="x.run_fn", examples=examples, base_model=blessed.outputs["model"]
    ).with_id("Warm")
    assert wiring.problems(wiring.pusher(), blessed, warm) == []


def test_an_inner_pipeline_is_looked_into(wiring):
    from tfx.components.pusher.component import Pusher
    from tfx.orchestration.pipeline import Pipeline

    stock = Pusher(model=wiring.model(), push_destination=wiring.destination)
    inner = Pipeline(pipeline_name="inner", components=[stock])
    assert [problem[:2] for problem in wiring.problems(inner)] == [("Pusher", "stock-pusher")]


def test_on_the_command_line(tmp_path):
    (tmp_path / "wired.py").write_text(
        "from tfx.components.pusher.component import Pusher\n"
        "from tfx.orchestration.pipeline import Pipeline\n"
        "from tfx.proto import pusher_pb2\n"
        "from tfx.types.channel import Channel\n"
        "from tfx.types.standard_artifacts import Model\n"
        "files = pusher_pb2.PushDestination.Filesystem(base_directory='/serving')\n"
        "to = pusher_pb2.PushDestination(filesystem=files)\n"
        "def make():\n"
        "    pusher = Pusher(model=Channel(type=Model), push_destination=to)\n"
        "    return Pipeline(pipeline_name='p', pipeline_root='/r', components=[pusher])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "gradgate", "lint-pipeline", "wired:make", "--format", "json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=300,
        check=False,
    )
    assert done.returncode == 10, done.stderr
    (problem,) = json.loads(done.stdout[done.stdout.index("{") :])["problems"]
    assert (problem["node"], problem["code"]) == ("Pusher", "stock-pusher")
