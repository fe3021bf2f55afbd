"""The activation of an output against what its loss expects."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final

from gradgate.contracts import LossCard
from gradgate.contracts.lint import Severity
from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule

_BINARY: Final = ("binary_crossentropy", "binary_focal_crossentropy")
_CATEGORICAL: Final = ("categorical_crossentropy", "categorical_focal_crossentropy")
_SPARSE: Final = "sparse_categorical_crossentropy"
_UNBOUNDED: Final = ("linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus")


@dataclasses.dataclass(frozen=True)
class _Misfit:
    """Activations that do not fit a loss, why, and what to do."""

    activations: tuple[str, ...]
    severity: Severity
    because: str
    advice: str


_PROBABILITIES: Final[Mapping[str, tuple[_Misfit, ...]]] = {
    **dict.fromkeys(
        _BINARY,
        (
            _Misfit(
                (*_UNBOUNDED, "tanh"),
                "error",
                "expects probabilities: what lies outside of 0 to 1 is cut off and gets no gradient",
                'pass from_logits=True to the loss (and no activation), or set activation="sigmoid"',
            ),
        ),
    ),
    **dict.fromkeys(
        (*_CATEGORICAL, _SPARSE),
        (
            _Misfit(
                (*_UNBOUNDED, "tanh"),
                "error",
                "expects probabilities: what lies outside of 0 to 1 is cut off and gets no gradient",
                'pass from_logits=True to the loss (and no activation), or set activation="softmax"',
            ),
            _Misfit(
                ("sigmoid", "hard_sigmoid"),
                "warning",
                "expects one distribution over the classes, and each unit gives a probability of its"
                " own",
                'set activation="softmax", or binary_crossentropy if several classes can be true',
            ),
        ),
    ),
    "poisson": (
        _Misfit(
            ("linear", "leaky_relu", "elu", "selu", "tanh", "gelu", "silu"),
            "error",
            "takes the logarithm of the output, which is NaN where that is negative",
            'set activation="softplus" or "exponential"',
        ),
    ),
    "kl_divergence": (
        _Misfit(
            (*_UNBOUNDED, "tanh"),
            "warning",
            "compares distributions, and the output is none",
            'set activation="softmax"',
        ),
    ),
    **dict.fromkeys(
        ("hinge", "squared_hinge"),
        (
            _Misfit(
                ("sigmoid", "softmax", "relu"),
                "warning",
                "wants an output of either sign, from -1 to 1 at least",
                'set activation="linear" or "tanh"',
            ),
        ),
    ),
    "categorical_hinge": (
        _Misfit(
            ("softmax",),
            "warning",
            "wants scores that can differ by 1, and those of a softmax hardly do",
            'set activation="linear"',
        ),
    ),
    "mean_squared_error": (
        _Misfit(
            ("softmax",),
            "warning",
            "is nearly flat where a softmax is sure and wrong, so that mistakes are not unlearned",
            'take loss="categorical_crossentropy"',
        ),
        _Misfit(
            ("relu",),
            "info",
            "gives no gradient while the output is 0, and a single unit can stay there",
            'set activation="linear", or "softplus" for outputs above 0',
        ),
    ),
}
_SQUASHING: Final = ("sigmoid", "softmax", "log_softmax", "hard_sigmoid")


def _ask(design: Design) -> Iterator[Found]:
    for loss in design.card.losses:
        if loss.output is None or loss.output >= len(design.card.outputs) or not loss.is_keras:
            continue
        place = design.card.outputs[loss.output]
        activation = _activation(design, place)
        if activation is None:
            continue
        of = f"{design.path(place)}: {loss.name}"
        alone = list(_one_unit(design, loss, place, activation, of))
        if alone:
            yield from alone
        elif loss.from_logits:
            yield from _logits(of, place, activation)
        else:
            yield from _misfits(of, loss, place, activation)


def _misfits(of: str, loss: LossCard, place: int, activation: str) -> Iterator[Found]:
    for misfit in _PROBABILITIES.get(loss.name, ()):
        if activation in misfit.activations:
            yield Found(
                place=place,
                severity=misfit.severity,
                message=f"{of} on {activation} outputs: it {misfit.because}",
                advice=misfit.advice,
            )


def _logits(of: str, place: int, activation: str) -> Iterator[Found]:
    if activation in _SQUASHING:
        yield Found(
            place=place,
            severity="warning",
            message=(
                f"{of} with from_logits=True on {activation} outputs: Keras takes the logits behind"
                f" it and warns; where an operation hides them, {activation} is applied twice"
            ),
            advice=f'drop from_logits=True, or the activation="{activation}"',
        )
    elif activation == "relu":
        yield Found(
            place=place,
            severity="warning",
            message=f"{of} with from_logits=True on relu outputs: logits of either sign are wanted",
            advice="leave the activation out",
        )


def _one_unit(
    design: Design, loss: LossCard, place: int, activation: str, of: str
) -> Iterator[Found]:
    shape = design.layers[place].output_shape
    is_softmax = activation == "softmax"  # said by `softmax-on-one-unit`
    if loss.name in (*_CATEGORICAL, _SPARSE) and shape and shape[-1] == 1 and not is_softmax:
        yield Found(
            place=place,
            message=f"{of} on one unit: with a single class the loss is 0 whatever the output",
            advice='give one unit per class, or take loss="binary_crossentropy" for two classes',
        )


def _activation(design: Design, place: int) -> str | None:
    """Of an output: its own, or that of the layer before what hands on; None if not known."""
    at = place
    for _ in range(len(design.layers)):
        layer = design.layers[at]
        if layer.activation not in (None, "linear"):
            return layer.activation
        if layer.kind not in (*kinds.LINEAR, "Activation") or len(layer.inputs) != 1:
            return "linear" if layer.kind in kinds.WEIGHTED else None
        at = layer.inputs[0]
    return None


RULE: Final = Rule(
    id="output-against-loss",
    title="An output activation that does not fit the loss",
    severity="error",
    reason="""\
A loss is made for outputs of one form. Cross-entropy of probabilities cuts off what lies outside of
0 to 1, so an output without activation gets no gradient there, and training stands still while the
loss looks like a large number. Cross-entropy `from_logits` applies the sigmoid or softmax itself;
on outputs that have theirs it is applied twice, which flattens the gradient of exactly those
examples that are wrong. Where the activation stands
right before the loss, Keras finds the logits behind it, computes the right thing and warns; an
operation or a cast in between hides them. So that is a warning. The mean squared error of a softmax is nearly flat where the model is sure and wrong. Poisson
loss takes the logarithm of the output.

Losses of one's own, and outputs whose activation is not known, are not judged.""",
    sources=(
        "Bishop (2006), Pattern Recognition and Machine Learning, section 5.2 (canonical links)",
        "Goodfellow, Bengio and Courville (2016), Deep Learning, section 6.2.2, https://www.deeplearningbook.org/contents/mlp.html",
        "Keras, probabilistic losses, https://keras.io/api/losses/probabilistic_losses/",
    ),
    needs=("graph", "loss"),
    ask=_ask,
    bad="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "relu"),
        keras.layers.Dense(10),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy")
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "relu"),
        keras.layers.Dense(10),
    ]
)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
""",
)
