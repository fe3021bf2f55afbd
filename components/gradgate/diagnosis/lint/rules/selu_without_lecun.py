"""SELU without LeCun's initialiser: it normalises itself with no other."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule, activated

_KERNELS: Final = ("kernel", "depthwise", "pointwise")


def _ask(design: Design) -> Iterator[Found]:
    for place in design.of_kind(*kinds.WEIGHTED):
        layer = design.layers[place]
        if design.activation(place) != "selu" or design.is_output(place):
            continue
        drawn = {layer.initializers[key].name for key in _KERNELS if key in layer.initializers}
        others = sorted(drawn - {"LecunNormal", "LecunUniform"})
        if others:
            yield Found(
                place=place,
                message=(
                    f"{design.path(place)}: selu behind {others[0]}; it keeps mean 0 and variance 1"
                    " from layer to layer only if weights are drawn with variance 1 / fan-in"
                ),
                advice='set kernel_initializer="lecun_normal"',
            )


RULE: Final = Rule(
    id="selu-without-lecun",
    title="SELU without LeCun's initialiser",
    severity="warning",
    reason="""\
SELU's two constants are chosen so that activations of mean 0 and variance 1 stay so from layer to
layer, and that needs weights of mean 0 and variance 1 / fan-in: `lecun_normal`. Keras's default,
Glorot's, has another variance wherever fan-in and fan-out differ, and the fixed point is lost.
`lecun_uniform` has the right variance and is let go by.""",
    sources=(
        "Klambauer et al. (2017), Self-Normalizing Neural Networks, https://arxiv.org/abs/1706.02515",
        "Keras, selu, https://keras.io/api/layers/activations/#selu-function",
    ),
    needs=("layers",),
    ask=_ask,
    concerns=activated(kinds.WEIGHTED, ("selu",)),
    bad="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "selu"),
        keras.layers.Dense(1),
    ]
)
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "selu", kernel_initializer="lecun_normal"),
        keras.layers.Dense(1),
    ]
)
""",
)
