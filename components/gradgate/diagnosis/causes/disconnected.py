"""Layers that the loss does not depend on, so that they keep their initial weights."""

from typing import Final

from gradgate.contracts import VariableCard
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.foreseen import Foreseen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import code, counted, listed, percent

_CUTS: Final = (
    "keras.ops.stop_gradient, tf.stop_gradient, .numpy(), argmax, round, a comparison, or a cast to"
    " whole numbers"
)


def _look(training: Training) -> Grounds | None:
    unused = [v for v in training.variables if not v.has_gradient]
    symptoms = training.seen("unused")
    if not unused:  # the card does not say which; the rules do
        unused = [v for s in symptoms if (v := training.variable(s.variable)) is not None]
    if not unused:
        return None
    layers = list(dict.fromkeys(v.layer for v in unused))
    total = sum(v.parameters for v in training.variables)
    share = sum(v.parameters for v in unused) / total if total else 0.0
    between = _between(training, layers)
    is_cut = _are_first(training, unused)
    return Grounds(
        numbers=known(
            f"no gradient ever reached {counted(len(unused), 'variable')} of"
            f" {len(training.variables)}, {percent(share)} of all parameters:"
            f" {listed([v.path for v in unused])}",
            f"between them and the loss stands {between}" if between else None,
        ),
        explains=(*symptoms, *(training.seen("stuck", "near") if share > 0.5 else ())),
        layer=layers[0],
        change=_cut(layers, between) if is_cut else _branch(layers),
        snippet=(
            f'model.get_layer("{code(layers[0])}").trainable = False  # only if that is meant'
        ),
        confidence="sure",
        because="TensorFlow itself found no way from the loss back to these weights",
    )


def _are_first(training: Training, unused: list[VariableCard]) -> bool:
    """Whether all layers before some point are cut off: something stands in the way."""
    paths = {v.path for v in unused}
    flags = [v.path in paths for v in training.variables]
    return flags == sorted(flags, reverse=True) and not all(flags)


def _between(training: Training, unused: list[str]) -> str:
    """The layers without weights that stand behind the last of those that are cut off."""
    cards = training.card.layers
    last = max((i for i, card in enumerate(cards) if card.name in unused), default=None)
    if last is None:
        return ""
    behind = []
    for card in cards[last + 1 :]:
        if card.parameters:
            break
        behind.append(f"{card.name} ({card.class_name})")
    return listed(behind)


def _cut(layers: list[str], between: str) -> str:
    where = between or f"the code behind layer {layers[-1]}"
    return (
        f"Take out what stops the gradient: {where}. Such things are {_CUTS}. If these layers are"
        " meant to stay as they are, freeze them, so that everybody can see it."
    )


def _branch(layers: list[str]) -> str:
    return (
        f"Connect the output of {listed(layers)} to what the loss is computed of, or remove it, or"
        " freeze it if it is meant to stay as it is."
    )


DISCONNECTED: Final = KnownCause(
    id="disconnected",
    stage="wiring",
    title="A part of the model is not connected to the loss",
    meaning="These weights never change: they stay what chance made them.",
    source="SageMaker Debugger, UnchangedTensor; Keras warns once, in a log line",
    look=_look,
    foreseen=Foreseen(
        rules=("unused-variables", "frozen-variables"),
        kinds=("unused", "stuck", "near"),
    ),
)
