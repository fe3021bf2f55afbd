"""The numbers of a training that a prescription quotes: rate, clip, layer, norms."""

import math
from typing import Final

from gradgate.contracts import ModelCard, Summary, VariableCard
from gradgate.contracts.summary import Sketch

# Their step does not depend on the gradient's length, so a clip changes little.
_NORMALISING: Final = (
    "adam",
    "rmsprop",
    "lamb",
    "adagrad",
    "adadelta",
    "nadam",
    "lion",
    "ftrl",
    "adafactor",
    "muon",
)


def learning_rate(card: ModelCard) -> float | None:
    """The learning rate, or the first rate of a schedule; None when the card does not say."""
    rate = card.optimizer_config.get("learning_rate")
    if isinstance(rate, dict):
        config = rate.get("config", rate)
        rate = config.get("initial_learning_rate") if isinstance(config, dict) else None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not math.isfinite(rate):
        return None
    return float(rate)


def lower_rate(card: ModelCard, factor: float = 0.1) -> str:
    """`lower the learning rate from 0.01 to 0.001`, with the numbers where they are known."""
    rate = learning_rate(card)
    if rate is None:
        return f"lower the learning rate (try {factor:g} of it)"
    return f"lower the learning rate from {rate:g} to {rate * factor:.2g}"


def normalises(card: ModelCard) -> bool:
    """Whether the optimizer divides the gradient by its own size, as Adam does."""
    return any(name in card.optimizer.lower() for name in _NORMALISING)


def follows_length(card: ModelCard) -> bool:
    """Whether a gradient of half the length makes half the step, as under SGD."""
    return "sgd" in card.optimizer.lower() and not normalises(card)


def clips_in_words(card: ModelCard) -> str:
    """The clips as they were written, such as `clip_by_global_norm(max_norm=1.0)`."""
    words = []
    for clip in card.clips:
        numbers = ", ".join(f"{k}={v}" for k, v in sorted(clip.items()) if k != "name")
        words.append(f"{clip.get('name', 'clip')}({numbers})")
    return ", then ".join(words)


def variable_of(card: ModelCard, path: str | None) -> VariableCard | None:
    """The variable of that path."""
    return next((variable for variable in card.variables if variable.path == path), None)


def is_first(card: ModelCard, path: str | None) -> bool:
    """Whether the variable belongs to the first layer that has a gradient."""
    first = next((variable for variable in card.variables if variable.has_gradient), None)
    variable = variable_of(card, path)
    return first is not None and variable is not None and variable.layer == first.layer


def first_kernel(card: ModelCard) -> VariableCard | None:
    """The first variable of rank 2 or more that has a gradient, in the order of the card."""
    kernels = (v for v in card.variables if v.has_gradient and len(v.shape) > 1)
    return next(kernels, None)


def activation_in_words(card: ModelCard, layer: str | None) -> str:
    """`layer net/dense_1 (relu)` of a layer whose activations were looked at."""
    seen = next((seen for seen in card.activations if seen.layer == layer), None)
    if seen is None:
        return f"layer {layer}" if layer else "a layer"
    return f"layer {seen.layer} ({seen.activation})"


def layer_in_words(card: ModelCard, path: str | None) -> str:
    """`layer dense_1 (sigmoid, glorot_uniform)`, as far as the card says; else the path."""
    variable = variable_of(card, path)
    if variable is None:
        return path or "the model"
    traits = [trait for trait in (variable.activation, variable.initializer) if trait]
    return f"layer {variable.layer}" + (f" ({', '.join(traits)})" if traits else "")


def mean_scale(summary: Summary) -> float | None:
    """Mean factor of the clips over the run; None when none was measured."""
    scale = summary.clip_scale
    return scale.total / scale.count if scale.count else None


def norm_quantile(summary: Summary, fraction: float) -> float | None:
    """A quantile of the global norm before the clips, from the sketch; None when it is empty."""
    return quantile(summary.global_norm.sketch, fraction)


def quantile(sketch: Sketch, fraction: float) -> float | None:
    """A quantile within the sketch's relative accuracy; None when the sketch is empty."""
    total = sketch.zeros + sum(sketch.bins.values())
    if not total:
        return None
    rank, seen = fraction * (total - 1), sketch.zeros
    if seen > rank:
        return 0.0
    gamma = (1 + sketch.accuracy) / (1 - sketch.accuracy)
    last = 0.0
    for index, count in sorted((int(index), count) for index, count in sketch.bins.items()):
        seen += count
        last = 2 * gamma**index / (gamma + 1)
        if seen > rank:
            break
    return last
