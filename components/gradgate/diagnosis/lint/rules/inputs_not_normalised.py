"""Inputs on a scale that no initialiser is made for."""

import math
from collections.abc import Iterator
from typing import Final

from gradgate.contracts import InputCard
from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule

_MOST: Final = 10.0
_LEAST: Final = 1e-3


def _ask(design: Design) -> Iterator[Found]:
    wild: list[tuple[InputCard, float]] = []
    yield from _not_finite(design)
    for each in design.card.inputs:
        size = math.hypot(each.mean, each.std)
        is_wild = size > _MOST or (0 < size < _LEAST)
        if is_wild and math.isfinite(size) and not _is_readied(design, each):
            wild.append((each, size))
    if wild:
        worst, size = max(wild, key=lambda pair: abs(math.log(pair[1])))
        more = f" (and {len(wild) - 1} more)" if wild[1:] else ""
        yield Found(
            place=worst.layer,
            message=(
                f"input {worst.name}{more}: values are of size {size:.3g} (mean {worst.mean:.3g},"
                f" standard deviation {worst.std:.3g}, {worst.low:.3g} to {worst.high:.3g}; "
                f"{worst.source}), and initialisers and learning rates are made for size 1"
            ),
            advice=(
                "put a keras.layers.Normalization in front and adapt() it (Rescaling(1 / 255) for"
                " images), or scale in preprocessing: tft.scale_to_z_score"
            ),
        )


def _not_finite(design: Design) -> Iterator[Found]:
    """One finding an input, however many of its columns have such values."""
    by_layer: dict[int | None, list[InputCard]] = {}
    for each in design.card.inputs:
        if each.nonfinite:
            by_layer.setdefault(each.layer, []).append(each)
    for place, spoiled in by_layer.items():
        worst = max(spoiled, key=lambda each: each.nonfinite)
        more = f" (and {len(spoiled) - 1} more)" if spoiled[1:] else ""
        yield Found(
            place=place,
            severity="error",
            message=(
                f"input {worst.name}{more}: {worst.nonfinite:,} values of {worst.examples:,}"
                " examples are NaN or infinite; one is enough to make the loss NaN, and a fused"
                " ReLU can hide it from the loss"
            ),
            advice="impute or drop missing values in preprocessing",
        )


def _is_readied(design: Design, each: InputCard) -> bool:
    """Whether the input goes to nothing but layers that take it as it comes."""
    if each.layer is None or each.layer >= len(design.layers):
        return False
    behind = {design.layers[at].kind for at in design.after(each.layer)} - {*kinds.COMPARES}
    return bool(behind) and behind <= {*kinds.READIES_INPUTS}


RULE: Final = Rule(
    id="inputs-not-normalised",
    title="Inputs that are not normalised, or not finite",
    severity="warning",
    reason="""\
Initialisers keep the variance of the signal from layer to layer; they do not make it. Inputs of
size 200 (an image in 0 to 255, a price) make the first layer's outputs and gradients as much
larger, and a learning rate that suits the one column is far too large or too small for another.
Inputs of mean 0 and variance 1 are what everything else is made for.

The rule looks at examples, or at TFX's statistics of them: a file, function or Transform graph given
to `gradgate lint --data`, and in a training the rows that are kept for a look at the activations. It warns where the root mean square
of an input, or of a column of a table, is above 10 or below 0.001, unless the input goes to a layer
that takes it as it comes: Normalization, Rescaling, Embedding, a lookup, another norm. A value that
is NaN or infinite is an error.""",
    sources=(
        "LeCun et al. (1998), Efficient BackProp, section 4.3, http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf",
        "Ng (2018), Machine Learning Yearning; CS231n, Data preprocessing, https://cs231n.github.io/neural-networks-2/",
    ),
    needs=("inputs",),
    ask=_ask,
    bad="""\
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
data = [[35.0, 52_000.0, 1.0], [61.0, 18_500.0, 0.0], [44.0, 71_300.0, 1.0]]
""",
    good="""\
scale = keras.layers.Normalization()
model = keras.Sequential(
    [keras.Input((3,)), scale, keras.layers.Dense(8, "relu"), keras.layers.Dense(1)]
)
data = [[35.0, 52_000.0, 1.0], [61.0, 18_500.0, 0.0], [44.0, 71_300.0, 1.0]]
""",
)
