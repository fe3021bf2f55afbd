"""Weights that no loss depends on."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule


def _ask(design: Design) -> Iterator[Found]:
    unused = [each for each in design.card.variables if not each.has_gradient]
    if unused:
        more = f" and {len(unused) - 1} more" if unused[1:] else ""
        yield Found(
            place=_place(design, unused[0].layer),
            message=f"{unused[0].path}{more} had no gradient in training: no loss depends on it",
            advice="use the layer's output on the way to a loss, or take the layer out",
        )
        return
    losses = design.card.losses
    if not losses or not design.card.outputs or any(loss.output is None for loss in losses):
        return
    used = _leading_to(
        [
            design.card.outputs[loss.output]
            for loss in losses
            if loss.output is not None and loss.output < len(design.card.outputs)
        ],
        design,
    )
    idle = [
        place
        for place, layer in enumerate(design.layers)
        if place not in used and layer.parameters and layer.is_connected and layer.is_trainable
    ]
    if idle:
        more = f" and {len(idle) - 1} more layers" if idle[1:] else ""
        yield Found(
            place=idle[0],
            message=f"{design.path(idle[0])}{more} lead only to outputs that have no loss",
            advice="give these outputs a loss in compile(), or freeze the layers",
        )


def _place(design: Design, layer: str) -> int | None:
    return next((at for at, each in enumerate(design.layers) if each.name == layer), None)


def _leading_to(outputs: list[int], design: Design) -> set[int]:
    found, waiting = set(outputs), list(outputs)
    while waiting:
        new = [at for at in design.layers[waiting.pop()].inputs if at not in found]
        found.update(new)
        waiting.extend(new)
    shared = {design.path(place) for place in found}
    return {at for at, layer in enumerate(design.layers) if layer.path in shared}


RULE: Final = Rule(
    id="unused-variables",
    title="Weights that no loss depends on",
    severity="warning",
    reason="""\
A layer whose output reaches no loss gets no gradient and stays as it was drawn. Keras leaves such
variables out of the step without a word in `fit`. Before training the rule follows the graph from
the outputs that have a loss; in the record of a training it knows which variables had no gradient,
in a `call()` of the model's own too.""",
    sources=(
        "Keras, Writing a training loop from scratch, https://keras.io/guides/writing_a_custom_training_loop_in_tensorflow/",
    ),
    needs=("graph", "loss"),
    ask=_ask,
    bad="""\
x = keras.Input((16,))
hidden = keras.layers.Dense(32, "relu")(x)
price = keras.layers.Dense(1, name="price")(hidden)
colour = keras.layers.Dense(3, "softmax", name="colour")(hidden)
model = keras.Model(x, {"price": price, "colour": colour})
model.compile("adam", {"price": "mean_squared_error"})
""",
    good="""\
x = keras.Input((16,))
hidden = keras.layers.Dense(32, "relu")(x)
price = keras.layers.Dense(1, name="price")(hidden)
colour = keras.layers.Dense(3, "softmax", name="colour")(hidden)
model = keras.Model(x, {"price": price, "colour": colour})
model.compile("adam", {"price": "mean_squared_error", "colour": "categorical_crossentropy"})
""",
)
