"""What the card says of layers: their order, activation and class, and how they are written."""

import textwrap
from typing import Final

from gradgate.contracts import LayerCard, ModelCard, VariableCard
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import code

SATURATING: Final = ("sigmoid", "tanh", "hard_sigmoid", "softsign")
RELU_FAMILY: Final = ("relu", "relu6", "leaky_relu", "prelu", "elu", "silu", "swish", "gelu")
_WIDTH: Final = 70
UNBOUNDED: Final = ("linear", *RELU_FAMILY)
ZERO_SIDED: Final = ("relu", "relu6", "hard_sigmoid", "hard_silu", "sparse_plus", "sparse_sigmoid")
_NORMALISING: Final = ("Normalization", "Norm")
_RECURRENT: Final = ("SimpleRNN", "LSTM", "GRU", "RNN", "ConvLSTM")


def layer_card(card: ModelCard, name: str | None) -> LayerCard | None:
    """The layer of that name or path; None where the card has none."""
    return next((layer for layer in card.layers if name in {layer.name, layer.path}), None)


def weighted(training: Training) -> tuple[str, ...]:
    """Names of the layers with a kernel that has a gradient, in forward order."""
    return tuple(dict.fromkeys(variable.layer for variable in training.kernels))


def hidden(training: Training) -> tuple[str, ...]:
    """The same without the last, which gives the output."""
    return weighted(training)[:-1]


def is_output(training: Training, layer: str | None) -> bool:
    """Whether it is the last layer with weights: what it gives out is for the loss, not to mend."""
    return layer in weighted(training)[-1:]


def activation(training: Training, layer: str) -> str | None:
    """The activation of a layer, or of the layer that does nothing else behind it."""
    own = next((v.activation for v in training.of_layer(layer)), None)
    if own not in {None, "linear"}:
        return own
    cards = training.card.layers
    place = training.place(layer)
    while place is not None:
        followers = training.followers(place)
        if len(followers) != 1:
            break
        follower = cards[followers[0]]
        if follower.activation not in {None, "linear"} and not follower.initializers:
            return follower.activation
        if not is_normalising(follower):
            break
        place = followers[0]
    return own


def is_normalising(layer: LayerCard) -> bool:
    """Whether it is batch, layer or group normalisation."""
    return layer.kind.endswith(_NORMALISING) and layer.kind not in {"Normalization", "UnitNorm"}


def normalises(training: Training) -> bool:
    """Whether the model has a layer that normalises; by its variables where it has no layers."""
    if training.card.layers:
        return any(is_normalising(layer) for layer in training.card.layers)
    return any(variable.path.endswith(("/gamma", "/beta")) for variable in training.variables)


def is_recurrent(variable: VariableCard) -> bool:
    """Whether it multiplies a state with itself, step after step."""
    return variable.path.endswith("recurrent_kernel")


def is_embedding(variable: VariableCard) -> bool:
    """Whether it is a table of vectors that are looked up."""
    return variable.path.endswith("/embeddings")


def fan_in(variable: VariableCard) -> int:
    """How many numbers a unit sums up: all sizes but the last."""
    count = 1
    for size in variable.shape[:-1]:
        count *= size
    return count


def written(training: Training, layer: str, **changes: str) -> str:
    """A line of code that makes the layer with some arguments changed.

    Such as `keras.layers.Dense(64, activation="relu", name="hidden")`.
    """
    card = layer_card(training.card, layer)
    kernel = next((v for v in training.of_layer(layer) if len(v.shape) > 1), None)
    kind = card.kind if card else ("Dense" if kernel and len(kernel.shape) == 2 else "")
    known = {"activation": activation(training, layer), **changes}
    words = [f'{name}="{value}"' for name, value in known.items() if value not in {None, "linear"}]
    words.append(f'name="{code(layer)}"')
    units = card.units if card else (kernel.shape[-1] if kernel else None)
    if kind != "Dense" or units is None:
        return f"{kind or 'the layer'}(..., {', '.join(words)})"
    call = f"keras.layers.Dense({units}, {', '.join(words)})"
    return textwrap.fill(call, _WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def in_words(training: Training, layer: str | None) -> str:
    """`layer hidden (tanh, HeNormal)`, as far as the card says."""
    if layer is None:
        return "the model"
    first = next(iter(training.of_layer(layer)), None)
    seen = next((a for p, a, _ in training.activations() if p.rpartition("/")[2] == layer), None)
    named = (activation(training, layer) or seen, first and first.initializer)
    traits = [trait for trait in named if trait and trait != "linear"]
    return f"layer {layer}" + (f" ({', '.join(traits)})" if traits else "")
