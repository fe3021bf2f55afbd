"""Where the first NaN came from: from which layers were spoiled at that step, and which not yet."""

from typing import Final

from gradgate.contracts import LayerCard
from gradgate.diagnosis.training import Training

_RISKY: Final = (
    *("Sqrt", "Rsqrt", "Log", "Log10", "Log1p", "Log2", "Power", "Divide", "TrueDivide"),
    *("Reciprocal", "Norm", "Arccos", "Arcsin"),
)
"""Operations of `keras.ops` that give NaN or infinity for some numbers, or whose slope is so."""


def came_back(training: Training) -> bool:
    """Whether it was born behind some layers and came back to them: those behind were still fine.

    A NaN that goes forward reaches the loss, and spoils every gradient in the same step.
    """
    spoiled = {variable.layer for variable in training.first_nonfinite}
    known = _with_gradient(training)
    return 0 < len(spoiled) < len(known) and spoiled == set(known[: len(spoiled)])


def of_inputs_alone(training: Training) -> bool:
    """Whether the kernel of the first layer was spoiled and its bias was not.

    What an input that is NaN does where a ReLU hides it: the kernel's gradient has the input as a
    factor, the bias's has not.
    """
    first = training.of_layer(training.first_layer)
    spoiled = {v.path for v in training.first_nonfinite}
    biases = [v for v in first if v.has_gradient and len(v.shape) == 1]
    return came_back(training) and not any(bias.path in spoiled for bias in biases)


def suspects(training: Training) -> tuple[LayerCard, ...]:
    """Code of one's own, and operations that can give NaN, where it can have been born.

    On the way that it came back; else anywhere in the model, since it went forward.
    """
    if not came_back(training):
        return tuple(card for card in training.card.layers if _can_give_nan(card))
    spoiled = {variable.layer for variable in training.first_nonfinite}
    fine = set(_with_gradient(training)) - spoiled
    last = max((p for name in spoiled if (p := training.place(name)) is not None), default=None)
    found: dict[int, None] = {}
    waiting = [] if last is None else list(training.followers(last))
    while waiting:
        at = waiting.pop(0)
        if at not in found and training.card.layers[at].name not in fine:
            found[at] = None
            waiting += training.followers(at)
    cards = (training.card.layers[at] for at in found)
    return tuple(card for card in cards if _can_give_nan(card))


def is_of_a_batch(training: Training) -> bool:
    """Whether nothing in the model is known that makes a NaN of numbers, and nothing grew.

    Keras's own layers and losses keep away from 0, so it came with a batch.
    """
    cards = training.card.layers
    is_known = bool(cards) and all(card.is_connected for card in cards)
    is_keras = bool(training.card.losses) and all(loss.is_keras for loss in training.card.losses)
    narrow = any("float16" in (card.dtype_policy or "") for card in cards)  # bfloat16, too
    narrow = narrow or any(v.dtype == "float16" for v in training.variables)
    grew = training.was_exploding or training.exploded
    is_odd = narrow or grew or came_back(training) or bool(suspects(training))
    return is_known and is_keras and not is_odd


def _can_give_nan(card: LayerCard) -> bool:
    return card.class_name != card.kind or card.kind in _RISKY


def _with_gradient(training: Training) -> list[str]:
    """Names of the layers that have a gradient, in forward order."""
    return list(dict.fromkeys(v.layer for v in training.variables if v.has_gradient))
