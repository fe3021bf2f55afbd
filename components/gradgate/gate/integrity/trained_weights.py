"""Whether the exported model holds the very weights that the training ended with.

Without that a record could speak for a model that was trained further, changed, or never trained.
Compared by content, since names may change on export.
"""

from collections.abc import Sequence

from gradgate.contracts import IntegrityCheck
from gradgate.gate.evidence import Evidence
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.integrity.tensor_bundle import TensorCount

_Content = tuple[tuple[int, ...], str | None]
"""Shape and digest of a variable; None when the record does not say how it ended."""

_Variables = list[tuple[str, _Content]]
"""Trainable variables by path."""

_REMEDY = (
    "export the trained model itself, after its last step, or say require_trained_weights: false"
    " in the policy if the export changes them on purpose"
)


def compare_weights(evidence: Evidence, model: ModelCheck | None) -> tuple[IntegrityCheck, ...]:
    """Returns the check of the weights.

    With several optimizers an exported model may hold the network of one and not of another, as
    a GAN's generator without its critic: the variables of each must all be there, or none.
    """
    if model is None or model.weights is None:
        return ()  # without weights their rule is not proven, and that blocks
    if evidence.optimizers:
        problem = _networks(evidence.each(), model.weights)
    else:
        problem = _missing(evidence, model.weights)
    if problem:
        return (IntegrityCheck(code="I-WEIGHTS", status="fail", message=problem),)
    return (IntegrityCheck(code="I-WEIGHTS", status="pass"),)


def _missing(evidence: Evidence, weights: Sequence[TensorCount]) -> str:
    have = {_content(weight) for weight in weights}
    ended = _ended(evidence)
    missing = [path for path, content in ended if content not in have]
    if not missing:
        return ""
    return (
        f"the exported model does not hold the weights that the training ended with: of"
        f" {len(ended)} trainable variables {len(missing)} are missing or differ"
        f" ({', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}); {_REMEDY}"
    )


def _networks(each: Sequence[tuple[str, Evidence]], weights: Sequence[TensorCount]) -> str:
    """What is wrong with the weights of several optimizers; empty when nothing is."""
    have = {_content(weight) for weight in weights}
    ended = [(name, _ended(evidence)) for name, evidence in each]
    for name, variables in ended:
        silent = next((path for path, (_, digest) in variables if digest is None), None)
        if silent is not None:
            return f"{name}: the record does not say how the weights of {silent} ended"
    is_whole = [bool(variables) and _are_in(variables, have) for _, variables in ended]
    if not any(is_whole):
        return (
            "the exported model holds the weights of no optimizer's variables as the training"
            f" ended with them ({', '.join(name for name, _ in ended)}); {_REMEDY}"
        )
    # Two networks may have weights of the same bytes, such as biases that never moved, or of the
    # same name: what belongs to a network that is there says nothing of one that is not.
    whole = [variables for (_, variables), is_in in zip(ended, is_whole, strict=True) if is_in]
    accounted = {content for variables in whole for _, content in variables}
    left = [weight for weight in weights if _content(weight) not in accounted]
    names, contents = {weight.name for weight in left}, {_content(weight) for weight in left}
    for (name, variables), is_in in zip(ended, is_whole, strict=True):
        there = [path for path, content in variables if path in names or content in contents]
        if there and not is_in:
            return (
                f"{name}: the exported model holds a part of its variables, or others than the"
                f" training ended with ({', '.join(there[:3])}{' ...' if len(there) > 3 else ''});"
                f" {_REMEDY}"
            )
    return ""


def _ended(evidence: Evidence) -> _Variables:
    """How each trainable variable ended."""
    digests = {
        variable.path: variable.final_weight_sha256 for variable in evidence.summary.variables
    }
    return [
        (variable.path, (variable.shape, digests.get(variable.path)))
        for variable in evidence.card.variables
    ]


def _content(weight: TensorCount) -> _Content:
    return weight.shape, weight.sha256


def _are_in(variables: _Variables, have: set[_Content]) -> bool:
    return all(content in have for _, content in variables)
