"""Where the first NaN came from: from which layers were spoiled at that step, and which not yet."""

from typing import Final

from gradgate.contracts import LayerCard
from gradgate.diagnosis.training import Training

_RISKY: Final = (
    *("Sqrt", "Rsqrt", "Log", "Log10", "Log1p", "Log2", "Logaddexp", "Exp", "Expm1", "Power"),
    *("Divide", "TrueDivide", "Reciprocal", "Norm", "Normalize", "Std", "Arccos", "Arcsin"),
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
    """Code of one's own, and operations that can give NaN, on the way that it came back."""
    if not came_back(training):
        return ()
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
    return tuple(card for card in cards if card.class_name != card.kind or card.kind in _RISKY)


def _with_gradient(training: Training) -> list[str]:
    """Names of the layers that have a gradient, in forward order."""
    return list(dict.fromkeys(v.layer for v in training.variables if v.has_gradient))
