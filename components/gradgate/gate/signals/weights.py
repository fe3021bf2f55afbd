"""The weights of the exported model, as the gate itself finds them in its bytes.

Without a model at hand the training's own count of NaN and infinite ones is used and marked as
reported; of constant ones it says nothing.
"""

import numpy as np

from gradgate.gate.evidence import Evidence
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.integrity.tensor_bundle import TensorCount
from gradgate.gate.signals.base import FRACTION, NOT_NEGATIVE, Column, Facts, FactSignal, Unmeasured


def _nonfinite(evidence: Evidence, model: ModelCheck | None) -> Facts:
    if model is None:
        return _reported(evidence)
    if model.weights is None:
        raise Unmeasured(model.weights_problem)
    return _recomputed(evidence, model.weights)


def _constant(evidence: Evidence, model: ModelCheck | None) -> Facts:
    """Of the trainable variables that the model holds, by their bytes or else by their names."""
    if model is None:
        raise Unmeasured("no model was given, and it takes the weights themselves")
    if model.weights is None:
        raise Unmeasured(model.weights_problem)
    digests = {v.path: v.final_weight_sha256 for v in evidence.summary.variables}
    by_name = {tensor.name: tensor for tensor in model.weights}
    by_content = {tensor.sha256: tensor for tensor in model.weights}
    found = [
        (variable.path, tensor)
        for variable in evidence.card.variables
        if (tensor := by_content.get(digests.get(variable.path) or "", by_name.get(variable.path)))
    ]
    if not found:
        raise Unmeasured("the model holds none of the trainable variables")
    return Facts(
        columns=tuple(Column(variable=path, rank=len(tensor.shape)) for path, tensor in found),
        value=np.array([tensor.is_constant for _, tensor in found], dtype=np.float64),
        evidence="recomputed",
    )


def _recomputed(evidence: Evidence, weights: tuple[TensorCount, ...]) -> Facts:
    """Variables of the card first, in its order; then what else the model holds, by name.

    An export may hold one variable under several keys: it is one column, with the largest count.
    """
    place = {variable.path: index for index, variable in enumerate(evidence.card.variables)}
    found: dict[str, tuple[int, int]] = {}
    for tensor in weights:
        count, _ = found.get(tensor.name, (0, 0))
        found[tensor.name] = (max(count, tensor.nonfinite), len(tensor.shape))
    names = sorted(found, key=lambda name: (place.get(name, len(place)), name))
    return Facts(
        columns=tuple(Column(variable=name, rank=found[name][1]) for name in names),
        value=np.array([found[name][0] for name in names], dtype=np.float64),
        evidence="recomputed",
    )


def _reported(evidence: Evidence) -> Facts:
    ranks = {variable.path: len(variable.shape) for variable in evidence.card.variables}
    counts = {
        variable.path: variable.final_weight_nonfinite
        for variable in evidence.summary.variables
        if variable.final_weight_nonfinite is not None
    }
    missing = [path for path in ranks if path not in counts]
    if missing or not counts:
        what = f"{missing[0]} (and {len(missing) - 1} others)" if missing else "any variable"
        raise Unmeasured(
            f"no model was given, and the training did not look at the final weights of {what}"
        )
    return Facts(
        columns=tuple(Column(variable=path, rank=ranks.get(path, 0)) for path in counts),
        value=np.array(list(counts.values()), dtype=np.float64),
    )


WEIGHTS_NONFINITE = FactSignal(
    name="weights.nonfinite",
    noun="non-finite weights",
    unit="entries",
    what="NaN and infinite entries of a float tensor of the exported model.",
    source="signals 3",
    level="weights",
    per_variable=True,
    facts=_nonfinite,
    bounds=NOT_NEGATIVE,
)
WEIGHTS_CONSTANT = FactSignal(
    name="weights.constant",
    noun="constant weights",
    unit="",
    what="1 where all entries of a trainable variable of the exported model are the same number,"
    " and there are several, else 0.",
    source="ours: units that start alike and stay alike learn one and the same thing",
    level="weights",
    per_variable=True,
    facts=_constant,
    bounds=FRACTION,
)
