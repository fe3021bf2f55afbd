"""Weights that all begin equal, so that all units of a layer compute the same for ever."""

from typing import Final

from gradgate.diagnosis import layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import listed

_CONSTANT: Final = ("zeros", "ones", "constant")


def _look(training: Training) -> Grounds | None:
    equal = training.seen("equal")
    by_name = [
        v
        for v in training.kernels
        if (v.initializer or "").lower() in _CONSTANT and not layers.is_embedding(v)
    ]
    if all(v.layer == training.kernels[-1].layer for v in by_name):
        by_name = []  # an output that begins at 0 is fine: what feeds it differs
    symptoms = (*equal, *training.seen("stuck", "zero", "small", "dead", "near"))
    named = list(dict.fromkeys(v.layer for v in by_name))
    named += [v.layer for s in equal if (v := training.variable(s.variable)) is not None]
    if not (equal or by_name):
        return None
    layer = named[0] if named else None
    activation = layers.activation(training, layer) if layer else None
    suits = "he_normal" if activation in layers.RELU_FAMILY else "glorot_uniform"
    numbers = [f"the weights of {v.path} begin as {v.initializer}" for v in by_name[:3]]
    return Grounds(
        numbers=(*numbers, *seen((*equal, *training.seen("zero", "stuck")))),
        explains=symptoms,
        layer=layer,
        change=(
            f"Draw the weights of {listed(named) or 'that layer'} at random: {suits} suits"
            f" {activation or 'it'}. Only biases may begin at 0."
        ),
        snippet=layers.written(training, layer, kernel_initializer=suits) if layer else "",
        confidence="sure",
        because="units that begin equal get equal gradients, and so stay equal",
    )


EQUAL_WEIGHTS: Final = KnownCause(
    id="equal-weights",
    stage="structure",
    title="All weights of a layer begin equal",
    meaning=(
        "Its units all compute the same thing and learn the same thing: the layer has in effect one"
        " unit."
    ),
    source="Goodfellow, Bengio and Courville, Deep Learning (2016), 8.4: breaking symmetry",
    look=_look,
)
