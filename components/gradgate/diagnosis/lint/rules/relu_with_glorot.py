"""ReLU behind Glorot's initialiser, layer upon layer: the signal halves with each."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule, activated

_GLOROT: Final = ("GlorotUniform", "GlorotNormal")
_CONVERGED: Final = 22
"""Layers of the network that He et al. saw converge in spite of it; one of 30 stalled."""


def _counts(design: Design, place: int) -> bool:
    kernel = design.layers[place].initializers.get("kernel")
    is_glorot = kernel is not None and kernel.name in _GLOROT
    return (
        is_glorot
        and design.activation(place) in kinds.RELU_FAMILY
        and not design.is_normalised(place)
    )


def _ask(design: Design) -> Iterator[Found]:
    chains = design.chains(lambda place: _counts(design, place))
    longest = max((chain.depth for chain in chains), default=0)
    told = [chain for chain in chains if chain.depth > _CONVERGED]
    if not told and longest > 1:
        told = [next(chain for chain in chains if chain.depth == longest)]
    for chain in told:
        first = chain.places[0]
        yield Found(
            place=first,
            severity="warning" if chain.depth > _CONVERGED else "info",
            message=(
                f"{chain.in_words(design)}: {design.activation(first)} behind Glorot's initialiser"
                " (Keras's default) halves the variance of the signal at each layer, to about"
                f" 2^-{chain.depth} of it, with no norm and no residual to set it right"
            ),
            advice='give these layers kernel_initializer="he_normal"',
        )


RULE: Final = Rule(
    id="relu-with-glorot",
    title="ReLU behind Glorot's initialiser, without norm or residual",
    severity="warning",
    reason="""\
A ReLU sets half of its inputs to 0, so the variance of the signal halves at each layer unless the
weights make up for it. He's initialiser (variance 2 / fan-in) does; Glorot's (2 / (fan-in +
fan-out)), which is Keras's default, does not. Behind a norm it makes no difference, since the norm
sets the scale anew, and a residual carries the signal past.

He et al. trained both: with 22 layers Glorot's converges, only later; with 30 it stalls, and He's
does not. So the rule warns of more than 22 such layers one behind the other, and mentions fewer as
`info`: VGG16 and VGG19 as Keras ships them are made so, and train.""",
    sources=(
        "He et al. (2015), Delving Deep into Rectifiers, sections 2.2 and 2.3, https://arxiv.org/abs/1502.01852",
        "Glorot and Bengio (2010), https://proceedings.mlr.press/v9/glorot10a.html",
    ),
    needs=("graph",),
    ask=_ask,
    concerns=activated(kinds.WEIGHTED, kinds.RELU_FAMILY),
    bad="""\
model = keras.Sequential([keras.Input((64,))])
for _ in range(24):
    model.add(keras.layers.Dense(64, "relu"))
model.add(keras.layers.Dense(1))
""",
    good="""\
model = keras.Sequential([keras.Input((64,))])
for _ in range(24):
    model.add(keras.layers.Dense(64, "relu", kernel_initializer="he_normal"))
model.add(keras.layers.Dense(1))
""",
)
