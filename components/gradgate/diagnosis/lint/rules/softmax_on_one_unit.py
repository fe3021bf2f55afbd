"""Softmax over one unit: always 1."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule


def _ask(design: Design) -> Iterator[Found]:
    for place, layer in enumerate(design.layers):
        axis = layer.settings.get("axis", -1)
        shape = layer.output_shape
        width = layer.units if shape is None else _size(shape, axis)
        if layer.activation == "softmax" and width == 1:
            yield Found(
                place=place,
                message=(
                    f"{layer.path}: softmax over one unit is 1 whatever comes in, so nothing before"
                    " it gets a gradient"
                ),
                advice='set activation="sigmoid" for two classes, or give one unit per class',
            )


def _size(shape: tuple[int | None, ...], axis: object) -> int | None:
    is_place = isinstance(axis, int) and -len(shape) <= axis < len(shape)
    return shape[axis] if is_place and isinstance(axis, int) else None


RULE: Final = Rule(
    id="softmax-on-one-unit",
    title="Softmax over one unit",
    severity="error",
    reason="""\
A softmax divides by the sum over its units. With one unit it gives 1 for every input, and its
gradient is 0: the model cannot learn. Usually a sigmoid was meant; behind attention scores of shape
(time, 1), a softmax over the axis of time: `keras.layers.Softmax(axis=1)`.""",
    sources=("Keras, softmax, https://keras.io/api/layers/activations/#softmax-function",),
    needs=("layers",),
    ask=_ask,
    bad="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "relu"),
        keras.layers.Dense(1, "softmax"),
    ]
)
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "relu"),
        keras.layers.Dense(1, "sigmoid"),
    ]
)
""",
)
