"""Missing values in the inputs: one NaN in a feature makes every weight that it meets NaN."""

from typing import Final

from gradgate.contracts.cause import Confidence
from gradgate.diagnosis import birth, losses
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.foreseen import Foreseen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import counted, listed

_FILL: Final = (
    "# the mean of its column for what is missing\n"
    "x = np.where(np.isfinite(x), x, np.nanmean(x, axis=0))"
)


_HIDDEN: Final = (
    " The loss stayed finite all the while, since a ReLU may turn NaN into 0: it is no sign of"
    " health."
)


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("nonfinite")
    spoiled = [given for given in training.card.inputs if given.nonfinite]
    since, first = training.nonfinite_since, training.first_nonfinite
    in_first = [v for v in first if v.layer == training.first_layer]
    if not symptoms or not (spoiled or in_first):
        return None
    if (training.was_exploding or training.exploded) and not spoiled:
        return None
    hidden = "" if training.summary.nonfinite_loss_steps else _HIDDEN
    rest = (
        "Find the columns with missing values, and fill or drop them before training; look at the"
        " labels, too."
    )
    if spoiled:
        rest = f"Fill or drop the missing values in {listed([s.name for s in spoiled])}."
    elsewhere = [v for v in first if v.layer != training.first_layer]
    others = birth.suspects(training) or losses.is_misfit(training)
    confidence: Confidence = "possible"
    because = "a missing value in the inputs would do this, as would a broken sum in the loss"
    if spoiled:
        confidence = "sure"
        because = "missing values were seen in the very inputs that the model was trained on"
    elif in_first and not elsewhere and birth.of_inputs_alone(training) and not others:
        confidence = "likely"
        because = (
            "the trouble began in the first layer alone, which is fed the inputs, while the layers"
            " behind it were still fine"
        )
    elif birth.is_of_a_batch(training) and not losses.is_misfit(training):
        confidence = "likely"
        because = (
            "nothing had grown before, and nothing in the model makes NaN of numbers: so it came"
            " with a batch"
        )
        if training.inputs_are_fine:
            because += ", though the few examples that were looked at hold none"
    elif training.inputs_are_fine:
        because = (
            "the examples that were looked at hold none, but they are a few of a batch, and others"
            " may"
        )
    elif since == 0 and not others and all(loss.is_keras for loss in training.card.losses):
        confidence = "likely"
        because = "it began with the first step, before the training could have changed anything"
    return Grounds(
        numbers=known(
            training.onset,
            *(
                f"{s.name}: {counted(s.nonfinite, 'missing or infinite value')} in"
                f" {counted(s.examples, 'example')}"
                for s in spoiled[:3]
            ),
        ),
        explains=training.spoiled,
        layer=training.first_layer,
        change=(
            f"{rest} In a TFX pipeline this belongs into preprocessing_fn, so that serving does the"
            f" same.{hidden}"
        ),
        snippet=_FILL,
        confidence=confidence,
        because=because,
    )


MISSING_VALUES: Final = KnownCause(
    id="missing-values",
    stage="data",
    title="The inputs hold missing values (NaN)",
    meaning=(
        "A number that is missing cannot be multiplied: each weight that it meets becomes NaN, and"
        " NaN spreads with every step."
    ),
    source="DeepLocalize (ICSE 2021): look at the inputs first; gradgate's own measurements",
    look=_look,
    foreseen=Foreseen(
        rules=("inputs-not-normalised",),
        kinds=("nonfinite",),
        fits=lambda finding, _: finding.severity == "error",
    ),
)
