"""Layers that are frozen where they should learn."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule

_LEARNING: Final = (*kinds.WEIGHTED, *kinds.RECURRENT)


def _ask(design: Design) -> Iterator[Found]:
    owners = [at for at in design.of_kind(*_kinds(design)) if design.layers[at].parameters]
    frozen = [place for place in owners if not design.layers[place].is_trainable]
    if not frozen:
        return
    if len(frozen) == len(owners):
        yield Found(
            place=frozen[0],
            severity="error",
            message=f"all {len(owners)} layers with weights are frozen: there is nothing to train",
            advice="set trainable=True on the layers that shall learn, then compile() again",
        )
        return
    heads = [place for place in frozen if _is_head(design, place)]
    for place in heads:
        yield Found(
            place=place,
            message=(
                f"{design.path(place)} gives the output and is frozen with the weights that it was"
                " drawn with, while layers before it learn"
            ),
            advice="set trainable=True on it, then compile() again",
        )
    if not heads:
        share = sum(design.layers[at].parameters for at in frozen)
        whole = sum(design.layers[at].parameters for at in owners)
        yield Found(
            place=frozen[0],
            severity="info",
            message=(
                f"{len(frozen)} of {len(owners)} layers are frozen ({share / whole:.0%} of all"
                f" weights), the first {design.path(frozen[0])}"
            ),
            advice="for a pretrained base this is meant; nothing is judged of frozen layers",
        )


def _kinds(design: Design) -> tuple[str, ...]:
    return tuple(dict.fromkeys(layer.kind for layer in design.layers))


def _is_head(design: Design, place: int) -> bool:
    is_learning = design.layers[place].kind in _LEARNING
    return is_learning and bool(design.card.outputs) and design.is_output(place)


RULE: Final = Rule(
    id="frozen-variables",
    title="Frozen layers",
    severity="warning",
    reason="""\
A layer with `trainable=False` keeps its weights. For a pretrained base that is meant, and the rule
mentions it as `info`. An output layer that is frozen was most likely meant to learn, and stays as
it was drawn. Where all layers are frozen, no step changes anything.

A layer that is frozen or set free after `compile()` changes only with the next `compile()`.""",
    sources=(
        "Keras, Transfer learning and fine-tuning, https://keras.io/guides/transfer_learning/",
    ),
    needs=("layers",),
    ask=_ask,
    bad="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "relu"),
        keras.layers.Dense(10, "softmax", trainable=False),
    ]
)
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, "relu"),
        keras.layers.Dense(10, "softmax"),
    ]
)
""",
)
