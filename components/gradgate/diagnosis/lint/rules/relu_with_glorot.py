"""ReLU behind Glorot's initialiser, layer upon layer: the signal halves with each."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule

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
    longest = max((len(chain.places) for chain in chains), default=0)
    told = [chain for chain in chains if len(chain.places) > _CONVERGED]
    if not told and longest > 1:
        told = [next(chain for chain in chains if len(chain.places) == longest)]
    for chain in told:
        depth = len(chain.places)
        first, last = chain.places[0], chain.places[-1]
        yield Found(
            place=first,
            severity="warning" if depth > _CONVERGED else "info",
            message=(
                f"the {depth} layers from {design.path(first)} to {design.path(last)}:"
                f" {design.activation(first)} behind Glorot's initialiser (Keras's default)"
                f" halves the variance of the signal at each layer, to about 2^-{depth} of it, with"
                " no norm and no residual to set it right"
            ),
            advice='give these layers kernel_initializer="he_normal"',
        )


def _concerns(design: Design) -> bool:
    weighted = design.of_kind(*kinds.WEIGHTED)
    return any(design.may_be_activated(place, *kinds.RELU_FAMILY) for place in weighted)


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
    concerns=_concerns,
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
