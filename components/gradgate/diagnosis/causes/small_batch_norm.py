"""Batch normalisation over batches so small that their mean and spread say nothing."""

from typing import Final

from gradgate.diagnosis.causes.base import Grounds, KnownCause
from gradgate.diagnosis.foreseen import Foreseen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import code, counted, listed

_FEW: Final = 4


def _look(training: Training) -> Grounds | None:
    batch = training.card.batch_size
    norms = [card for card in training.card.layers if card.kind == "BatchNormalization"]
    kinds = training.seen(
        *("stuck", "small", "zero", "dead", "swings", "spike", "overfit", "drifting", "served"),
    )
    if batch is None or not norms:
        return None
    per_replica = max(1, batch // max(1, training.card.replicas))
    if per_replica >= _FEW:
        return None
    return Grounds(
        numbers=(
            f"{counted(per_replica, 'example')} in a batch"
            + (" of each replica" if training.card.replicas > 1 else "")
            + f", and {counted(len(norms), 'layer')} of batch normalisation:"
            f" {listed([card.name for card in norms])}",
        ),
        explains=kinds,
        layer=norms[0].name,
        change=(
            f"Use LayerNormalization in place of {listed([card.name for card in norms])}: it does"
            " not look at other examples. Or train with batches of 16 or more."
        ),
        snippet=f'keras.layers.LayerNormalization(name="{code(norms[0].name)}")',
        confidence="sure" if per_replica == 1 else "likely",
        because=(
            "the mean of one example is the example itself, so nothing of it is left"
            if per_replica == 1
            else f"the mean of {per_replica} examples is mostly chance"
        ),
    )


SMALL_BATCH_NORM: Final = KnownCause(
    id="small-batch-norm",
    stage="structure",
    title="Batch normalisation with almost no batch",
    meaning=(
        "It subtracts the mean of the batch: with a few examples that is mostly the example itself,"
        " and what is left is noise or nothing."
    ),
    source="Wu and He (2018), Group Normalization, https://arxiv.org/abs/1803.08494",
    look=_look,
    foreseen=Foreseen(
        rules=("batchnorm-small-batch",),
        kinds=("stuck", "small", "zero", "dead", "swings", "spike"),
    ),
)
