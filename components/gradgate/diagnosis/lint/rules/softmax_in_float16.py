"""Mixed precision with an output that is computed in 16 bits."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule

_HALF: Final = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16")
_SQUASHING: Final = ("softmax", "sigmoid", "log_softmax")


def _ask(design: Design) -> Iterator[Found]:
    for place in dict.fromkeys(design.card.outputs):
        layer = design.layers[place]
        if layer.dtype_policy not in _HALF:
            continue
        is_squashing = layer.activation in _SQUASHING
        what = layer.activation if is_squashing else "the output"
        yield Found(
            place=place,
            severity=None if is_squashing else "info",
            message=(
                f"{layer.path}: {what} is computed in {layer.dtype_policy.removeprefix('mixed_')},"
                " which holds 3 digits or fewer: small probabilities become 0, and the loss of them"
                " infinite or without gradient"
            ),
            advice='give the last layer dtype="float32"',
        )


def _concerns(design: Design) -> bool:
    return any(layer.dtype_policy in _HALF for layer in design.layers)


RULE: Final = Rule(
    id="softmax-in-float16",
    title="Mixed precision without a float32 output",
    severity="warning",
    reason="""\
Under a mixed policy layers compute in float16 or bfloat16. That suits matrix products, not a softmax
and the logarithm behind it: float16 has no number between 0 and 6e-8 and about 3 digits, bfloat16 2
to 3. TensorFlow's guide asks for the last layers in float32, which costs next to nothing. A linear
output in 16 bits is `info`: the loss casts it, and only its digits are lost.""",
    sources=(
        "TensorFlow, Mixed precision, Building the model, https://www.tensorflow.org/guide/mixed_precision",
        "Micikevicius et al. (2018), Mixed Precision Training, section 3.3, https://arxiv.org/abs/1710.03740",
    ),
    needs=("graph",),
    ask=_ask,
    concerns=_concerns,
    bad="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "relu", dtype="mixed_float16"),
        keras.layers.Dense(10, "softmax", dtype="mixed_float16"),
    ]
)
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "relu", dtype="mixed_float16"),
        keras.layers.Dense(10, "softmax", dtype="float32"),
    ]
)
""",
)
