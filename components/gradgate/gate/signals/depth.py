"""How the gradient changes from the first layer to the last: vanishing and exploding by depth.

A ratio needs no scale of its own, where limits on a single norm span eight orders of magnitude
from one tool to the next. Source: AUTOTRAINER, beta 1 and 3; torchmortem.
"""

import numpy as np

from gradgate.contracts import ModelCard
from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.signals.base import NOT_NEGATIVE, Samples, StepSignal, memoryless, of_sampled_run
from gradgate.gate.signals.variables import of_data_loss, whose_gradient


def kernels(card: ModelCard) -> tuple[int, ...]:
    """Places of the variables of rank 2 or more with a gradient, in the order of their layers.

    The order of the forward pass where it was seen of all of them, else that of the card.
    """
    places = [
        place
        for place, variable in enumerate(card.variables)
        if variable.has_gradient and len(variable.shape) > 1
    ]
    depths = {place: card.variables[place].depth for place in places}
    known = {place: depth for place, depth in depths.items() if depth is not None}
    if len(known) == len(places):
        places.sort(key=known.__getitem__)
    return tuple(places)


def _unmeasured(evidence: Evidence) -> str:
    found = len(kernels(evidence.card))
    if found > 1:
        return ""
    return f"it takes two kernels with a gradient, and there are {found}; leave out this rule"


def _ratio(batch: StepBatch, evidence: Evidence) -> Samples:
    """0 over 0 is NaN, which no comparison passes: then no gradient flows at all."""
    rows = np.searchsorted(batch.step, batch.statistics.step)
    total = batch.norms[np.minimum(rows, len(batch.step) - 1)]
    norms = of_data_loss(batch, evidence, batch.statistics.data_norm, total).astype(np.float64)
    order = kernels(evidence.card)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = norms[:, order[0]] / norms[:, order[-1]]
    return of_sampled_run(batch, ratio)


GRADIENT_FIRST_LAST_RATIO = StepSignal(
    name="gradient.first_last_ratio",
    noun="first-to-last gradient ratio",
    unit="",
    what="Gradient norm of the first kernel over that of the last, in the order of layers.",
    source="signals 10, 12",
    level="run-sampled",
    kind="measure",
    reader=memoryless(_ratio),
    unmeasured=_unmeasured,
    remark=whose_gradient,
    bounds=NOT_NEGATIVE,
)
