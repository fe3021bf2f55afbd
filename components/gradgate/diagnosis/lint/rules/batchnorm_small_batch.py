"""BatchNormalization on batches of fewer than four examples."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule

_FEWEST: Final = 4


def _trained(design: Design) -> list[int]:
    """The layers that take the batch's own mean; a frozen one takes what it has stored."""
    found = design.of_kind("BatchNormalization")
    return [place for place in found if design.layers[place].is_trainable]


def _ask(design: Design) -> Iterator[Found]:
    batch, replicas = design.card.batch_size, max(1, design.card.replicas)
    places = _trained(design)
    if batch is None or not places or batch // replicas >= _FEWEST:
        return
    each = max(1, batch // replicas)
    first = places[0]
    of_each = f" on each of {replicas} replicas" if replicas > 1 else ""
    shape = design.layers[first].output_shape
    is_blind = each == 1 and shape is not None and len(shape) == 2
    count = f"{design.path(first)} and {len(places) - 1} more" if places[1:] else design.path(first)
    consequence = (
        "with one example its output is beta alone, whatever comes in: nothing passes"
        if is_blind
        else "their mean and variance are mostly noise, and not those of the data"
    )
    yield Found(
        place=first,
        severity="error" if is_blind else "warning",
        message=(
            f"{count}: batch normalisation over {each} example{'s' * (each > 1)}{of_each};"
            f" {consequence}"
        ),
        advice=(
            "use keras.layers.GroupNormalization (images) or LayerNormalization in its place, or"
            f" batches of {_FEWEST} and more, better 16"
        ),
    )


def _concerns(design: Design) -> bool:
    return bool(_trained(design))


RULE: Final = Rule(
    id="batchnorm-small-batch",
    title="BatchNormalization with batches of fewer than 4",
    severity="warning",
    reason="""\
Batch normalisation estimates mean and variance from the batch. From two or three examples these are
mostly noise, and differ between training and inference: on ImageNet the error of ResNet-50 rises
from 23.6 % with batches of 32 to 27.3 % with 4 and 34.7 % with 2; with group normalisation it stays
at 24.1 %.
Under `tf.distribute` each replica counts for itself. With one example and no other axis to average
over, the output does not depend on the input at all: that is an error.

Layers that are frozen use stored statistics and are let go by.""",
    sources=(
        "Wu and He (2018), Group Normalization, figure 1 and table 2, https://arxiv.org/abs/1803.08494",
        "Ba, Kiros and Hinton (2016), Layer Normalization, https://arxiv.org/abs/1607.06450",
    ),
    needs=("layers", "batch_size"),
    ask=_ask,
    concerns=_concerns,
    bad="""\
model = keras.Sequential(
    [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(8, 3, use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(1),
    ]
)
batch_size = 2
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(8, 3, use_bias=False),
        keras.layers.GroupNormalization(4),
        keras.layers.ReLU(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(1),
    ]
)
batch_size = 2
""",
)
