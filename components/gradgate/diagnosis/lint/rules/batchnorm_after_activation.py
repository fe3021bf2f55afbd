"""BatchNormalization behind the activation in place of before it."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule


def _ask(design: Design) -> Iterator[Found]:
    for place in design.of_kind("BatchNormalization"):
        activation = _activation_before(design, place)
        if activation is None:
            continue
        at, name = activation
        if name in kinds.SATURATING:
            yield Found(
                place=place,
                message=(
                    f"{design.path(place)} stands behind {name} ({design.path(at)}): it cannot keep"
                    f" {name} from saturating, since it comes too late"
                ),
                advice=f"put it between the layer and its {name}: Dense, BatchNormalization, {name}",
            )
        elif name in kinds.RELU_FAMILY:
            yield Found(
                place=place,
                severity="info",
                message=(
                    f"{design.path(place)} stands behind {name} ({design.path(at)}); it was designed"
                    " to stand before it, and trains either way"
                ),
                advice=f"to do as the paper does: Dense or Conv, BatchNormalization, {name}",
            )


def _activation_before(design: Design, place: int) -> tuple[int, str] | None:
    """The layer right before, and its activation if it has one."""
    before = design.before(place)
    if len(before) != 1:
        return None
    layer = design.layers[before[0]]
    is_one = layer.kind in kinds.WEIGHTED or design.is_activation(before[0])
    name = layer.activation if is_one else None
    return None if name in (None, "linear") else (before[0], str(name))


def _concerns(design: Design) -> bool:
    return any(design.of_kind("BatchNormalization"))


RULE: Final = Rule(
    id="batchnorm-after-activation",
    title="BatchNormalization behind the activation",
    severity="warning",
    reason="""\
Batch normalisation was made to stand before the activation, where it keeps the inputs of a sigmoid
or tanh out of their flat ends. Behind these it comes too late, and the rule warns.

Behind a ReLU it trains well too; one comparison on ImageNet even found it to do better there. So
that is `info`.""",
    sources=(
        "Ioffe and Szegedy (2015), Batch Normalization, section 3.2, https://arxiv.org/abs/1502.03167",
        "Mishkin, Sergievskiy and Matas (2016), Systematic evaluation of CNN advances on the ImageNet, section 3.6, https://arxiv.org/abs/1606.02228",
    ),
    needs=("graph",),
    ask=_ask,
    concerns=_concerns,
    bad="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "tanh"),
        keras.layers.BatchNormalization(),
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
        keras.layers.Activation("tanh"),
        keras.layers.Dense(1),
    ]
)
""",
)
