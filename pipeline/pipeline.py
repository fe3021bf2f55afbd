"""The pipeline: from the table to a served model, with the gate before the push.

Everything before the Trainer is the same in all configurations, so TFX runs it once and then
takes it from its cache (`silent-nan` transforms differently, so Transform runs again for it).
"""

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# From where each is made: `tfx.components` turns one that cannot be imported into None.
from tfx.components.evaluator.component import Evaluator
from tfx.components.example_gen.csv_example_gen.component import CsvExampleGen
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.transform.component import Transform
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2, pusher_pb2, trainer_pb2
from tfx.types.channel import Channel
from tfx.types.standard_artifacts import Model, ModelBlessing

from gradgate.contracts import Contract, Tracking
from gradgate.gradients import Clip, ClipByGlobalNorm, ClipByNorm, ClipByValue
from gradgate.tfx.fail_if_blocked.component import FailIfBlocked
from gradgate.tfx.gate.component import GradientGate
from gradgate.tfx.pusher.component import VerifyingPusher
from gradgate.tfx.trainer.component import Trainer
from gradgate.training import GuardSettings
from pipeline import configs
from pipeline.beam import Beam, InMemory
from pipeline.configs import Config
from pipeline.data import stage_schema
from pipeline.evaluation import eval_config
from pipeline.examples import EXAMPLES
from pipeline.workspace import Workspace

EXAMPLE_GEN, TRAINER = "CsvExampleGen", "Trainer"
GATE, PUSHER = "GradientGate", "VerifyingPusher"


def create_pipeline(
    config: Config,
    workspace: Workspace,
    *,
    tracking: Tracking | None = None,
    fail_run_on_block: bool | None = None,
    pipeline_root: str | None = None,
    data_root: str | None = None,
    schema_file: str | None = None,
    run_nonce: str | None = None,
    push_destination: str | None = None,
    policy: str | None = None,
    waivers: str | None = None,
    beam: Beam | None = None,
) -> Pipeline:
    """Returns the pipeline of a configuration.

    Args:
        config: What to train, how to guard it, and what to ask of it.
        workspace: Where everything is kept.
        tracking: How MLflow mirrors the run; None is `Workspace.tracking`.
        fail_run_on_block: True adds a last node that fails if the gate blocked the model, after all
            of it was recorded; False one that only says so; None none.
        pipeline_root: Where TFX keeps artifacts; None is the workspace's folder. Another one may be
            out of reach here: then nothing is laid into the workspace, no metadata store either,
            and the runner has its own.
        data_root: Directory of CSV files with the table's columns; None takes the example's
            own.
        schema_file: The data schema; None takes the example's.
        run_nonce: As `GradientGate` has it.
        push_destination: Directory or bucket that the model server watches; None is the
            configuration's folder in the workspace.
        policy: Text of the policy; None takes the configuration's.
        waivers: Text of the waivers; None takes the configuration's.
        beam: What the Beam components, and a gate that says so, run on; None is `InMemory`.

    Raises:
        PolicyError: If the policy, or its waivers, cannot be used.
        DataError: If the table is not there.
        BeamError: If the workers of `beam` cannot see the workspace.
    """
    beam = beam or InMemory()
    beam.check_root(pipeline_root or str(workspace.artifacts))
    metadata = None
    if pipeline_root is None:
        pipeline_root = str(workspace.artifacts)
        workspace.root.mkdir(parents=True, exist_ok=True)
        metadata = sqlite_metadata_connection_config(str(workspace.metadata))
    if policy is None:
        policy = config.policy_file.read_text(encoding="utf-8")
    if waivers is None and config.waivers_file is not None:
        waivers = config.waivers_file.read_text(encoding="utf-8")
    example = EXAMPLES[config.example]
    code = _digest(_source_of(example.module))
    example_gen = CsvExampleGen(
        input_base=data_root or str(example.stage(config, workspace.root)),
        output_config=_splits(example.splits),
    )
    examples = example_gen.outputs["examples"]
    statistics = StatisticsGen(examples=examples)
    schema_gen = ImportSchemaGen(
        schema_file=schema_file or str(stage_schema(workspace.root, example.schema))
    )
    schema = schema_gen.outputs["schema"]
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema)
    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=f"{example.module}.preprocessing_fn",
        # TFX's cache does not look into the code, so its digest goes along.
        custom_config={**_as_json(config.data), "code": code},
        disable_statistics=True,
    )
    trainer = Trainer(
        run_fn=f"{example.module}.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        train_args=trainer_pb2.TrainArgs(num_steps=config.training.steps),
        eval_args=trainer_pb2.EvalArgs(),
        custom_config={**_as_json(config.model), **_as_json(config.training)},
        guard=guard_settings(config),
        tracking=tracking or workspace.tracking(config),
    )
    model = trainer.outputs["model"]
    # Of this gate only: by default any component's blessing would do, the Evaluator's too.
    last_blessed = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=Model),
        model_blessing=Channel(type=ModelBlessing, producer_component_id=GATE),
    ).with_id("LastBlessedModel")
    evaluator = Evaluator(
        examples=examples,
        model=model,
        baseline_model=last_blessed.outputs["model"],
        eval_config=eval_config(config.evaluation, label=example.label),
        schema=schema,
    )
    gate = GradientGate(
        model=model,
        gradient_health=trainer.outputs["gradient_health"],
        evaluator_blessing=evaluator.outputs["blessing"],
        examples=examples,
        policy=policy,
        waivers=waivers,
        baselines=str(workspace.baselines(config)),
        run_nonce=run_nonce,
        engine=beam.gate_engine,
    ).with_id(GATE)
    pusher = VerifyingPusher(
        model=model,
        model_blessing=gate.outputs["blessing"],
        verdict=gate.outputs["verdict"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(
                base_directory=push_destination or str(workspace.serving(config))
            )
        ),
    )
    last = []
    if fail_run_on_block is not None:
        last.append(
            FailIfBlocked(
                verdict=gate.outputs["verdict"],
                pushed_model=pusher.outputs["pushed_model"],
                enabled=fail_run_on_block,
                run_nonce=run_nonce,
            )
        )
    return Pipeline(
        pipeline_name=config.example,
        pipeline_root=pipeline_root,
        components=[
            example_gen,
            statistics,
            schema_gen,
            validator,
            transform,
            trainer,
            last_blessed,
            evaluator,
            gate,
            pusher,
            *last,
        ],
        enable_cache=True,
        metadata_connection_config=metadata,
        beam_pipeline_args=list(beam.pipeline_args()),
    )


def guard_settings(config: Config) -> GuardSettings:
    """How the Trainer guards, from what the configuration says."""
    return GuardSettings(
        clip=_clips(config.guard.clip),
        on_nonfinite=config.guard.on_nonfinite,
        statistics_every=config.guard.statistics_every,
        seed=config.training.seed,
    )


def _clips(clip: configs.Clip | None) -> tuple[Clip, ...]:
    if clip is None:
        return ()
    if clip.by == "value":
        return (ClipByValue(max_abs=clip.limit),)
    kind = ClipByGlobalNorm if clip.by == "global_norm" else ClipByNorm
    return (kind(max_norm=clip.limit),)


def _splits(parts: Mapping[str, int] | None) -> example_gen_pb2.Output | None:
    if parts is None:
        return None
    splits = example_gen_pb2.SplitConfig()
    for name, buckets in parts.items():
        splits.splits.add(name=name, hash_buckets=buckets)
    return example_gen_pb2.Output(split_config=splits)


def _as_json(part: Contract) -> dict[str, Any]:
    return part.model_dump(mode="json")


def _source_of(module: str) -> bytes:
    spec = importlib.util.find_spec(module)
    assert spec is not None, module
    return Path(str(spec.origin)).read_bytes()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
