"""Weights that begin far larger or smaller than the activation of their layer bears."""

import math
from typing import Final

from gradgate.contracts import VariableCard
from gradgate.contracts.cause import Confidence
from gradgate.diagnosis import layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.foreseen import Foreseen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import listed, number

_FAR: Final = 3.0
_KINDS: Final = (
    *("stuck", "large", "small", "zero", "saturated", "dead", "drifting", "nonfinite", "swings"),
    *("near", "far"),
)
_LARGE_ONLY: Final = ("large", "saturated", "drifting", "nonfinite", "swings", "stuck", "near")
_CONSTANT: Final = ("zeros", "ones", "constant")


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen(*_KINDS)
    off = [v for v in training.kernels if _is_judged(v) and _factor(training, v)]
    if symptoms and off:
        return _by_size(training, off)
    return _by_name(training)


def _is_judged(variable: VariableCard) -> bool:
    is_plain = (variable.initializer or "").lower() not in _CONSTANT
    return is_plain and not layers.is_embedding(variable) and not layers.is_recurrent(variable)


def _suiting(training: Training, layer: str) -> str:
    """The initialiser that suits a layer's activation."""
    activation = layers.activation(training, layer)
    if activation == "selu":
        return "lecun_normal"
    return "he_normal" if activation in layers.RELU_FAMILY else "glorot_uniform"


def _sizes(variable: VariableCard) -> tuple[float, float]:
    """The least and the greatest size that one of the usual initialisers gives: Glorot, He."""
    into, out = max(1, layers.fan_in(variable)), max(1, variable.shape[-1])
    usual = (math.sqrt(1 / into), math.sqrt(2 / into), math.sqrt(2 / (into + out)))
    return min(usual), max(usual)


def _factor(training: Training, variable: VariableCard) -> float | None:
    """How many times larger than what suits the weights were throughout; None if near it.

    The least of the run is a bound from below for where they began, if a training made them
    grow; smaller than what suits is told only where they are still so at their largest.
    """
    norm = training.numbers(variable).weight_norm
    if norm is None or norm.least is None or norm.greatest is None:
        return None
    low, high = _sizes(variable)
    root = math.sqrt(variable.parameters)
    if norm.least / root > _FAR * high:
        return norm.least / root / high
    greatest = norm.greatest / root
    return greatest / low if 0 < greatest < low / _FAR else None


def _by_size(training: Training, off: list[VariableCard]) -> Grounds:
    worst = max(off, key=lambda v: abs(math.log(_factor(training, v) or 1.0)))
    suits, size = _suiting(training, worst.layer), training.least_weight(worst) or 0.0
    names = list(dict.fromkeys(v.layer for v in off))
    factor = _factor(training, worst) or 1.0
    is_large = factor > 1
    explained = training.seen(*(_LARGE_ONLY if is_large else _KINDS))
    confidence: Confidence = "likely" if max(factor, 1 / factor) < 2 * _FAR else "sure"
    return Grounds(
        numbers=known(
            f"the weights of {worst.path} are {number(size)} in size throughout;"
            f" {number(size / factor)} suits {layers.fan_in(worst)} inputs",
            f"the same in {listed(names)}, {len(names)} layers in all" if len(names) > 1 else None,
        ),
        explains=explained,
        layer=worst.layer,
        change=f"Draw the weights of {listed(names)} by {suits}, whose size fits the layer.",
        snippet=layers.written(training, worst.layer, kernel_initializer=suits)
        + (f"\n# likewise in the other {len(names) - 1} layers" if len(names) > 1 else ""),
        confidence=confidence,
        because=(
            f"each layer multiplies the signal by about {number(factor)}, and"
            f" {len(names)} of them do"
            if len(names) > 1
            else "the weights are far from the size at which a layer passes a signal on unchanged"
        ),
    )


def _by_name(training: Training) -> Grounds | None:
    """Glorot before the ReLU family, or He before a saturating activation, in depth."""
    depth = layers.hidden(training)
    wrong = []
    for layer in depth:
        kernel = next((v for v in training.of_layer(layer) if len(v.shape) > 1), None)
        name = ((kernel and kernel.initializer) or "").lower()
        activation = layers.activation(training, layer)
        if ("glorot" in name and activation in {"relu", "relu6"}) or (
            name.startswith("he") and activation in layers.SATURATING
        ):
            wrong.append((layer, kernel.initializer if kernel else "", activation))
    symptoms = training.seen("small", "zero", "dead", "saturated", "drifting")
    if len(wrong) < 3 or not symptoms:
        return None
    layer, initializer, activation = wrong[0]
    suits = _suiting(training, layer)
    return Grounds(
        numbers=known(
            f"{len(wrong)} layers of {len(depth)} have {initializer} before {activation}:"
            f" {listed([name for name, _, _ in wrong])}",
        ),
        explains=symptoms,
        layer=layer,
        change=f"Use {suits} in {listed([n for n, _, _ in wrong])}, which suits {activation}.",
        snippet=layers.written(training, layer, kernel_initializer=suits),
        confidence="possible",
        because="the mismatch is small in each layer, and tells in depth only",
    )


INITIALISER: Final = KnownCause(
    id="initialiser",
    stage="structure",
    title="The initial weights do not suit the layers",
    meaning=(
        "A layer passes its signal on at the same size only if its weights begin at the right size;"
        " in depth every error multiplies."
    ),
    source=(
        "Glorot and Bengio (2010), https://proceedings.mlr.press/v9/glorot10a.html; He et al."
        " (2015), https://arxiv.org/abs/1502.01852; the factor of 3 is ours"
    ),
    look=_look,
    foreseen=Foreseen(
        rules=("relu-with-glorot", "saturating-with-he", "selu-without-lecun"),
        kinds=("stuck", "small", "zero", "saturated", "dead", "drifting"),
    ),
)
