"""A drop-in for TFX's Trainer that also gives a health record."""

import json
from typing import Any

from tfx.components.util import udf_utils
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import trainer_pb2
from tfx.types import standard_component_specs as stock
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.standard_artifacts import Model, ModelRun
from tfx.utils import json_utils

from gradgate.contracts import Tracking, canonical_json
from gradgate.tfx.artifacts import GradientHealth
from gradgate.tfx.trainer.code_version import code_version
from gradgate.tfx.trainer.executor import CODE, GUARD, HEALTH, TRACKING, Executor
from gradgate.training import GuardSettings


class TrainerSpec(stock.TrainerSpec):
    """TFX's own, and ours beside it."""

    PARAMETERS = {  # noqa: RUF012 - TFX reads it from the class
        **stock.TrainerSpec.PARAMETERS,
        GUARD: ExecutionParameter(type=str),
        TRACKING: ExecutionParameter(type=str),
        CODE: ExecutionParameter(type=str),
    }
    OUTPUTS = {  # noqa: RUF012
        **stock.TrainerSpec.OUTPUTS,
        HEALTH: ChannelParameter(type=GradientHealth),
    }


class Trainer(base_component.BaseComponent):
    """TFX's Trainer, with the training watched.

    In `run_fn`, one call watches the model: `gradgate.instrument(model, fn_args)`. A `run_fn`
    that never calls it, or trains no step, gives a record that says so, and the gate blocks.

    Outputs: `model` and `model_run` as ever, and `gradient_health`.

    Args:
        examples, transform_graph, schema, base_model, hyperparameters, statistics: Channels, as
            for TFX's Trainer; `statistics` from TFX 1.21 on.
        transformed_examples: TFX's old name of `examples`.
        module_file, run_fn: Exactly one: a file with a `run_fn`, or its dotted path.
        train_args, eval_args: `trainer_pb2` messages.
        custom_config: JSON values for `run_fn`.
        guard: How to guard; None is `GuardSettings()`: everything measured, nothing clipped.
        tracking: How MLflow mirrors it; None is `Tracking()`: a file in the pipeline root, or
            the server that MLFLOW_TRACKING_URI names.
        custom_executor_spec: Not supported: another executor would not keep the record.

    Raises:
        ValueError: If what is asked for cannot be; the message says what to change.
    """

    SPEC_CLASS = TrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        examples: BaseChannel | None = None,
        transformed_examples: BaseChannel | None = None,
        transform_graph: BaseChannel | None = None,
        schema: BaseChannel | None = None,
        base_model: BaseChannel | None = None,
        hyperparameters: BaseChannel | None = None,
        statistics: BaseChannel | None = None,
        module_file: str | RuntimeParameter | None = None,
        run_fn: str | RuntimeParameter | None = None,
        train_args: trainer_pb2.TrainArgs | RuntimeParameter | None = None,
        eval_args: trainer_pb2.EvalArgs | RuntimeParameter | None = None,
        custom_config: dict[str, Any] | RuntimeParameter | None = None,
        guard: GuardSettings | None = None,
        tracking: Tracking | None = None,
        custom_executor_spec: executor_spec.ExecutorSpec | None = None,
    ) -> None:
        _check(module_file, run_fn, examples, transformed_examples, transform_graph)
        if custom_executor_spec is not None:
            raise ValueError(
                "Trainer: custom_executor_spec would replace the executor that keeps the health"
                " record. Leave it out; gradgate.tfx.trainer.executor.Executor can be subclassed."
            )
        channels: dict[str, Any] = {
            stock.EXAMPLES_KEY: examples or transformed_examples,
            stock.TRANSFORM_GRAPH_KEY: transform_graph,
            stock.SCHEMA_KEY: schema,
            stock.BASE_MODEL_KEY: base_model,
            stock.HYPERPARAMETERS_KEY: hyperparameters,
            **_statistics(statistics),
        }
        is_late = isinstance(custom_config, RuntimeParameter)
        spec = TrainerSpec(
            **channels,
            train_args=train_args or trainer_pb2.TrainArgs(),
            eval_args=eval_args or trainer_pb2.EvalArgs(),
            module_file=module_file,
            run_fn=run_fn,
            custom_config=custom_config if is_late else json_utils.dumps(custom_config),
            guard=_text((guard or GuardSettings()).to_config()),
            tracking=_text((tracking or Tracking()).model_dump(mode="json")),
            code_version=code_version(run_fn),
            model=Channel(type=Model),
            model_run=Channel(type=ModelRun),
            gradient_health=Channel(type=GradientHealth),
        )
        super().__init__(spec=spec)
        if udf_utils.should_package_user_modules():
            udf_utils.add_user_module_dependency(self, stock.MODULE_FILE_KEY, stock.MODULE_PATH_KEY)


def _text(value: Any) -> str:
    """JSON on one line; equal settings give equal text, so the cache may answer."""
    return canonical_json(json.loads(json.dumps(value, allow_nan=False))).decode("utf-8")


def _statistics(channel: BaseChannel | None) -> dict[str, BaseChannel]:
    if channel is None:
        return {}
    if "statistics" not in stock.TrainerSpec.INPUTS:
        raise ValueError(
            "Trainer: statistics needs TFX 1.21 or newer; this TFX's Trainer does not take it."
            " Leave it out."
        )
    return {"statistics": channel}


def _check(
    module_file: Any, run_fn: Any, examples: Any, transformed_examples: Any, transform_graph: Any
) -> None:
    if bool(module_file) == bool(run_fn):
        raise ValueError("Trainer: exactly one of module_file and run_fn must be given.")
    if bool(examples) == bool(transformed_examples):
        raise ValueError(
            "Trainer: exactly one of examples and transformed_examples must be given; they are"
            " the same thing, and examples is its name."
        )
    if transformed_examples and not transform_graph:
        raise ValueError("Trainer: transformed_examples needs transform_graph too.")
