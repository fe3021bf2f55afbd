"""What the card says of the optimizer: its rate, what is usual, and what a clip does to it."""

import math
from typing import Any, Final

from gradgate.contracts import ModelCard
from gradgate.diagnosis.words import code

# Their step does not depend on the gradient's length, so a clip changes little.
_NORMALISING: Final = (
    *("adam", "rmsprop", "lamb", "adagrad", "adadelta", "nadam", "lion", "ftrl", "adafactor"),
    "muon",
)
# Keras's own default learning rates.
_USUAL: Final = {"SGD": 0.01, "Adadelta": 0.001, "Adagrad": 0.001, "Lion": 0.001, "Ftrl": 0.001}
_USUAL_OF_OTHERS: Final = 0.001
_OWN_CLIPS: Final = ("clipnorm", "global_clipnorm", "clipvalue")


def learning_rate(card: ModelCard) -> float | None:
    """The learning rate, or the first rate of a schedule; None when the card does not say."""
    rate = card.optimizer_config.get("learning_rate")
    if isinstance(rate, dict):
        config = rate.get("config", rate)
        rate = config.get("initial_learning_rate") if isinstance(config, dict) else None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not math.isfinite(rate):
        return None
    return float(rate)


def has_schedule(card: ModelCard) -> bool:
    """Whether the learning rate follows a schedule."""
    return isinstance(card.optimizer_config.get("learning_rate"), dict)


def usual_rate(card: ModelCard) -> float:
    """The learning rate that Keras gives this optimizer if nobody says one."""
    return _USUAL.get(card.optimizer, _USUAL_OF_OTHERS)


def is_above_usual(card: ModelCard) -> bool:
    """Whether the learning rate is above what Keras gives this optimizer."""
    return (learning_rate(card) or 0.0) > usual_rate(card)


def normalises(card: ModelCard) -> bool:
    """Whether the optimizer divides the gradient by its own size, as Adam does."""
    return any(name in card.optimizer.lower() for name in _NORMALISING)


def is_clipped(card: ModelCard) -> bool:
    """Whether something clips the gradients: gradgate, or the optimizer itself."""
    return bool(card.clips) or any(card.optimizer_config.get(clip) for clip in _OWN_CLIPS)


def follows_length(card: ModelCard) -> bool:
    """Whether a gradient of half the length makes half the step, as under SGD."""
    return "sgd" in card.optimizer.lower() and not normalises(card)


def lower_rate(card: ModelCard) -> tuple[float | None, float]:
    """The rate, and the next lower one to try: a tenth, and at most the usual one tenfold."""
    rate = learning_rate(card)
    if rate is None:
        return None, usual_rate(card) / 10
    return rate, min(rate / 10, usual_rate(card) * (10 if follows_length(card) else 1))


def plain(value: Any) -> str:
    """A number as Python code has it, without the digits of float32: `0.001`."""
    return f"{float(value):.4g}" if isinstance(value, int | float) else repr(value)


def set_rate(card: ModelCard, rate: float) -> str:
    """The line of code that gives the optimizer another rate."""
    name = card.optimizer or "Adam"
    former = learning_rate(card)
    was = "" if former is None else f"  # was {plain(former)}"
    if has_schedule(card):
        was = was or "  # in the schedule"
        return f"initial_learning_rate={plain(rate)}{was}"
    others = "".join(
        f", {key}={plain(card.optimizer_config[key])}"
        for key in ("momentum", "beta_2")
        if _is_set(card, key)
    )
    return f"optimizer = keras.optimizers.{code(name)}(learning_rate={plain(rate)}{others}){was}"


def _is_set(card: ModelCard, key: str) -> bool:
    usual = {"momentum": 0.0, "beta_2": 0.999}[key]
    value = card.optimizer_config.get(key)
    return isinstance(value, int | float) and not math.isclose(value, usual, rel_tol=1e-6)
