"""Inputs of a size that a layer is not made for: hundreds where it expects about 1."""

import math
from collections.abc import Iterator
from typing import Final

from gradgate.contracts import InputCard
from gradgate.diagnosis import layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.foreseen import Foreseen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number

_LARGE: Final = 10.0  # AUTOTRAINER's limit of what a layer gives to the next; 1 is usual
_VERY_LARGE: Final = 100.0
_TAKES_ANY: Final = ("Embedding", "Normalization", "Rescaling", "StringLookup", "CategoryEncoding")
_KINDS: Final = (
    *("stuck", "large", "nonfinite", "saturated", "dead", "zero", "swings", "spike", "small"),
    *("far", "grown", "dominant", "drifting"),
)


def _look(training: Training) -> Grounds | None:
    widest = max(_measured(training), key=_size, default=None)
    size = _by_gradients(training) if widest is None else _size(widest)
    if size is None or size < _LARGE:
        return None
    first = training.first_layer
    is_sure = widest is not None and size > _VERY_LARGE
    return Grounds(
        numbers=known(
            f"{widest.name} goes from {number(widest.low)} to {number(widest.high)} (mean"
            f" {number(widest.mean)}, standard deviation {number(widest.std)})"
            if widest
            else f"the inputs are about {number(size)} in size, as the gradients of layer {first}"
            " tell; about 1 is usual",
            _start_of_the_loss(training),
        ),
        explains=training.seen(*_KINDS),
        layer=first,
        change=(
            "Bring every input column to mean 0 and standard deviation 1 before the model sees it:"
            " by a Normalization layer that is adapted to the training data and comes first in the"
            " model, or in preprocessing. Leave the rest as it is at first."
        ),
        snippet=(
            "normalise = keras.layers.Normalization()\n"
            "normalise.adapt(x_train)  # learns mean and standard deviation of each column\n"
            "x_train = normalise(x_train)  # or as the first layer of the model"
        ),
        confidence="sure" if is_sure else "likely",
        because=(
            "the inputs were looked at, and are far from size 1"
            if widest
            else "a layer's gradient grows with its inputs, and this one is far above its bias's"
        ),
    )


def _measured(training: Training) -> Iterator[InputCard]:
    """The inputs that are numbers as they are: neither looked up in a table nor scaled inside."""
    cards = training.card.layers
    has_table = any(card.kind in _TAKES_ANY for card in cards)
    for given in training.card.inputs:
        place = given.layer
        fed = [card for card in cards if place is not None and place in card.inputs]
        is_taken = any(card.kind in _TAKES_ANY for card in fed) or (has_table and not fed)
        if not is_taken and math.isfinite(given.low) and math.isfinite(given.high):
            yield given


def _size(given: InputCard) -> float:
    """The root of its mean square: of a few examples, so that one outlier alone is no scale."""
    return math.hypot(given.mean, given.std)


def _by_gradients(training: Training) -> float | None:
    """The usual size of an input, from the first layer: dW is x times what db is, summed.

    So |dW| over |db| is at least about the length of x where the errors of a batch agree, and
    it is divided by the root of the number of inputs for the size of one.
    """
    of_first = training.of_layer(training.first_layer)
    kernel = next((v for v in of_first if v.path.endswith("/kernel") and len(v.shape) == 2), None)
    bias = next((v for v in of_first if v.path.endswith("/bias")), None)
    if kernel is None or bias is None or layers.is_embedding(kernel):
        return None
    above, below = training.numbers(kernel).norm, training.numbers(bias).norm
    if not below.total or not math.isfinite(above.total):
        return None
    return above.total / below.total / math.sqrt(layers.fan_in(kernel))


def _start_of_the_loss(training: Training) -> str | None:
    greatest, usual = training.summary.loss.greatest, training.summary.constant_loss
    if greatest is None or not usual or usual <= 0 or greatest < 10 * usual:
        return None
    return f"the loss reached {number(greatest)}, and guessing alone would give {number(usual)}"


INPUT_SCALE: Final = KnownCause(
    id="input-scale",
    stage="data",
    title="The inputs are not scaled",
    meaning=(
        "A column of thousands drowns one of fractions, and pushes the first layer to where it"
        " hardly reacts any more."
    ),
    source=(
        "UMLAUT (CHI 2021) and DeepDiagnosis (ICSE 2022): inputs outside -1 to 1; AUTOTRAINER (ICSE"
        " 2021): abnormal data first; the size by gradients is ours"
    ),
    look=_look,
    foreseen=Foreseen(
        rules=("inputs-not-normalised",),
        kinds=_KINDS,
        fits=lambda finding, _: finding.severity == "warning",
    ),
)
