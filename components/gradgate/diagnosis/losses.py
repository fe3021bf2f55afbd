"""What the card says of loss and output, and which of them belong together."""

import dataclasses
from typing import Final

from gradgate.contracts import ModelCard
from gradgate.diagnosis import layers
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import code, number

_CROSS_ENTROPIES: Final = (
    *("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"),
    *("binary_focal_crossentropy", "categorical_focal_crossentropy"),
)
# The greatest variance that numbers between its ends can have.
_WIDEST: Final = {
    "sigmoid": 0.25,
    "hard_sigmoid": 0.25,
    "softmax": 0.25,
    "tanh": 1.0,
    "softsign": 1.0,
}
_BINARY_LABELS: Final = (
    "0 and 1",
    'y = (y == y.max()).astype("float32")  # the larger label is 1',
)
_LABELS: Final = {
    "binary_crossentropy": _BINARY_LABELS,
    "binary_focal_crossentropy": _BINARY_LABELS,
    "categorical_crossentropy": (
        "a row of zeros with a single 1 for each example",
        "y = keras.utils.to_categorical(y, num_classes)",
    ),
    "sparse_categorical_crossentropy": (
        "whole numbers from 0 to one less than there are classes",
        "y = np.unique(y, return_inverse=True)[1]  # 0, 1, 2 and so on",
    ),
}


def name(card: ModelCard) -> str:
    """The loss function by Keras's name; empty where it is not known."""
    return card.losses[0].name if len(card.losses) == 1 else (card.loss or "")


def labels_wanted(loss: str) -> tuple[str, str] | None:
    """Which labels a loss wants, in words and as code; None where it takes any."""
    return _LABELS.get(loss)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
    """The one output of a model and its loss.

    Attributes:
        from_logits: None where that is not known.
    """

    layer: str
    units: int
    activation: str | None
    loss: str
    from_logits: bool | None

    @property
    def is_classes(self) -> bool:
        """Whether the loss takes one probability for each class."""
        return "categorical" in self.loss

    @property
    def loss_in_words(self) -> str:
        """With `from_logits` where that matters."""
        return f"{self.loss} with from_logits=True" if self.from_logits else self.loss


def output_of(training: Training) -> Output | None:
    """The output of a model with one loss; None where it has several, or none is known."""
    card = training.card
    loss = name(card)
    if not loss or "," in loss or len(card.outputs) > 1 or not training.kernels:
        return None
    last = training.kernels[-1]
    layer, activation = last.layer, layers.activation(training, last.layer)
    if card.outputs and card.layers[card.outputs[0]].name != layer:
        out = card.layers[card.outputs[0]]
        if out.activation is None:  # what gives the output is no layer with an activation
            return None
        activation = out.activation
    told = card.losses[0] if len(card.losses) == 1 else None
    return Output(
        layer=layer,
        units=last.shape[-1],
        activation=None if activation == "linear" else activation,
        loss=loss,
        from_logits=told.from_logits if told else None,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mismatch:
    """What does not fit, and what would."""

    change: str
    snippet: str
    because: str
    is_certain: bool = True


def mismatch(output: Output, constant_loss: float | None) -> Mismatch | None:
    """What is wrong with an output under its loss; None where they fit, or nobody can say.

    Args:
        output: Of the model.
        constant_loss: Of the best constant answer, see `Summary`: for the mean squared error the
            variance of the labels.
    """
    if output.activation == "softmax" and output.units == 1:
        return Mismatch(
            change=(
                f"Give {output.layer} a sigmoid: a softmax over a single number is 1 whatever goes"
                " in."
            ),
            snippet=_layer(output, "sigmoid"),
            because="a softmax over one number is always exactly 1",
        )
    if output.loss in _CROSS_ENTROPIES:
        return _of_cross_entropy(output)
    widest = _WIDEST.get(output.activation or "")
    is_squared = output.loss == "mean_squared_error"
    if is_squared and widest and constant_loss is not None and constant_loss > widest:
        ends = "-1 and 1" if output.activation in {"tanh", "softsign"} else "0 and 1"
        return Mismatch(
            change=(
                f"Take {output.activation} away from {output.layer}: it ends at {ends}, and the"
                " labels do not."
            ),
            snippet=_layer(output, None),
            because=(
                f"the variance of the labels is {number(constant_loss)}, and no numbers between"
                f" {ends} have more than {number(widest)}"
            ),
        )
    return None


def is_misfit(training: Training) -> bool:
    """Whether the output and the loss are sure not to fit."""
    output = output_of(training)
    found = mismatch(output, training.summary.constant_loss) if output else None
    return found is not None and found.is_certain


def _of_cross_entropy(output: Output) -> Mismatch | None:
    probabilities = "softmax" if output.is_classes else "sigmoid"
    if output.from_logits and output.activation in {"softmax", "sigmoid"}:
        return Mismatch(
            change=(
                f"Take {output.activation} away from {output.layer}, or from_logits=True away from"
                " the loss: as it is, the output goes through it twice."
            ),
            snippet=_layer(output, None),
            because="both are known from the model as it was compiled",
        )
    if output.from_logits:
        return None
    if output.activation is None:
        known = output.from_logits is False
        return Mismatch(
            change=(
                f"Tell the loss that {output.layer} gives plain numbers and no probabilities"
                f" (from_logits=True), or give that layer a {probabilities}."
            ),
            snippet=f"loss = keras.losses.{_class(output.loss)}(from_logits=True)",
            because=(
                "the output is no probability, and the loss cuts everything outside of 0 to 1 off"
                if known
                else "the output is no probability; whether the loss was told so is not known"
            ),
            is_certain=known,
        )
    if output.is_classes and output.units == 1:
        return Mismatch(
            change=(
                f"{output.loss} wants a unit for each class: give {output.layer} as many as there"
                " are classes, or use binary_crossentropy with a sigmoid for two."
            ),
            snippet='loss = "binary_crossentropy"',
            because="with one unit there is but one class",
        )
    if output.activation in {"relu", "tanh", *layers.RELU_FAMILY}:
        return Mismatch(
            change=(
                f"Give {output.layer} a {probabilities}: {output.activation} gives numbers that are"
                " no probabilities."
            ),
            snippet=_layer(output, probabilities),
            because=f"{output.loss} wants probabilities from 0 to 1",
        )
    return None


def _layer(output: Output, activation: str | None) -> str:
    given = f'activation="{activation}", ' if activation else ""
    was = output.activation or "no activation"
    return f'keras.layers.Dense({output.units}, {given}name="{code(output.layer)}")  # was {was}'


def _class(loss: str) -> str:
    return "".join(part.capitalize() for part in loss.split("_"))
