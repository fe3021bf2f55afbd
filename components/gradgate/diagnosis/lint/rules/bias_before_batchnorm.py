"""A bias that the BatchNormalization right behind it takes away again."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule


def _ask(design: Design) -> Iterator[Found]:
    pairs = list(_pairs(design))
    if pairs:
        at, place = pairs[0]
        more = f" (and {len(pairs) - 1} more like it)" if pairs[1:] else ""
        yield Found(
            place=at,
            message=(
                f"{design.path(at)}{more} has a bias, and {design.path(place)} right behind it takes"
                " the mean away, bias and all: it gets no gradient, and does nothing"
            ),
            advice="set use_bias=False",
        )


def _pairs(design: Design) -> Iterator[tuple[int, int]]:
    """A layer with a bias, and the norm right behind it."""
    for place in design.of_kind("BatchNormalization"):
        if design.layers[place].settings.get("center") is False:
            continue
        before = design.before(place, kinds.LINEAR)
        if len(before) != 1:
            continue
        at = before[0]
        layer = design.layers[at]
        is_bare = layer.kind in kinds.WEIGHTED and layer.activation in (None, "linear")
        if is_bare and layer.use_bias and len(design.consumers[at]) == 1:
            yield at, place


def _concerns(design: Design) -> bool:
    return any(design.of_kind("BatchNormalization"))


RULE: Final = Rule(
    id="bias-before-batchnorm",
    title="A bias right before BatchNormalization",
    severity="info",
    reason="""\
Batch normalisation subtracts the mean, and with it any constant that was added before; its own
`beta` takes the bias's place. The bias then has a gradient of 0 (up to rounding) and costs memory
and time, no more: ResNet50 as Keras ships it has such biases. So this is `info`. Where gradients
are watched layer by layer such a bias can look like one that does not learn.""",
    sources=("Ioffe and Szegedy (2015), section 3.2, https://arxiv.org/abs/1502.03167",),
    needs=("graph",),
    ask=_ask,
    concerns=_concerns,
    bad="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Dense(1),
    ]
)
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Dense(1),
    ]
)
""",
)
