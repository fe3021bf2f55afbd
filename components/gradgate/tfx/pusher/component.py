"""A Pusher that ships the judged bytes or nothing."""

import json
from collections.abc import Sequence

from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import pusher_pb2
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import Model, ModelBlessing, PushedModel

from gradgate.signing import load_public_key
from gradgate.tfx.artifacts import TrainingHealthVerdict
from gradgate.tfx.pusher.executor import Executor


class VerifyingPusherSpec(ComponentSpec):
    """What goes in and out. No input is optional: TFX's Pusher pushes when a blessing is absent."""

    PARAMETERS = {  # noqa: RUF012 - TFX reads it from the class
        "push_destination": ExecutionParameter(type=pusher_pb2.PushDestination),
        "public_keys": ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        "model": ChannelParameter(type=Model),
        "model_blessing": ChannelParameter(type=ModelBlessing),
        "verdict": ChannelParameter(type=TrainingHealthVerdict),
    }
    OUTPUTS = {  # noqa: RUF012
        "pushed_model": ChannelParameter(type=PushedModel),
    }


class VerifyingPusher(base_component.BaseComponent):
    """Pushes a model that the gate blessed, after comparing the copied bytes with the verdict.

    Not pushing is an answer: the execution succeeds, and the `PushedModel` has `pushed` 0 and a
    `reason`. When it pushed, it has `pushed` 1, `pushed_destination` and `pushed_version`, as
    TFX's has.

    Outputs: `pushed_model` (`PushedModel`).

    Args:
        model: The Trainer's.
        model_blessing: The gate's.
        verdict: The gate's.
        push_destination: A `filesystem` with its `base_directory`: what the model server watches.
        public_keys: PEM text of each key that may sign verdicts. If there are any, only a model
            whose verdict one of them signed is pushed.

    Raises:
        ValueError: If the destination is not a directory on a file system.
        gradgate.signing.SigningError: If a key is none.
    """

    SPEC_CLASS = VerifyingPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        model: BaseChannel,
        model_blessing: BaseChannel,
        verdict: BaseChannel,
        push_destination: pusher_pb2.PushDestination | RuntimeParameter,
        public_keys: Sequence[str] = (),
    ) -> None:
        if isinstance(push_destination, pusher_pb2.PushDestination):
            _check(push_destination)
        for pem in public_keys:
            load_public_key(pem)
        spec = VerifyingPusherSpec(
            model=model,
            model_blessing=model_blessing,
            verdict=verdict,
            push_destination=push_destination,
            public_keys=json.dumps(list(public_keys)),
            pushed_model=Channel(type=PushedModel),
        )
        super().__init__(spec=spec)


def _check(destination: pusher_pb2.PushDestination) -> None:
    base = destination.filesystem.base_directory
    if not base or "://" in base:
        raise ValueError(
            "VerifyingPusher: push_destination must be a filesystem with a base_directory that"
            f" this machine can rename in, got {base or 'none'!r}. An object store has no atomic"
            " rename."
        )
