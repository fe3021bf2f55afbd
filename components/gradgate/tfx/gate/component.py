"""The gate as a TFX component."""

from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model, ModelBlessing

import gradgate
from gradgate.gate.integrity.pin import check_pin
from gradgate.gate.load_policy import load_policy, policy_digest
from gradgate.gate.load_waivers import load_waivers
from gradgate.gate.policy_error import PolicyError, Problem
from gradgate.tfx.artifacts import GradientHealth, TrainingHealthVerdict
from gradgate.tfx.gate.executor import Executor


class GradientGateSpec(ComponentSpec):
    """What goes in and out. Texts, not paths: TFX's cache does not look into a file."""

    PARAMETERS = {  # noqa: RUF012 - TFX reads it from the class
        "policy": ExecutionParameter(type=str),
        "waivers": ExecutionParameter(type=str, optional=True),
        "policy_sha256": ExecutionParameter(type=str, optional=True),
        "baselines": ExecutionParameter(type=str, optional=True),
        "gate_version": ExecutionParameter(type=str),
        "run_nonce": ExecutionParameter(type=str),
        "signing_key": ExecutionParameter(type=str),
        "signing_public_key": ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        "model": ChannelParameter(type=Model),
        "gradient_health": ChannelParameter(type=GradientHealth),
        "evaluator_blessing": ChannelParameter(type=ModelBlessing, optional=True),
        "infra_blessing": ChannelParameter(type=InfraBlessing, optional=True),
        "examples": ChannelParameter(type=Examples, optional=True),
    }
    OUTPUTS = {  # noqa: RUF012
        "blessing": ChannelParameter(type=ModelBlessing),
        "verdict": ChannelParameter(type=TrainingHealthVerdict),
    }


class GradientGate(base_component.BaseComponent):
    """Judges one training by a policy, and blesses its model or does not.

    The blessing is the combined one: yes only if the Evaluator, where there is one, blessed the
    same model too. Give this one to the Pusher, and scope resolvers of "the last blessed model"
    by this component's id. A blocked model is an answer: the execution succeeds, and the verdict
    says why.

    Outputs: `blessing` (`ModelBlessing`) and `verdict` (`TrainingHealthVerdict`).

    Args:
        model: The Trainer's.
        gradient_health: The Trainer's.
        policy: The text of a policy, not its path.
        evaluator_blessing: The Evaluator's; may be left out if the policy says
            `require_evaluator: false`.
        policy_sha256: Digest that the policy must have, as a verdict names it; None for any. So a
            policy that was changed after its review judges nothing.
        waivers: The text of the waivers of that policy, not their path; None for none.
        infra_blessing: An InfraValidator's, if there is one.
        examples: As the served model is given them, such as an ExampleGen's: for rules on
            `answers.nonfinite` and `answers.constant` the model is asked with a few of the eval
            split.
        baselines: Folder, where the gate runs, of this pipeline's healthy verdicts: what rules with
            `compare` compare with. The gate reads it, and adds each healthy verdict. None: such
            rules have nothing to compare with.
        run_nonce: Differs from run to run, so that the gate is never answered from TFX's cache:
            a policy may have changed its meaning with a new version. None takes the pipeline's
            run id, which LocalDagRunner fills in.
        signing_key: Signs every verdict: the path of a private key where the gate runs, or the URI
            of a key service. Empty: verdicts are not signed. If it cannot be used, the verdict
            blocks (`K-SIGN`).
        signing_public_key: With a URI, PEM text of the public key.

    Raises:
        PolicyError: If the text is no policy, not the pinned one, or the waivers are none of it;
            the message names each problem.
    """

    SPEC_CLASS = GradientGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        model: BaseChannel,
        gradient_health: BaseChannel,
        policy: str,
        waivers: str | None = None,
        policy_sha256: str | None = None,
        baselines: str | RuntimeParameter | None = None,
        evaluator_blessing: BaseChannel | None = None,
        infra_blessing: BaseChannel | None = None,
        examples: BaseChannel | None = None,
        run_nonce: str | RuntimeParameter | None = None,
        signing_key: str | RuntimeParameter = "",
        signing_public_key: str = "",
    ) -> None:
        rules = load_policy(policy)
        for check in check_pin(policy_digest(rules), policy_sha256):
            if check.status == "fail":
                problem = Problem(text=check.message)
                raise PolicyError([problem], source="policy.yaml", code=check.code)
        if waivers is not None:
            load_waivers(waivers, rules)
        spec = GradientGateSpec(
            model=model,
            gradient_health=gradient_health,
            evaluator_blessing=evaluator_blessing,
            infra_blessing=infra_blessing,
            examples=examples,
            policy=policy,
            waivers=waivers,
            policy_sha256=policy_sha256,
            baselines=baselines,
            gate_version=gradgate.__version__,
            run_nonce=run_nonce or RuntimeParameter(name=PIPELINE_RUN_ID_PARAMETER_NAME, ptype=str),
            signing_key=signing_key,
            signing_public_key=signing_public_key,
            blessing=Channel(type=ModelBlessing),
            verdict=Channel(type=TrainingHealthVerdict),
        )
        super().__init__(spec=spec)
