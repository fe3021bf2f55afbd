"""A learning rate far from all that the optimizer is used with."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule

_BOUNDS: Final[Mapping[str, tuple[float, float, str]]] = {  # least, most, the usual
    "SGD": (1e-6, 1.0, "0.01 to 0.1"),
    "Adam": (1e-7, 0.03, "0.0001 to 0.001"),
    "AdamW": (1e-7, 0.03, "0.0001 to 0.001"),
    "Adamax": (1e-7, 0.05, "0.0005 to 0.002"),
    "Nadam": (1e-7, 0.03, "0.0001 to 0.001"),
    "RMSprop": (1e-7, 0.03, "0.0001 to 0.001"),
    "Adagrad": (1e-6, 1.0, "0.01 to 0.1"),
    "Adadelta": (1e-2, 5.0, "1.0; Keras's default of 0.001 is far below it"),
    "Adafactor": (1e-7, 0.1, "0.001 to 0.01"),
    "Ftrl": (1e-6, 1.0, "0.01 to 0.1"),
    "Lion": (1e-8, 3e-3, "0.00003 to 0.0003, a third to a tenth of Adam's"),
    "Lamb": (1e-7, 0.05, "0.001 to 0.01"),
    "Muon": (1e-6, 0.2, "0.001 to 0.02"),
}
_RATES: Final = (
    *("initial_learning_rate", "warmup_target", "max_lr", "max_learning_rate", "learning_rate"),
    "values",
)


def _rates(told: Any) -> list[float]:
    """The rates that a number, or the configuration of a schedule, names."""
    if isinstance(told, dict):
        inner = told.get("config", told)
        named = inner if isinstance(inner, dict) else {}
        return [rate for key in _RATES for rate in _rates(named.get(key))]
    if isinstance(told, (list, tuple)):
        return [rate for each in told for rate in _rates(each)]
    if isinstance(told, bool) or not isinstance(told, (int, float, str)):
        return []
    try:
        return [float(told)]
    except ValueError:
        return []


def _ask(design: Design) -> Iterator[Found]:
    name = design.card.optimizer
    told = design.card.optimizer_config.get("learning_rate")
    rates = _rates(told)
    bounds = _BOUNDS.get(name)
    if not rates:
        return
    peak = max(rates, key=lambda rate: math.inf if math.isnan(rate) else rate)
    if not (math.isfinite(peak) and peak > 0):
        yield Found(
            severity="error",
            message=f"{name}: the learning rate is {peak:g}, so nothing is learned",
            advice=f"set a learning rate above 0{'' if bounds is None else f': {bounds[2]}'}",
        )
    elif bounds is not None and not bounds[0] <= peak <= bounds[1]:
        is_high = peak > bounds[1]
        consequence = "diverge" if is_high else "hardly move"
        schedule = ", the highest of its schedule," if isinstance(told, dict) else ""
        yield Found(
            message=(
                f"{name}: a learning rate of {peak:g}{schedule} is"
                f" {'above' if is_high else 'below'} {bounds[1] if is_high else bounds[0]:g}, where"
                f" training is likely to {consequence}"
            ),
            advice=f"usual for {name}: {bounds[2]}",
        )


RULE: Final = Rule(
    id="learning-rate-bounds",
    title="A learning rate outside of what the optimizer is used with",
    severity="warning",
    reason="""\
Adam moves each weight by about the learning rate per step, so 0.1 replaces weights drawn at 0.05
within a step; SGD moves by the rate times the gradient, and stands more. The bounds of the rule are
wide: ten times and more beyond what published recipes use. For a schedule its highest rate counts.

| optimizer | warns below | warns above | usual |
|---|---|---|---|
"""
    + "\n".join(
        f"| {name} | {least:g} | {most:g} | {usual} |"
        for name, (least, most, usual) in _BOUNDS.items()
    )
    + """

Adadelta is meant for a rate of 1: with Keras's default of 0.001, which was kept for likeness with
the other optimizers, it hardly moves. Optimizers of one's own are not judged, but a rate of 0, below
it or not finite is an error with any.""",
    sources=(
        "Goyal et al. (2017), Accurate, Large Minibatch SGD (rates of SGD up to 1 and more with warm-up), https://arxiv.org/abs/1706.02677",
        "Kingma and Ba (2015), Adam, section 2.1, https://arxiv.org/abs/1412.6980",
        "Zeiler (2012), ADADELTA, https://arxiv.org/abs/1212.5701",
        "Chen et al. (2023), Lion, section 5, https://arxiv.org/abs/2302.06675",
        "Keras, Adadelta, https://keras.io/api/optimizers/adadelta/",
    ),
    needs=("optimizer",),
    ask=_ask,
    bad="""\
model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(0.1), "mean_squared_error")
""",
    good="""\
model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(0.001), "mean_squared_error")
""",
)
