"""Variables that the loss does not depend on: they keep their initial weights for ever.

Keras says so once, in a log line at trace time.
"""

import numpy as np

from gradgate.contracts import ModelCard
from gradgate.gate.evidence import Evidence
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.signals.base import FRACTION, RUN, Facts, FactSignal, Unmeasured, columns_of


def _card_of(evidence: Evidence) -> ModelCard:
    if not evidence.card.variables:
        raise Unmeasured("the record names no trainable variable; was the model instrumented?")
    return evidence.card


def _unused(evidence: Evidence, model: ModelCheck | None) -> Facts:  # noqa: ARG001
    card = _card_of(evidence)
    unused = [float(not variable.has_gradient) for variable in card.variables]
    return Facts(columns=columns_of(card), value=np.array(unused))


def _unused_fraction(evidence: Evidence, model: ModelCheck | None) -> Facts:  # noqa: ARG001
    variables = _card_of(evidence).variables
    total = sum(variable.parameters for variable in variables)
    if not total:
        raise Unmeasured("the trainable variables hold no parameter at all")
    unused = sum(variable.parameters for variable in variables if not variable.has_gradient)
    return Facts(columns=RUN, value=np.array([unused / total]))


VARIABLE_UNUSED = FactSignal(
    name="variable.unused",
    noun="variable without a gradient",
    unit="",
    what="1 where the loss does not depend on the variable (its gradient was None), else 0.",
    source="signals 28",
    level="static",
    per_variable=True,
    facts=_unused,
    bounds=FRACTION,
)
MODEL_UNUSED_FRACTION = FactSignal(
    name="model.unused_fraction",
    noun="unused fraction of the parameters",
    unit="of parameters",
    what="Parameters of unused variables over all trainable parameters.",
    source="signals 28",
    level="static",
    per_variable=False,
    facts=_unused_fraction,
    bounds=FRACTION,
)
