"""Many saturating activations one behind the other: the gradient vanishes on its way down."""

from collections.abc import Iterator
from typing import Final

from gradgate.contracts.lint import Severity
from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule, activated

_SIGMOIDS: Final = ("sigmoid", "hard_sigmoid")
_MANY_SIGMOIDS: Final = 3
_MANY: Final = 10
_SOME: Final = 6


def _counts(design: Design, place: int, activations: tuple[str, ...]) -> bool:
    return (
        design.activation(place) in activations
        and not design.is_normalised(place)
        and not design.is_output(place)
    )


def _ask(design: Design) -> Iterator[Found]:
    others = tuple(name for name in kinds.SATURATING if name not in _SIGMOIDS)
    yield from _stacks(design, _SIGMOIDS, _MANY_SIGMOIDS, _MANY_SIGMOIDS)
    yield from _stacks(design, others, _SOME, _MANY)


def _stacks(design: Design, activations: tuple[str, ...], some: int, many: int) -> Iterator[Found]:
    for chain in design.chains(lambda place: _counts(design, place, activations)):
        if chain.depth < some:
            continue
        first = chain.places[0]
        severity: Severity = "warning" if chain.depth >= many else "info"
        slope = "at most 1/4" if activations is _SIGMOIDS else "below 1"
        yield Found(
            place=first,
            severity=severity,
            message=(
                f"{chain.in_words(design)} are all {design.activation(first)}, without norm or"
                f" residual: its slope is {slope}, so the gradient shrinks at each of them and"
                " hardly reaches the first"
            ),
            advice=(
                'take activation="relu" with kernel_initializer="he_normal", or put a'
                " LayerNormalization or BatchNormalization before each activation"
            ),
        )


RULE: Final = Rule(
    id="deep-saturating-stack",
    title="A deep stack of saturating activations",
    severity="warning",
    reason="""\
On its way to the first layer the gradient is multiplied by the slope of each activation. A
sigmoid's is at most 1/4, so three of them leave at most 1/64, and a sigmoid's mean of 1/2 drives
the layer above it into saturation besides. Glorot and Bengio found networks of four hidden sigmoid
layers to stay saturated for long, and advise against it.

tanh has slope 1 at 0 and does better: with Glorot's initialiser five layers train well there, and
physics-informed networks train with nine. So the rule warns of three hidden layers of sigmoid, and
of ten of tanh (`info` from six). The output layer does not count; norms and residuals end a
stack.""",
    sources=(
        "Glorot and Bengio (2010), sections 3.1 and 4.2, https://proceedings.mlr.press/v9/glorot10a.html",
        "Raissi, Perdikaris and Karniadakis (2019), Physics-informed neural networks, https://doi.org/10.1016/j.jcp.2018.10.045",
    ),
    needs=("graph",),
    ask=_ask,
    concerns=activated(kinds.WEIGHTED, kinds.SATURATING),
    bad="""\
model = keras.Sequential([keras.Input((16,))])
for _ in range(4):
    model.add(keras.layers.Dense(32, "sigmoid"))
model.add(keras.layers.Dense(1, "sigmoid"))
""",
    good="""\
model = keras.Sequential([keras.Input((16,))])
for _ in range(4):
    model.add(keras.layers.Dense(32, "relu", kernel_initializer="he_normal"))
model.add(keras.layers.Dense(1, "sigmoid"))
""",
)
