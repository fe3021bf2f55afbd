"""Some batches that are unlike all others: outliers, wrong labels, a broken file."""

from typing import Final

from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("spike")
    if not symptoms:
        return None
    step = next((s.step for s in symptoms if s.step is not None), None)
    is_adam = any(s.signal == "variable.adam_rms" for s in symptoms)
    where = f"of step {step}" if step is not None else "of the steps that stand out"
    back = (
        f" Start again from a checkpoint of about step {max(step - 100, 0)} and leave out the"
        " batches around it, if it was at the end."
        if step
        else ""
    )
    adam = " Lower beta_2 to 0.99 or 0.95, so that Adam forgets sooner." if is_adam else ""
    return Grounds(
        numbers=seen(symptoms),
        explains=symptoms,
        change=(
            f"Look at the batch {where}: values far outside the usual range, wrong labels, texts of"
            f" another kind. Clip by the norm's own history, which leaves all other steps alone."
            f"{adam}{back}"
        ),
        snippet="gradgate.instrument(model, record, clip=gradgate.ZClip())",
        confidence="likely" if not training.seen("nonfinite", "stuck") else "possible",
        because=(
            "single steps stand out from a training that is fine otherwise"
            if not training.seen("nonfinite", "stuck")
            else "steps stand out, but the training is not well otherwise either"
        ),
    )


OUTLIER_BATCHES: Final = KnownCause(
    id="outlier-batches",
    stage="setting",
    title="A few batches throw the training off",
    meaning="Most steps agree, and some are many times larger and point elsewhere.",
    source=(
        "PaLM (2022), https://arxiv.org/abs/2204.02311: start again before the spike and leave"
        " batches out; OLMo's limit of 6 deviations; ZClip, https://arxiv.org/abs/2504.02507"
    ),
    look=_look,
)
