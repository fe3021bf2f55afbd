"""What the other judges of a pipeline said, and whether it was about this model."""

from collections.abc import Mapping, Sequence

from tfx.components.evaluator import constants
from tfx.types.artifact import Artifact

from gradgate.contracts.verdict import OtherBlessing

EVALUATOR, INFRA = "evaluator_blessing", "infra_blessing"


def other_blessings(
    inputs: Mapping[str, Sequence[Artifact]], *, model: Artifact, require_evaluator: bool
) -> tuple[OtherBlessing, ...]:
    """Returns every other judge's blessing; one that is wired or required, and absent, says no.

    A judge that is wired and gave nothing was skipped or failed. Whatever the policy says, that is
    no yes: only a key that is not there means that the pipeline has no such judge.

    Args:
        inputs: The gate's input artifacts; a key for each input that is wired.
        model: The model that the gate judges.
        require_evaluator: Whether an Evaluator that is not wired counts as a no.
    """
    others = [_evaluator(blessing, model) for blessing in inputs.get(EVALUATOR, ())]
    if EVALUATOR in inputs and not others:
        others = [_no("Evaluator", _nothing_came(EVALUATOR))]
    elif require_evaluator and not others:
        message = (
            "there is no blessing of an Evaluator. Wire evaluator_blessing, or set"
            " require_evaluator: false in the policy of a pipeline that has none."
        )
        others = [_no("Evaluator", message)]
    infra = [_infra(blessing) for blessing in inputs.get(INFRA, ())]
    if INFRA in inputs and not infra:
        infra = [_no("InfraValidator", _nothing_came(INFRA))]
    return (*others, *infra)


def _no(source: str, message: str) -> OtherBlessing:
    return OtherBlessing(source=source, blessed=False, same_model=False, message=message)


def _nothing_came(key: str) -> str:
    return f"{key} is wired, but no blessing came; the component was skipped, or it failed."


def _evaluator(blessing: Artifact, model: Artifact) -> OtherBlessing:
    blessed = _is_blessed(blessing)
    same_model = _is_about(blessing, model)
    message = ""
    if not blessed:
        message = (
            "its thresholds were not met"
            if blessing.has_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
            else "it gave no blessing, since it has no thresholds"
        )
    elif not same_model:
        about = blessing.get_string_custom_property(
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY
        )
        message = f"it blessed the model at {about or 'an unknown place'}, not {model.uri}"
    return OtherBlessing(
        source="Evaluator", blessed=blessed, same_model=same_model, message=message
    )


def _infra(blessing: Artifact) -> OtherBlessing:
    # InfraValidator does not write down which model it loaded; only the wiring says so.
    blessed = _is_blessed(blessing)
    message = "" if blessed else "the model could not be served"
    return OtherBlessing(source="InfraValidator", blessed=blessed, same_model=True, message=message)


def _is_blessed(blessing: Artifact) -> bool:
    value = blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
    return bool(value == constants.BLESSED_VALUE)


def _is_about(blessing: Artifact, model: Artifact) -> bool:
    uri = blessing.get_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY)
    identity = blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY)
    # Kubeflow turns the id into a name, so there is none to compare there; the uri always is.
    has_other_id = bool(identity and model.id and identity != model.id)
    return bool(uri) and uri.rstrip("/") == model.uri.rstrip("/") and not has_other_id
