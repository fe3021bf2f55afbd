"""A recurrent layer multiplies by the same matrix at every time step, so errors grow or die out."""

from typing import Final

from gradgate.contracts.cause import Confidence
from gradgate.diagnosis import layers, snippets
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.foreseen import Foreseen
from gradgate.diagnosis.series import median
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number

_SIGMOIDS: Final = ("sigmoid", "hard_sigmoid")
_KINDS: Final = ("large", "nonfinite", "spike", "dominant", "swings", "stuck", "far")


def _look(training: Training) -> Grounds | None:
    recurrent = [v for v in training.kernels if layers.is_recurrent(v)]
    symptoms = training.seen("large", "nonfinite", "spike", "dominant", "small")
    if not recurrent:
        return None
    if not symptoms:
        return _forgetting(training, recurrent[0].layer)
    if training.seen("small") and not training.seen("large", "nonfinite", "spike"):
        return _vanishing(training, recurrent[0].layer)
    layer = recurrent[0].layer
    norm = training.numbers(recurrent[0]).norm
    usual = median(norm)
    leap = norm.greatest / usual if usual and norm.greatest else None
    is_blamed = any(
        (v := training.variable(s.variable)) is not None and v.layer == layer for s in symptoms
    )
    is_first = any(v.layer == layer for v in training.first_nonfinite)
    confidence: Confidence = (
        "likely" if (leap and leap > 100) or is_blamed or is_first else "possible"
    )
    if training.card.clips and confidence == "likely" and not is_blamed:
        confidence = "possible"
    unbounded = recurrent[0].activation if recurrent[0].activation in layers.UNBOUNDED else None
    if unbounded is not None:
        confidence = "likely"
    return Grounds(
        numbers=known(
            f"the gradient of {recurrent[0].path} went up to {number(norm.greatest)} at step"
            f" {norm.greatest_step}; usual was {number(usual)}"
            if leap and leap > 10 and norm.greatest is not None and usual is not None
            else f"the gradient of {recurrent[0].path} was up to {number(norm.greatest)}"
            if norm.greatest is not None and norm.greatest > 1e3
            else None,
            training.onset,
            "no clip bounds a step" if not training.card.clips else None,
            f"{layer} has {unbounded}, which nothing bounds: Keras's own is tanh"
            if unbounded is not None
            else None,
        ),
        explains=training.seen(*_KINDS),
        layer=layer,
        change=f"{_cure(training, layer, unbounded)} Shorter sequences help, too.",
        snippet=_snippet(training, layer, unbounded),
        confidence=confidence,
        because=(
            f"a product with {unbounded} in it has no bound from time step to time step"
            if unbounded is not None
            else "the recurrent weights are where it shows, and leaps are how such products look"
            if confidence == "likely"
            else "the model has such a layer, but the trouble does not begin in it alone"
        ),
    )


def _cure(training: Training, layer: str, unbounded: str | None) -> str:
    """The activation first; then what bounds a step, unless that is there already."""
    card = layers.layer_card(training.card, layer)
    if training.card.clips:
        bound = (
            "The clip that is set bounds a step, not what overflows inside of it: normalise the"
            " states, too (a LayerNormalization in the cell), or lower the learning rate."
        )
    else:
        limit = number(snippets.usual_norm(training) or 1.0)
        bound = f"Clip the gradients by their global norm (max_norm={limit})."
    if unbounded is not None and card is not None and card.kind == "SimpleRNN":
        return (
            f"Use an LSTM or GRU in place of {layer}, with Keras's own tanh and not {unbounded}:"
            f" its gates keep the product in bounds. {bound}"
        )
    if unbounded is not None:
        return f"Give {layer} the activation tanh in place of {unbounded}. {bound}"
    if card is None or card.kind != "SimpleRNN":
        return bound
    gates = f"use an LSTM or GRU in place of {layer}, whose gates keep the product in bounds"
    if training.card.clips:
        return f"{gates[0].upper()}{gates[1:]}. {bound}"
    return f"{bound[:-1]} and {gates}."


def _snippet(training: Training, layer: str, unbounded: str | None) -> str:
    card = layers.layer_card(training.card, layer)
    lines = []
    is_plain = card is not None and card.kind == "SimpleRNN"
    if unbounded is not None and not is_plain:
        lines.append(layers.written(training, layer, activation="tanh"))
    if not training.card.clips:
        lines.append(snippets.clip_by(snippets.usual_norm(training) or 1.0))
    if is_plain and card is not None:
        lines.append(snippets.gated(layer, card.units))
    return "\n".join(lines)


def _forgetting(training: Training, layer: str) -> Grounds | None:
    """A sigmoid at every time step, in a layer without gates that learns nothing."""
    card = layers.layer_card(training.card, layer)
    is_sigmoid = card is not None and card.activation in _SIGMOIDS and card.kind == "SimpleRNN"
    if card is None or not is_sigmoid or not training.seen("stuck"):
        return None
    return Grounds(
        numbers=known(
            f"{layer} is a SimpleRNN with {card.activation}, whose slope is at most 1/4: of what"
            " comes back over 10 time steps a millionth is left"
        ),
        explains=training.seen("stuck", "near"),
        layer=layer,
        change=f"Use an LSTM or GRU in place of {layer}, with Keras's own tanh, or shorter"
        " sequences.",
        snippet=snippets.gated(layer, card.units),
        confidence="likely",
        because="it learns from the last few time steps alone, and nothing was learned",
    )


def _vanishing(training: Training, layer: str) -> Grounds:
    card = layers.layer_card(training.card, layer)
    units = card.units if card else None
    return Grounds(
        numbers=known(
            *(
                f"the gradient of {s.variable} is about 0 over {s.value:.0%} of the samples"
                for s in training.seen("small")[:1]
                if s.value is not None
            )
        )
        or ("the gradient all but vanishes",),
        explains=training.seen("small", "zero", "stuck", "near"),
        layer=layer,
        change=f"Use an LSTM or GRU in place of {layer}, or shorter sequences.",
        snippet=snippets.gated(layer, units),
        confidence="possible",
        because="a product of many numbers below 1 is about 0",
    )


RECURRENT_PRODUCT: Final = KnownCause(
    id="recurrent-product",
    stage="structure",
    title="A recurrent layer makes its errors grow from time step to time step",
    meaning=(
        "It multiplies by the same weights at every time step: a little above 1, and a long"
        " sequence makes it enormous."
    ),
    source="Pascanu, Mikolov and Bengio (2013), https://arxiv.org/abs/1211.5063",
    look=_look,
    foreseen=Foreseen(
        rules=("unbounded-recurrence", "recurrent-without-clip"),
        kinds=("large", "nonfinite", "spike"),
    ),
)
