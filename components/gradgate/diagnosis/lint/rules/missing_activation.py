"""Two Dense layers with nothing but linear between them: together they are one."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule

_BETWEEN: Final = (*kinds.LINEAR, "BatchNormalization")


def _ask(design: Design) -> Iterator[Found]:
    for place in design.of_kind("Dense"):
        layer = design.layers[place]
        behind = design.after(place, _BETWEEN)
        if layer.activation not in (None, "linear") or len(behind) != 1:
            continue
        at = behind[0]
        other = design.layers[at]
        if (
            other.kind != "Dense"
            or place in design.card.outputs
            or len(design.consumers[place]) > 1
        ):
            continue
        narrow = _narrow(design, place, at)
        yield Found(
            place=place,
            severity="info" if narrow else None,
            message=(
                f"{layer.path} and {other.path} have no activation between them: two linear layers"
                f" are one, of rank {layer.units} at most"
            ),
            advice=(
                "as a bottleneck or a factorised layer this is meant; else set an activation"
                if narrow
                else f'give {layer.path} an activation, such as "relu"'
            ),
        )


def _narrow(design: Design, place: int, at: int) -> bool:
    """Whether the first layer is narrower than what comes in and what goes out of the second."""
    units, behind = design.layers[place].units, design.layers[at].units
    feeding = [design.layers[each].output_shape for each in design.layers[place].inputs]
    before = feeding[0][-1] if feeding and feeding[0] else None
    return bool(units and behind and units < behind and (before is None or units < before))


def _concerns(design: Design) -> bool:
    return any(design.of_kind("Dense"))


RULE: Final = Rule(
    id="missing-activation",
    title="Dense layers without an activation between them",
    severity="warning",
    reason="""\
The product of two matrices is a matrix: two Dense layers with nothing, or only dropout, reshaping
or batch normalisation, between them compute no more than one could. `Dense` has no activation
unless it is given one, so this is easily forgotten.

A first layer that is narrower than what surrounds it can be meant, as the code of an autoencoder or
a factorised layer: that is `info`.""",
    sources=(
        "Goodfellow, Bengio and Courville (2016), Deep Learning, section 6.1, https://www.deeplearningbook.org/contents/mlp.html",
        "Keras, Dense, https://keras.io/api/layers/core_layers/dense/",
    ),
    needs=("graph",),
    ask=_ask,
    concerns=_concerns,
    bad="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(64),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10, "softmax"),
    ]
)
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(64, "relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10, "softmax"),
    ]
)
""",
)
