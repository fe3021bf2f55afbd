"""A node that fails when the gate blocked the model, for whoever watches runs by their colour."""

from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types.channel import BaseChannel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import PushedModel

from gradgate.tfx.artifacts import TrainingHealthVerdict
from gradgate.tfx.fail_if_blocked.executor import Executor


class FailIfBlockedSpec(ComponentSpec):
    """What goes in; nothing comes out."""

    PARAMETERS = {  # noqa: RUF012 - TFX reads it from the class
        "enabled": ExecutionParameter(type=int),
        "run_nonce": ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        "verdict": ChannelParameter(type=TrainingHealthVerdict),
        "pushed_model": ChannelParameter(type=PushedModel, optional=True),
    }
    OUTPUTS = {}  # noqa: RUF012


class FailIfBlocked(base_component.BaseComponent):
    """Succeeds if the gate did not block the model, else fails, and with it the run.

    A blocked model is an answer, so the gate succeeds, and TFX and Kubeflow show the run green.
    Put this last where a blocked model should show as a failed run: by then the verdict, its
    report, the blessing and the page in MLflow are written, and stay. The error holds the headline,
    the first offence and the command that explains them.

    Only the gate's own decision counts: a model that an Evaluator refused leaves the run green, as
    without a gate. But a model that the gate blessed and that the Pusher then refused, since its
    bytes were not those that were judged, turns it red.

    To wait for further nodes, such as a notification, give them to `add_upstream_nodes`.

    Args:
        verdict: The gate's.
        pushed_model: The Pusher's, so that this runs after it; None where there is no Pusher.
        enabled: False makes it say that the model was blocked, and succeed all the same: for a
            deployment that decides by a parameter of the run.
        run_nonce: Differs from run to run, so that a green answer never comes from TFX's cache.
            None takes the pipeline's run id.
    """

    SPEC_CLASS = FailIfBlockedSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        verdict: BaseChannel,
        pushed_model: BaseChannel | None = None,
        enabled: bool = True,
        run_nonce: str | RuntimeParameter | None = None,
    ) -> None:
        spec = FailIfBlockedSpec(
            verdict=verdict,
            pushed_model=pushed_model,
            enabled=int(enabled),
            run_nonce=run_nonce or RuntimeParameter(name=PIPELINE_RUN_ID_PARAMETER_NAME, ptype=str),
        )
        super().__init__(spec=spec)
