"""Many layers of sigmoid or tanh: each lets only a part of the gradient back through."""

from typing import Final

from gradgate.contracts.cause import Confidence
from gradgate.diagnosis import layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.foreseen import Foreseen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import listed, number

_DEEP: Final = 4
_LOST: Final = 1e-2  # torchmortem warns there, AUTOTRAINER's limit is 1e-3
_VANISHED: Final = 1e-3
_SLOPE: Final = {"sigmoid": 0.25, "hard_sigmoid": 1 / 6}


def _look(training: Training) -> Grounds | None:
    deep = [
        n for n in layers.hidden(training) if layers.activation(training, n) in layers.SATURATING
    ]
    small, ratio = training.seen("small"), training.depth_ratio
    is_lost = ratio is not None and ratio < _LOST
    if len(deep) < _DEEP or not (small or is_lost):
        return None
    activation = layers.activation(training, deep[0]) or ""
    slope = _SLOPE.get(activation)
    first, last = training.kernels[0], training.kernels[-1]
    confidence: Confidence = "likely"
    because = f"{len(deep)} such layers in a row can do this"
    if ratio is not None and ratio < _VANISHED:
        confidence = "sure"
        because = "the gradient gets smaller from layer to layer, back to the first"
    return Grounds(
        numbers=known(
            f"{len(deep)} hidden layers have {activation}"
            + (f", whose slope is {slope:.2g} at most" if slope else ""),
            f"the gradient of {first.path} is {number(ratio)} of that of {last.path}"
            if ratio is not None
            else None,
        ),
        explains=(*small, *training.seen("stuck", "saturated", "near", "zero")),
        layer=deep[0],
        change=(
            f"Replace {activation} by relu in {listed(deep)}, with he_normal weights, which suit"
            " it. If that is not enough, put a BatchNormalization behind every second layer, then"
            " add residual connections."
        ),
        snippet=layers.written(training, deep[0], activation="relu", kernel_initializer="he_normal")
        + f"\n# was {activation}; likewise in the other {len(deep) - 1} layers",
        confidence=confidence,
        because=because,
    )


SATURATING_DEPTH: Final = KnownCause(
    id="saturating-depth",
    stage="structure",
    title="Too many layers of sigmoid or tanh on top of each other",
    meaning=(
        "Each lets only a part of the error signal through, so almost nothing reaches the first"
        " layers, which do not learn."
    ),
    source=(
        "Glorot and Bengio (2010), https://proceedings.mlr.press/v9/glorot10a.html; AUTOTRAINER"
        " (ICSE 2021): selu or relu first, +41 points of accuracy over 49 models"
    ),
    look=_look,
    foreseen=Foreseen(
        rules=("deep-saturating-stack",),
        kinds=("stuck", "small", "saturated", "zero", "near"),
    ),
)
