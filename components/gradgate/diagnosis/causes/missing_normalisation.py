"""A deep stack without normalisation or residual connections, whose signal shrinks or grows."""

from typing import Final

from gradgate.diagnosis import layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import code, number

_DEEP: Final = 6
_LOUD: Final = 1e4
_JOINING: Final = ("Add", "Concatenate", "Average")


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("small", "large", "drifting", "saturated", "dead", "zero")
    hidden = layers.hidden(training)
    cards = training.card.layers
    has_shortcuts = any(card.kind in _JOINING for card in cards)
    grew = bool(training.exploded or training.seen("large", "drifting"))
    if grew:
        symptoms = (*symptoms, *training.seen("nonfinite", "spike"))
    if not symptoms or len(hidden) < _DEEP or layers.normalises(training):
        return None
    if has_shortcuts and not grew:  # they carry a gradient back, and add up what goes forward
        return None
    middle = hidden[len(hidden) // 2]
    ratio = training.depth_ratio
    is_off = ratio is not None and not 1e-3 < ratio < 1e3
    start = training.summary.global_norm
    is_loud = start.greatest_step == 0 and (start.greatest or 0.0) > _LOUD
    return Grounds(
        numbers=known(
            f"{len(hidden)} hidden layers, and none of them normalises",
            f"the gradient of the first is {number(ratio)} of that of the last" if ratio else None,
            f"at the very first step the norm of all gradients was {number(start.greatest)}"
            if is_loud and start.greatest is not None
            else None,
        ),
        explains=(*symptoms, *training.seen("stuck")),
        layer=middle,
        change=(
            f"Put a LayerNormalization before what each branch computes, x + f(norm(x)), such as"
            f" before {middle}, so that the sum does not double from one to the next."
            if has_shortcuts
            else "Put a BatchNormalization (with batches of 8 or more) or a LayerNormalization"
            f" behind the hidden layers, at first behind every second one, such as {middle}."
        ),
        snippet=(
            f'h = keras.layers.LayerNormalization(name="norm")(x)  # then {code(middle)}(h)'
            if has_shortcuts
            else f'keras.layers.BatchNormalization(name="norm")  # behind {code(middle)}'
        ),
        confidence="likely" if is_off or is_loud else "possible",
        because=(
            "the signal changes its size on the way through the layers"
            if is_off
            else "the gradients were far too large before anything had been learned"
            if is_loud
            else "depth without normalisation goes wrong easily, but that it did is not seen"
        ),
    )


MISSING_NORMALISATION: Final = KnownCause(
    id="missing-normalisation",
    stage="structure",
    title="A deep model without normalisation",
    meaning=(
        "Nothing brings the signal back to a usual size on its way through the layers, so it"
        " shrinks or grows from one to the next."
    ),
    source=(
        "Ioffe and Szegedy (2015), https://arxiv.org/abs/1502.03167; AUTOTRAINER (ICSE 2021): batch"
        " normalisation after the activation"
    ),
    look=_look,
)
