"""A pipeline of seconds, made from parameters as every step makes it: train, judge, push."""

from pathlib import Path

POLICY = (Path(__file__).resolve().parents[1] / "tfx" / "policy.yaml").read_text()


def create(
    *,
    root: str,
    code: str = "sound",
    policy: str = "",
    fail_run_on_block: bool = False,
):
    from tfx.dsl.components.common.importer import Importer
    from tfx.dsl.components.common.resolver import Resolver
    from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
        LatestBlessedModelStrategy,
    )
    from tfx.orchestration.pipeline import Pipeline
    from tfx.proto import pusher_pb2, trainer_pb2
    from tfx.types.channel import Channel
    from tfx.types.standard_artifacts import Examples, Model, ModelBlessing

    from gradgate import GradientGate, VerifyingPusher
    from gradgate.contracts import Tracking
    from gradgate.tfx.fail_if_blocked.component import FailIfBlocked
    from gradgate.tfx.trainer.component import Trainer
    from gradgate.training import GuardSettings

    for split in ("train", "eval"):
        folder = Path(root, "examples", f"Split-{split}")
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "data").exists():
            (folder / "data").write_text(split)
    examples = Importer(
        source_uri=str(Path(root, "examples")),
        artifact_type=Examples,
        properties={"split_names": '["train", "eval"]'},
    ).with_id("examples")
    trainer = Trainer(
        run_fn=f"tests.tfx.training_code.{code}",
        examples=examples.outputs["result"],
        train_args=trainer_pb2.TrainArgs(),
        eval_args=trainer_pb2.EvalArgs(),
        guard=GuardSettings(seed=1),
        tracking=Tracking(enabled=False),
    )
    last_blessed = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=Model),
        model_blessing=Channel(type=ModelBlessing),
    ).with_id("LastBlessedModel")
    gate = GradientGate(
        model=trainer.outputs["model"],
        gradient_health=trainer.outputs["gradient_health"],
        policy=policy or f"{POLICY}\nrequire_evaluator: false\n",
    )
    pusher = VerifyingPusher(
        model=trainer.outputs["model"],
        model_blessing=gate.outputs["blessing"],
        verdict=gate.outputs["verdict"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(
                base_directory=str(Path(root, "serving"))
            )
        ),
    )
    end = FailIfBlocked(
        verdict=gate.outputs["verdict"],
        pushed_model=pusher.outputs["pushed_model"],
        enabled=fail_run_on_block,
    )
    return Pipeline(
        pipeline_name="tiny",
        pipeline_root=str(Path(root, "artifacts")),
        components=[examples, trainer, last_blessed, gate, pusher, end],
        enable_cache=True,
    )
