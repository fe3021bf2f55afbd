"""A deep stack without normalisation or residual connections, whose signal shrinks or grows."""

from typing import Final

from gradgate.diagnosis import layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number

_DEEP: Final = 6
_JOINING: Final = ("Add", "Concatenate", "Average")


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("small", "large", "drifting", "saturated", "dead", "zero")
    hidden = layers.hidden(training)
    cards = training.card.layers
    has_shortcuts = any(card.kind in _JOINING for card in cards)
    if not symptoms or len(hidden) < _DEEP or layers.normalises(training) or has_shortcuts:
        return None
    middle = hidden[len(hidden) // 2]
    ratio = training.depth_ratio
    is_off = ratio is not None and not 1e-3 < ratio < 1e3
    return Grounds(
        numbers=known(
            f"{len(hidden)} hidden layers, and none of them normalises",
            f"the gradient of the first is {number(ratio)} of that of the last" if ratio else None,
        ),
        explains=(*symptoms, *training.seen("stuck")),
        layer=middle,
        change=(
            "Put a BatchNormalization (with batches of 8 or more) or a LayerNormalization behind"
            f" the hidden layers, at first behind every second one, such as {middle}."
        ),
        snippet='keras.layers.BatchNormalization(name="norm")  # behind ' + middle,
        confidence="likely" if is_off else "possible",
        because=(
            "the signal changes its size on the way through the layers"
            if is_off
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
