"""The exported model answers wrongly though its weights are fine."""

from typing import Final

from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("served")
    if not symptoms:
        return None
    output = f"output {symptoms[0].variable}" if symptoms[0].variable else "an output"
    is_constant = symptoms[0].signal == "answers.constant"
    if is_constant:
        change = (
            f"{output} of the exported model is the same for every example: see that the serving"
            " signature feeds the features it is given, by their names. If it does, the model has"
            " learned nothing, and the rules on the loss say why."
        )
    else:
        change = (
            f"{output} of the exported model is NaN or infinite for real examples: look at missing"
            " values in the raw features, a logarithm or a division in the preprocessing that"
            " serving runs, and float16 that overflows."
        )
    return Grounds(
        numbers=seen(symptoms),
        explains=symptoms,
        change=change[0].upper() + change[1:],
        snippet='tf.saved_model.load(path).signatures["serving_default"](examples=...)',
        confidence="likely",
        because="the gate asked the exported model itself",
    )


BROKEN_EXPORT: Final = KnownCause(
    id="broken-export",
    stage="wiring",
    title="The exported model answers wrongly",
    meaning="What is served does something else than what was trained.",
    source="gradgate's questions to the exported model",
    look=_look,
)
