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
from gradgate.tfx.pusher.object_store import SCHEMES, scheme_of


class VerifyingPusherSpec(ComponentSpec):
    """What goes in and out. No input is optional: TFX's Pusher pushes when a blessing is absent."""

    PARAMETERS = {  # noqa: RUF012 - TFX reads it from the class
        "push_destination": ExecutionParameter(type=pusher_pb2.PushDestination),
        "numeric_versions": ExecutionParameter(type=int),
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
            A directory, or an object store: `s3://BUCKET/PREFIX` (needs gradgate[s3]) or
            `gs://BUCKET/PREFIX`, where `current.json` says which model is in force. Credentials
            are those of the place where it runs, never of the pipeline.
        numeric_versions: In an object store, also copy the model to `<version>/`, where TensorFlow
            Serving looks.
        public_keys: PEM text of each key that may sign verdicts. If there are any, only a model
            whose verdict one of them signed is pushed.

    Raises:
        ValueError: If the destination is none of these.
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
        numeric_versions: bool = False,
        public_keys: Sequence[str] = (),
    ) -> None:
        if isinstance(push_destination, pusher_pb2.PushDestination):
            _check(push_destination.filesystem.base_directory, numeric_versions=numeric_versions)
        for pem in public_keys:
            load_public_key(pem)
        spec = VerifyingPusherSpec(
            model=model,
            model_blessing=model_blessing,
            verdict=verdict,
            push_destination=push_destination,
            numeric_versions=int(numeric_versions),
            public_keys=json.dumps(list(public_keys)),
            pushed_model=Channel(type=PushedModel),
        )
        super().__init__(spec=spec)


def _check(base: str, *, numeric_versions: bool) -> None:
    scheme = scheme_of(base)
    if not base or (scheme and scheme not in SCHEMES):
        known = " or ".join(f"{name}://BUCKET/PREFIX" for name in SCHEMES)
        raise ValueError(
            "VerifyingPusher: push_destination must be a filesystem whose base_directory is a"
            f" directory that this machine can rename in, or {known}; got {base or 'none'!r}."
        )
    if numeric_versions and not scheme:
        raise ValueError(
            "VerifyingPusher: numeric_versions is for object stores; a directory always has"
            " versions. Leave it out."
        )
