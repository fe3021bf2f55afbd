"""The effectful edge of the gate: reads artifacts, asks `judge`, writes verdict and blessing.

A model that fails the policy is an answer, not an error: the execution succeeds, the blessing
says no, and the Pusher does not push. `Do` raises only when it cannot write.
"""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tfx.components.evaluator import constants
from tfx.components.evaluator import executor as evaluator_executor
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact
from tfx.utils import path_utils

from gradgate.contracts import Policy, Verdict
from gradgate.gate.answers import are_wanted
from gradgate.gate.baseline.baselines import Baselines
from gradgate.gate.baseline.folder import keep_baseline, read_baselines, why_no_baseline
from gradgate.gate.engines import Engine, in_process
from gradgate.gate.evidence import Evidence, RecordProblem
from gradgate.gate.integrity.model import check_model
from gradgate.gate.judge import judge
from gradgate.gate.load_policy import load_policy
from gradgate.gate.load_waivers import load_waivers
from gradgate.gate.plots import draw_pictures
from gradgate.gate.policy_error import PolicyError
from gradgate.gate.render.clean import clean_text
from gradgate.gate.render.picture import Picture
from gradgate.gate.report_files import report_files
from gradgate.gate.verdicts import also_failed, blocked_verdict
from gradgate.signing import VERDICT_ENVELOPE, SigningError, load_signer, sign_verdict
from gradgate.telemetry.durable import write_durably
from gradgate.telemetry.reader import RecordError, open_record
from gradgate.telemetry.sinks.mlflow import publish_verdict
from gradgate.tfx.gate.ask_model import ask_model
from gradgate.tfx.gate.example_files import example_files
from gradgate.tfx.gate.other_blessings import other_blessings

_Artifacts = dict[str, list[Artifact]]
_log = logging.getLogger(__name__)


IN_PROCESS, BEAM = "in_process", "beam"
ENGINES = (IN_PROCESS, BEAM)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Judges the training that made one model."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: _Artifacts,
        output_dict: _Artifacts,
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `verdict` and `blessing`.

        Raises:
            OSError: If they could not be written; TFX then publishes neither.
        """
        model = artifact_utils.get_single_instance(input_dict["model"])
        evidence = _evidence(input_dict)
        engine = self._engine(exec_properties)
        verdict = _judge(input_dict, evidence, model, exec_properties, engine)
        verdict, envelope = _signed(verdict, exec_properties)
        _write_verdict(
            artifact_utils.get_single_instance(output_dict["verdict"]),
            verdict,
            envelope,
            policy=exec_properties["policy"],
            waivers=exec_properties.get("waivers"),
            pictures=lambda: draw_pictures(evidence, verdict),
        )
        _write_blessing(artifact_utils.get_single_instance(output_dict["blessing"]), verdict, model)
        _log.info("gradgate: %s", clean_text(verdict.headline))
        _keep(verdict, exec_properties)
        for record in input_dict.get("gradient_health", []):
            publish_verdict(
                Path(record.uri), Path(artifact_utils.get_single_uri(output_dict["verdict"]))
            )

    def _engine(self, exec_properties: dict[str, Any]) -> Engine:
        if exec_properties.get("engine") != BEAM:
            return in_process
        from gradgate.gate.engines.beam import BeamEngine

        return BeamEngine(self._make_beam_pipeline)


# On Kubeflow, TFX mends the model's id in a blessing only for subclasses of this executor.
evaluator_executor.Executor.register(Executor)


def _judge(
    inputs: _Artifacts,
    evidence: Evidence | RecordProblem,
    model: Artifact,
    properties: dict[str, Any],
    engine: Engine,
) -> Verdict:
    as_of = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    found = check_model(_serving_dir(model))
    try:
        policy = load_policy(properties["policy"])
        text = properties.get("waivers")
        waivers = None if text is None else load_waivers(text, policy)
    except PolicyError as error:
        return blocked_verdict(error.code, str(error), as_of=as_of, model=found)
    if are_wanted(policy) and inputs.get("examples"):
        answers = ask_model(_serving_dir(model), example_files(inputs["examples"]))
        found = dataclasses.replace(found, answers=answers)
    return judge(
        policy,
        evidence,
        model=found,
        others=other_blessings(inputs, model=model, require_evaluator=policy.require_evaluator),
        as_of=as_of,
        waivers=waivers,
        pinned_policy=properties.get("policy_sha256"),
        baselines=_baselines(policy, evidence, as_of, properties),
        engine=engine,
    )


def _baselines(
    policy: Policy, evidence: Evidence | RecordProblem, as_of: str, given: dict[str, Any]
) -> Baselines:
    folder = given.get("baselines")
    if not folder or isinstance(evidence, RecordProblem):
        return Baselines()
    uid = evidence.manifest.training_uid
    return read_baselines(Path(folder), policy, training_uid=uid, as_of=as_of)


def _keep(verdict: Verdict, given: dict[str, Any]) -> None:
    """Keeps a healthy verdict for later trainings; what cannot be kept changes no decision."""
    folder = given.get("baselines")
    if not folder or why_no_baseline(verdict):
        return
    try:
        keep_baseline(Path(folder), verdict)
    except OSError:
        _log.exception("gradgate: this verdict could not be kept as a baseline in %s", folder)


def _signed(verdict: Verdict, given: dict[str, Any]) -> tuple[Verdict, bytes | None]:
    """Returns the verdict with its envelope; without one where nobody asked for it."""
    key = given.get("signing_key")
    if not key:
        return verdict, None
    try:
        signer = load_signer(key, given.get("signing_public_key") or "")
        return verdict, sign_verdict(verdict, signer)
    except SigningError as error:
        return also_failed(verdict, error.code, str(error)), None


def _serving_dir(model: Artifact) -> str:
    return path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))


def _evidence(inputs: _Artifacts) -> Evidence | RecordProblem:
    records = inputs.get("gradient_health", [])
    if len(records) != 1:
        code = "I-AMBIGUOUS" if records else "T-MISSING"
        return RecordProblem(
            code=code, message=f"the gate needs the one record of this training, got {len(records)}"
        )
    try:
        return Evidence.of(open_record(records[0].uri))
    except RecordError as error:
        return RecordProblem(code=error.code, message=error.message)


def _write_verdict(
    artifact: Artifact,
    verdict: Verdict,
    envelope: bytes | None,
    *,
    policy: str,
    waivers: str | None,
    pictures: Callable[[], Sequence[Picture]],
) -> None:
    folder = Path(artifact.uri)
    folder.mkdir(parents=True, exist_ok=True)
    if envelope is not None:
        write_durably(folder / VERDICT_ENVELOPE, envelope)
    files = report_files(verdict, policy=policy, waivers=waivers, pictures=pictures)
    for name, data in files:
        (folder / name).parent.mkdir(exist_ok=True)
        write_durably(folder / name, data)
    artifact.set_string_custom_property("verdict_id", verdict.verdict_id)
    artifact.set_string_custom_property("decision", verdict.decision)
    artifact.set_string_custom_property("headline", clean_text(verdict.headline))


def _write_blessing(artifact: Artifact, verdict: Verdict, model: Artifact) -> None:
    folder = Path(artifact.uri)
    folder.mkdir(parents=True, exist_ok=True)
    name = constants.BLESSED_FILE_NAME if verdict.blessed else constants.NOT_BLESSED_FILE_NAME
    write_durably(folder / name, b"")
    artifact.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    artifact.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    artifact.set_string_custom_property("verdict_id", verdict.verdict_id)
    # Last, so that a crash half-way leaves no blessing: a Pusher obeys this property alone.
    artifact.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(verdict.blessed))
