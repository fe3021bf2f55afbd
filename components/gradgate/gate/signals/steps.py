"""Whether the optimizer applied a step."""

from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.signals.base import Samples, StepSignal, memoryless, of_run


def _skipped(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_run(batch, ~batch.applied)


STEP_SKIPPED = StepSignal(
    name="step.skipped",
    noun="skipped",
    unit="",
    what="1 where the guard did not apply the step, since it was not finite; else 0.",
    source="signals 4",
    level="run",
    kind="indicator",
    reader=memoryless(_skipped),
)
