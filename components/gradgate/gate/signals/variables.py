"""Magnitudes of one variable's gradient, on the sampled steps that were applied.

A weight penalty in the loss hides a gradient that vanishes: what reaches the weights is then the
penalty's own gradient. So the gradient of the data loss is judged, where the record has it.
Source: signals, finding 1.
"""

from collections.abc import Callable

from gradgate.contracts import ModelCard
from gradgate.gate.evidence import Evidence, Float32s, StatisticsBatch, StepBatch
from gradgate.gate.signals.base import (
    FRACTION,
    NOT_NEGATIVE,
    Read,
    Samples,
    StepSignal,
    memoryless,
    of_statistics,
)

_OF = "of the data loss alone where weight regularisers were told apart, else of the total"


def has_regularizers(card: ModelCard) -> bool:
    """Whether any of the variables has a weight regulariser."""
    return any(variable.regularizer for variable in card.variables)


def whose_gradient(evidence: Evidence) -> str:
    """Says of a training with weight regularisers whether they are in the gradient judged."""
    if not has_regularizers(evidence.card):
        return ""
    if evidence.card.data_loss_gradient:
        return "of the data-loss gradient, that of the weight regularisers taken out"
    return (
        "of the total gradient, which may hide a data-loss gradient that vanishes: that of the"
        " weight regularisers was not taken out"
    )


def of_data_loss(
    batch: StepBatch, evidence: Evidence, data: Float32s | None, total: Float32s
) -> Float32s:
    """Returns what is known of the data-loss gradient at the sampled steps, else of the total.

    Raises:
        ValueError: If the card says that there is the former, and there is not.
    """
    if data is not None:
        return data
    card = evidence.card
    if len(batch.statistics.step) and card.data_loss_gradient and has_regularizers(card):
        raise ValueError(
            "The record has no statistics of the data-loss gradient, and its model card says that"
            " it has."
        )
    return total


def _reader(
    total: Callable[[StatisticsBatch], Float32s],
    data: Callable[[StatisticsBatch], Float32s | None],
) -> Callable[[], Read]:
    def read(batch: StepBatch, evidence: Evidence) -> Samples:
        sampled = batch.statistics
        return of_statistics(batch, of_data_loss(batch, evidence, data(sampled), total(sampled)))

    return memoryless(read)


VARIABLE_MEAN_ABS = StepSignal(
    name="variable.mean_abs",
    noun="mean |g|",
    unit="",
    what=f"Mean of |g| over the entries of the variable's gradient, {_OF}.",
    source="signals 9",
    level="variable-sampled",
    kind="measure",
    reader=_reader(lambda s: s.mean_abs, lambda s: s.data_mean_abs),
    remark=whose_gradient,
    bounds=NOT_NEGATIVE,
)
VARIABLE_MAX_ABS = StepSignal(
    name="variable.max_abs",
    noun="max |g|",
    unit="",
    what=f"Greatest |g| among the entries of the variable's gradient, {_OF}.",
    source="signals 11",
    level="variable-sampled",
    kind="measure",
    reader=_reader(lambda s: s.max_abs, lambda s: s.data_max_abs),
    remark=whose_gradient,
    bounds=NOT_NEGATIVE,
)
VARIABLE_ZERO_FRACTION = StepSignal(
    name="variable.zero_fraction",
    noun="fraction of zero gradients",
    unit="of entries",
    what=f"Fraction of the entries of the variable's gradient that are exactly 0, {_OF}.",
    source="signals 18, 27",
    level="variable-sampled",
    kind="measure",
    reader=_reader(lambda s: s.zero_fraction, lambda s: s.data_zero_fraction),
    remark=whose_gradient,
    bounds=FRACTION,
)
