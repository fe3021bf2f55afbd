"""An output activation and a loss that do not belong together."""

from typing import Final

from gradgate.diagnosis import layers, losses
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.foreseen import Foreseen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number

_KINDS: Final = ("stuck", "nonfinite", "zero", "small", "dead", "large", "saturated")


def _look(training: Training) -> Grounds | None:
    output = losses.output_of(training)
    if output is None:
        return None
    mismatch = losses.mismatch(output, training.summary.constant_loss)
    if mismatch is None:
        return None
    end = training.end_loss
    return Grounds(
        numbers=known(
            f"{layers.in_words(training, output.layer)} gives {output.units} "
            f"{'number' if output.units == 1 else 'numbers'} through"
            f" {output.activation or 'no activation'}; the loss is {output.loss_in_words}",
            f"the loss ended at {number(end)}" if end is not None else None,
        ),
        explains=training.seen(*_KINDS),
        layer=output.layer,
        change=mismatch.change,
        snippet=mismatch.snippet,
        confidence="sure" if mismatch.is_certain else "likely",
        because=mismatch.because,
    )


LOSS_AGAINST_OUTPUT: Final = KnownCause(
    id="loss-against-output",
    stage="wiring",
    title="The output and the loss do not belong together",
    meaning=(
        "The loss reads the output as something that it is not, so that what it asks for cannot be"
        " learned."
    ),
    source=(
        "AUTOTRAINER (ICSE 2021) and NeuraLint (TOSEM 2021): improper activation and loss; UMLAUT"
        " (CHI 2021): final activation against loss"
    ),
    look=_look,
    foreseen=Foreseen(
        rules=("output-against-loss", "softmax-on-one-unit"),
        kinds=_KINDS,
    ),
)
