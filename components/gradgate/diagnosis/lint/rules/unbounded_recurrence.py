"""A recurrent layer whose activation has no upper end: its state can grow from step to step."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule
from gradgate.diagnosis.optimizers import is_clipped

_UNBOUNDED: Final = (
    *("linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "swish"),
    *("softplus", "exponential"),
)
_LAYERS: Final = ("SimpleRNN", "LSTM", "GRU")
_CELLS: Final = ("SimpleRNNCell", "LSTMCell", "GRUCell")
_SHORT: Final = 10


def _is_plain(design: Design, place: int) -> bool:
    """Whether it is a layer or cell of Keras's own: one of somebody's own may normalise inside."""
    layer = design.layers[place]
    if layer.kind == "RNN":
        return bool(layer.cell_classes) and all(name in _CELLS for name in layer.cell_classes)
    return layer.class_name in _LAYERS


def _steps(design: Design, place: int) -> int | None:
    """Time steps of what feeds a layer; None where they are not known."""
    shapes = [design.layers[at].output_shape for at in design.layers[place].inputs[:1]]
    return next((shape[1] for shape in shapes if shape and len(shape) > 1), None)


def _ask(design: Design) -> Iterator[Found]:
    for place in design.of_kind(*_LAYERS, "RNN"):
        layer, steps = design.layers[place], _steps(design, place)
        if layer.activation not in _UNBOUNDED or not _is_plain(design, place):
            continue
        is_held = is_clipped(design.card) or any(
            design.layers[at].kind in kinds.NORMS for at in design.after(place)
        )
        is_mild = is_held or (steps is not None and steps <= _SHORT)
        often = "at every time step" if steps is None else f"at each of {steps} time steps"
        yield Found(
            place=place,
            severity="info" if is_mild else "warning",
            message=(
                f"{design.path(place)} ({layer.kind}) has {layer.activation}, which nothing bounds:"
                f" its state is multiplied by the same weights {often}, and can grow until it"
                " overflows. A clip bounds a step, not what overflows inside of it"
            ),
            advice=(
                'leave activation at Keras\'s own "tanh"; where it must be another, use a cell that'
                " normalises its state, and clip by the global norm"
            ),
        )


def _concerns(design: Design) -> bool:
    return any(design.of_kind(*_LAYERS, "RNN"))


RULE: Final = Rule(
    id="unbounded-recurrence",
    title="A recurrent layer whose activation nothing bounds",
    severity="warning",
    reason="""\
tanh keeps the state of a recurrent layer within -1 and 1, however long the sequence. With ReLU, or
no activation, nothing does: the state is multiplied by the same matrix at every time step, and one
that stretches by 1.3 makes a 1 into more than 10^22 within 200. It may go well for many batches, until the
weights have grown a little. The gates of an LSTM or GRU do not help: the ReLU stands in place of the
tanh of what they let through. Le et al. train ReLUs so from an identity matrix, and clip.

It is `info` where the sequence is known to have 10 steps or fewer, where a norm follows, and where
gradients are clipped: a clip bounds the step, and cannot bring back what overflowed inside of it.
The [case study](../case-study.md) is such a training, also with the clip alone. Not looked at:
cells of one's own, which may normalise, and ConvLSTM, which Keras's own example trains with ReLU.""",
    sources=(
        "Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks, https://arxiv.org/abs/1211.5063",
        "Le, Jaitly and Hinton (2015), A Simple Way to Initialize Recurrent Networks of Rectified Linear Units, https://arxiv.org/abs/1504.00941",
    ),
    needs=("layers",),
    ask=_ask,
    concerns=_concerns,
    bad="""\
model = keras.Sequential(
    [
        keras.Input((200,)),
        keras.layers.Embedding(5000, 32),
        keras.layers.LSTM(32, activation="relu"),
        keras.layers.Dense(1, "sigmoid"),
    ]
)
model.compile("adam", "binary_crossentropy")
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((200,)),
        keras.layers.Embedding(5000, 32),
        keras.layers.LSTM(32),
        keras.layers.Dense(1, "sigmoid"),
    ]
)
model.compile("adam", "binary_crossentropy")
""",
)
