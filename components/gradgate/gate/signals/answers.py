"""What the exported model itself answers, asked by the gate with a few real examples.

A training may look sound and its export be broken: a wrong signature, a layer that was left out,
weights of another precision. This is the gate's own look, whatever the training said.
"""

from collections.abc import Callable

import numpy as np

from gradgate.gate.answers import NOT_ASKED, OutputCount
from gradgate.gate.evidence import Evidence
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.signals.base import FRACTION, NOT_NEGATIVE, Column, Facts, FactSignal, Unmeasured


def _facts(
    number_of: Callable[[OutputCount], float],
) -> Callable[[Evidence, ModelCheck | None], Facts]:
    def facts(evidence: Evidence, model: ModelCheck | None) -> Facts:  # noqa: ARG001
        if model is None or model.answers.outputs is None:
            raise Unmeasured(model.answers.problem if model else NOT_ASKED)
        outputs = model.answers.outputs
        return Facts(
            columns=tuple(Column(variable=output.name) for output in outputs),
            value=np.array([number_of(output) for output in outputs], dtype=np.float64),
            evidence="recomputed",
        )

    return facts


ANSWERS_NONFINITE = FactSignal(
    name="answers.nonfinite",
    noun="non-finite answers",
    unit="numbers",
    what="NaN and infinite numbers that an output of the exported model gave to a few examples.",
    source="ours: evidence recomputed from the bytes that would be pushed",
    level="weights",
    per_variable=True,
    facts=_facts(lambda output: output.nonfinite),
    bounds=NOT_NEGATIVE,
)
ANSWERS_CONSTANT = FactSignal(
    name="answers.constant",
    noun="constant answers",
    unit="",
    what="1 where an output of the exported model is the same for all of a few examples, else 0.",
    source="ours: such a model is no better than a constant predictor",
    level="weights",
    per_variable=True,
    facts=_facts(lambda output: int(output.is_constant)),
    bounds=FRACTION,
)
