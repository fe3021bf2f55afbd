"""What can be wrong with a pipeline is said while it is being built."""

import inspect
import json

import pytest

pytestmark = pytest.mark.tfx


@pytest.fixture(scope="module")
def channel():
    from tfx.types.channel import Channel

    return lambda kind: Channel(type=kind)


@pytest.fixture
def examples(channel):
    from tfx.types.standard_artifacts import Examples

    return channel(Examples)


def parameters(component):
    return set(inspect.signature(component.__init__).parameters) - {"self"}


class TestTrainer:
    def test_takes_every_keyword_of_the_stock_trainer_and_two_more(self):
        from tfx.components.trainer.component import Trainer as Stock

        from gradgate import Trainer

        ours = parameters(Trainer)
        assert parameters(Stock) <= ours
        assert ours - parameters(Stock) - {"statistics"} == {"guard", "tracking"}

    def test_gives_every_output_of_the_stock_trainer_and_the_record(self, examples):
        from gradgate import GradientHealth, Trainer

        outputs = Trainer(run_fn="x.run_fn", examples=examples).outputs
        assert set(outputs) == {"model", "model_run", "gradient_health"}
        assert outputs["gradient_health"].type is GradientHealth

    def test_carries_its_settings_as_text(self, examples):
        from gradgate import GuardSettings, Trainer
        from gradgate.contracts import Tracking
        from gradgate.gradients import ClipByGlobalNorm

        guard = GuardSettings(clip=ClipByGlobalNorm(max_norm=1.0), on_nonfinite="skip")
        tracking = Tracking(uri="http://mlflow:5000")
        trainer = Trainer(run_fn="x.run_fn", examples=examples, guard=guard, tracking=tracking)
        assert GuardSettings.from_config(json.loads(trainer.exec_properties["guard"])) == guard
        assert Tracking.model_validate_json(trainer.exec_properties["tracking"]) == tracking

    def test_an_edited_run_fn_is_another_training_for_the_cache(
        self, examples, tmp_path, monkeypatch
    ):
        from gradgate import Trainer

        monkeypatch.syspath_prepend(tmp_path)
        module = tmp_path / "edited_training.py"
        versions = []
        for text in ("def run_fn(fn_args): ...", "def run_fn(fn_args): pass"):
            module.write_text(text)
            trainer = Trainer(run_fn="edited_training.run_fn", examples=examples)
            versions.append(trainer.exec_properties["code_version"])
        assert versions[0] != versions[1]
        assert all(version.startswith("gradgate 0.") for version in versions)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "exactly one of module_file and run_fn must be given"),
            (
                {"run_fn": "x.run_fn", "module_file": "x.py"},
                "exactly one of module_file and run_fn must be given",
            ),
            (
                {"run_fn": "x.run_fn", "custom_executor_spec": object()},
                "custom_executor_spec would replace the executor that keeps the health record",
            ),
        ],
    )
    def test_what_cannot_be_is_refused(self, examples, arguments, message):
        from gradgate import Trainer

        with pytest.raises(ValueError, match=message):
            Trainer(examples=examples, **arguments)

    def test_examples_are_needed(self):
        from gradgate import Trainer

        with pytest.raises(ValueError, match="exactly one of examples and transformed_examples"):
            Trainer(run_fn="x.run_fn")


class TestGradientGate:
    @pytest.fixture
    def channels(self, channel):
        from tfx.types.standard_artifacts import Model

        from gradgate import GradientHealth

        return {"model": channel(Model), "gradient_health": channel(GradientHealth)}

    def test_a_policy_that_cannot_be_used_is_refused_before_anything_runs(self, channels, policy):
        from gradgate import GradientGate
        from gradgate.gate.policy_error import PolicyError

        with pytest.raises(PolicyError, match=r"gradient\.nonfinite_aplied"):
            GradientGate(policy=policy.replace("nonfinite_applied", "nonfinite_aplied"), **channels)

    def test_a_path_is_no_policy(self, channels):
        from gradgate import GradientGate
        from gradgate.gate.policy_error import PolicyError

        with pytest.raises(PolicyError):
            GradientGate(policy="pipeline/policies/default.yaml", **channels)

    def test_waivers_that_cannot_be_used_are_refused_before_anything_runs(self, channels, policy):
        from gradgate import GradientGate
        from gradgate.gate.policy_error import PolicyError

        for text in ("", "waivers.yaml", "waivers: []"):
            with pytest.raises(PolicyError, match=r"waivers\.yaml"):
                GradientGate(policy=policy, waivers=text, **channels)
        text = "apiVersion: gradgate/v1\nkind: Waivers\nwaivers: []\n"
        gate = GradientGate(policy=policy, waivers=text, **channels)
        assert gate.exec_properties["waivers"] == text

    def test_a_policy_that_is_not_the_pinned_one_is_refused_before_anything_runs(
        self, channels, policy
    ):
        from gradgate import GradientGate
        from gradgate.gate import load_policy, policy_digest
        from gradgate.gate.policy_error import PolicyError

        with pytest.raises(PolicyError, match="and sha256:0 is pinned") as caught:
            GradientGate(policy=policy, policy_sha256="sha256:0", **channels)
        assert caught.value.code == "P-PIN"
        digest = policy_digest(load_policy(policy))
        gate = GradientGate(policy=policy, policy_sha256=digest, **channels)
        assert gate.exec_properties["policy_sha256"] == digest

    def test_takes_the_text_and_a_nonce_that_differs_from_run_to_run(self, channels, policy):
        from gradgate import GradientGate, TrainingHealthVerdict

        gate = GradientGate(policy=policy, **channels)
        assert gate.exec_properties["policy"] == policy
        assert gate.exec_properties["run_nonce"].name == "pipeline-run-id"
        assert gate.outputs["verdict"].type is TrainingHealthVerdict

    def test_on_kubeflow_its_blessings_are_mended_like_the_evaluators(self):
        from tfx.components.evaluator import executor as evaluator

        from gradgate.tfx.gate.executor import Executor

        assert issubclass(Executor, evaluator.Executor)


class TestVerifyingPusher:
    @pytest.fixture
    def channels(self, channel):
        from tfx.types.standard_artifacts import Model, ModelBlessing

        from gradgate import TrainingHealthVerdict

        return {
            "model": channel(Model),
            "model_blessing": channel(ModelBlessing),
            "verdict": channel(TrainingHealthVerdict),
        }

    def destination(self, base):
        from tfx.proto import pusher_pb2

        filesystem = pusher_pb2.PushDestination.Filesystem(base_directory=base)
        return pusher_pb2.PushDestination(filesystem=filesystem)

    @pytest.mark.parametrize("base", ["", "http://host/serving", "S3://bucket/serving"])
    def test_only_a_directory_or_an_object_store_is_a_destination(self, channels, base):
        from gradgate import VerifyingPusher

        with pytest.raises(ValueError, match=r"or s3://BUCKET/PREFIX or gs://BUCKET/PREFIX; got "):
            VerifyingPusher(push_destination=self.destination(base), **channels)

    @pytest.mark.parametrize("base", ["s3://bucket/serving", "gs://bucket/serving"])
    def test_numbered_versions_are_for_object_stores(self, channels, base):
        from gradgate import VerifyingPusher

        def pusher(base):
            to = self.destination(base)
            return VerifyingPusher(push_destination=to, numeric_versions=True, **channels)

        assert pusher(base).exec_properties["numeric_versions"] == 1
        with pytest.raises(ValueError, match="numeric_versions is for object stores"):
            pusher("/serving")

    @pytest.mark.parametrize("left_out", ["model_blessing", "verdict"])
    def test_no_blessing_and_no_verdict_is_no_pusher(self, channels, left_out):
        from gradgate import VerifyingPusher

        del channels[left_out]
        with pytest.raises(TypeError, match=left_out):
            VerifyingPusher(push_destination=self.destination("/serving"), **channels)

    def test_a_skipped_gate_leaves_it_without_its_inputs(self, channels):
        from gradgate import VerifyingPusher

        pusher = VerifyingPusher(push_destination=self.destination("/serving"), **channels)
        assert not any(pusher.spec.is_optional_input(name) for name in channels)
