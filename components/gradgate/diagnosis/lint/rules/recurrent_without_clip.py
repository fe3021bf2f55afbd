"""A recurrent network whose gradients nobody clips."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis import optimizers
from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule


def _is_gated(design: Design, place: int) -> bool:
    layer = design.layers[place]
    return all(kind in kinds.GATED for kind in (layer.cells or (layer.kind,)))


def _ask(design: Design) -> Iterator[Found]:
    places = list(design.of_kind(*kinds.RECURRENT))
    if not places or optimizers.is_clipped(design.card):
        return
    plain = [place for place in places if not _is_gated(design, place)]
    first = (plain or places)[0]
    is_bounded = optimizers.normalises(design.card)
    what = "has no gates" if plain else "passes its gradient back through every time step"
    yield Found(
        place=first,
        severity="warning" if plain or not is_bounded else "info",
        message=(
            f"{design.path(first)} ({design.layers[first].kind}) {what}, and nothing clips the"
            f" gradients of {design.card.optimizer}: the product over time steps can explode on one"
            " batch and spoil the weights"
        ),
        advice=(
            "clip by the global norm: gradgate.instrument(..., clip=ClipByGlobalNorm(max_norm=1.0)),"
            f" or {design.card.optimizer}(global_clipnorm=1.0) where gradgate does not watch"
        ),
    )


def _concerns(design: Design) -> bool:
    return any(design.of_kind(*kinds.RECURRENT))


RULE: Final = Rule(
    id="recurrent-without-clip",
    title="A recurrent network without a clip",
    severity="warning",
    reason="""\
The gradient of a recurrent layer is a product of as many matrices as there are time steps. Where
these stretch, it grows exponentially with the length of the sequence: on most batches all is well,
and on one the step is so large that the training is lost. Clipping the norm bounds that step at
hardly any cost.

It is a warning for layers without gates (SimpleRNN), and for gated ones under optimizers whose step
grows with the gradient, such as SGD. Under Adam and its like, which divide by the gradient's size,
for LSTM and GRU, it is `info`.""",
    sources=(
        "Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks, https://arxiv.org/abs/1211.5063",
    ),
    needs=("layers", "optimizer"),
    ask=_ask,
    concerns=_concerns,
    bad="""\
model = keras.Sequential(
    [
        keras.Input((20, 4)),
        keras.layers.SimpleRNN(16),
        keras.layers.Dense(1),
    ]
)
model.compile("adam", "mean_squared_error")
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((20, 4)),
        keras.layers.SimpleRNN(16),
        keras.layers.Dense(1),
    ]
)
model.compile(keras.optimizers.Adam(global_clipnorm=1.0), "mean_squared_error")
""",
)
