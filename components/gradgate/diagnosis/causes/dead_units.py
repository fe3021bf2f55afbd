"""ReLUs that give 0 for every example, and so get no gradient to come back with."""

from typing import Final, NamedTuple

from gradgate.contracts.cause import Confidence
from gradgate.contracts.summary import ActivationSummary, SeriesSummary
from gradgate.diagnosis import layers, series
from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import percent

_MANY: Final = 0.5  # SageMaker Debugger, TheDeepChecker
_ALL: Final = 0.99


class _Dead(NamedTuple):
    share: float
    layer: str
    activation: str


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("dead", "zero", "small")
    dead = sorted(_dead(training), reverse=True)
    zero = training.seen("zero", "dead")
    if not symptoms or not (dead or zero):
        return None
    blamed = next((s.variable for s in zero if s.variable), None)
    layer = dead[0].layer if dead else _before(training, blamed)
    if layer is None:
        return None
    activation = dead[0].activation if dead else layers.activation(training, layer)
    confidence: Confidence = "possible"
    because = "no gradient came through, which dead units would explain"
    if dead:
        confidence = "sure" if dead[0].share > _ALL else "likely"
        because = "the outputs of that layer were looked at"
    return Grounds(
        numbers=tuple(
            f"{percent(share)} of what layer {name} gives out is 0 ({kind})"
            for share, name, kind in dead[:3]
        )
        or seen(symptoms),
        explains=(*symptoms, *training.seen("stuck", "near")),
        layer=layer,
        change=(
            f"Use leaky_relu in place of {activation or 'relu'} in {layer}: it"
            f" keeps a small slope below 0, so that a unit can come back. {_since(training, layer)}"
        ),
        snippet=layers.written(training, layer, activation="leaky_relu"),
        confidence=confidence,
        because=because,
    )


def _before(training: Training, blamed: str | None) -> str | None:
    """The layer that can be dead: the blamed one, or the nearest of ReLUs before it.

    What comes after dead units has no gradient either, whatever its own activation.
    """
    variable = training.variable(blamed)
    layer = variable.layer if variable else blamed
    known = layers.weighted(training)
    upto = known[: known.index(layer) + 1] if layer in known else known
    sided = [each for each in upto if layers.activation(training, each) in layers.ZERO_SIDED]
    return sided[-1] if sided else None


def _dead(training: Training) -> list[_Dead]:
    """The layers most of whose outputs are 0, of units that were 0 on all examples if known."""
    found = []
    for path, activation, numbers in training.activations():
        share = series.mean(_measured(numbers))
        if activation in layers.ZERO_SIDED and share is not None and share > _limit(numbers):
            found.append(_Dead(share, path.rpartition("/")[2], activation))
    return found


def _measured(numbers: ActivationSummary) -> SeriesSummary:
    dead = numbers.dead_fraction
    return dead if dead is not None and dead.count else numbers.zero_fraction


def _limit(numbers: ActivationSummary) -> float:
    dead = numbers.dead_fraction
    return _MANY if dead is not None and dead.count else _ALL


def _since(training: Training, layer: str | None) -> str:
    """Whether they were dead from the first step on, as the zeros in the gradient tell."""
    kernel = next((v for v in training.of_layer(layer) if len(v.shape) > 1), None)
    zeros = training.numbers(kernel).zero_fraction.least if kernel else None
    if zeros is not None and zeros >= _ALL:
        return (
            "They were dead from the first step on, so look at the initial biases of that layer,"
            " too: they should be 0."
        )
    return "They died during the training, so lower the learning rate if that is not enough."


DEAD_UNITS: Final = KnownCause(
    id="dead-units",
    stage="symptom",
    title="Many units are dead",
    meaning=(
        "They give 0 whatever goes in; there the slope is 0, too, so they never learn to do"
        " anything else."
    ),
    source=(
        "SageMaker Debugger, DeadRelu; Maas et al. (2013), leaky ReLU; AUTOTRAINER (ICSE 2021), +45"
        " points of accuracy over 24 models"
    ),
    look=_look,
)
