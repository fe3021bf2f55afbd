"""He's initialiser before tanh or sigmoid: twice the variance that they can take."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule, activated

_HE: Final = ("HeNormal", "HeUniform")


def _ask(design: Design) -> Iterator[Found]:
    for place in design.of_kind(*kinds.WEIGHTED, *kinds.RECURRENT):
        kernel = design.layers[place].initializers.get("kernel")
        activation = design.activation(place)
        is_bare = not design.is_normalised(place) and design.layers[place].is_connected
        if kernel is None or kernel.name not in _HE or activation not in kinds.SATURATING:
            continue
        if is_bare and not design.is_output(place) and not design.is_gate(place):
            yield Found(
                place=place,
                message=(
                    f"{design.path(place)}: {kernel.name} before {activation} gives its inputs twice"
                    f" the variance that {activation} is made for, so its units begin nearer to"
                    " saturation, where no gradient passes"
                ),
                advice='leave kernel_initializer at "glorot_uniform", or take activation="relu"',
            )


RULE: Final = Rule(
    id="saturating-with-he",
    title="tanh or sigmoid behind He's initialiser",
    severity="warning",
    reason="""\
He's initialiser doubles the variance of the weights to make up for what a ReLU cuts off. tanh and
sigmoid cut nothing off: there the doubled variance pushes units towards their flat ends, where the
gradient is near 0. Glorot's initialiser was derived for them.

Not looked at: the output layer and gates (a sigmoid that something is multiplied with), where being
near 0 or 1 is the point; and what stands behind a norm.""",
    sources=(
        "Glorot and Bengio (2010), https://proceedings.mlr.press/v9/glorot10a.html",
        "He et al. (2015), section 2.2, https://arxiv.org/abs/1502.01852",
    ),
    needs=("graph",),
    ask=_ask,
    concerns=activated((*kinds.WEIGHTED, *kinds.RECURRENT), kinds.SATURATING),
    bad="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "tanh", kernel_initializer="he_normal"),
        keras.layers.Dense(1),
    ]
)
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "tanh"),
        keras.layers.Dense(1),
    ]
)
""",
)
