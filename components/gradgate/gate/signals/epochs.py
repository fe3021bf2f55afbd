"""Metrics of whole epochs, as the training loop reported them: overfitting, swings, agreement.

They come from Keras's own logs, so a loop of one's own has none. Source: signals 23, 31 and 32
(AUTOTRAINER, SageMaker Debugger, TheDeepChecker).
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gradgate.gate.evidence import Evidence, Float64s
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.signals.base import FRACTION, RUN, Column, Facts, FactSignal, Unmeasured

_LEAST = 5  # epochs: of fewer neither a swing nor a correlation says anything
_SWING = 0.03  # AUTOTRAINER, zeta
_NO_METRICS = {"loss", "learning_rate"}


def _series(evidence: Evidence, *, least: int) -> dict[str, Float64s]:
    """The numbers by name, of those that every epoch has.

    Raises:
        Unmeasured: If there are too few epochs.
    """
    epochs = evidence.summary.epochs
    if len(epochs) < least:
        raise Unmeasured(
            f"{len(epochs)} epochs told their metrics, and at least {least} are needed; they come"
            " from `model.fit`, so in a loop of your own leave out this rule"
        )
    names = [name for name in epochs[0].logs if all(name in epoch.logs for epoch in epochs)]
    return {name: np.array([epoch.logs[name] for epoch in epochs]) for name in names}


def _overfit(evidence: Evidence, model: ModelCheck | None) -> Facts:  # noqa: ARG001
    series = _series(evidence, least=1)
    if not {"loss", "val_loss"} <= series.keys():
        raise Unmeasured("no epoch has both a loss and a val_loss; pass validation_data to `fit`")
    train, validation = series["loss"][-1], series["val_loss"][-1]
    gap = (validation - train) / train if train > 0 else np.nan
    return Facts(columns=RUN, value=np.array([gap]))


def _of_metrics(
    number: Callable[[Float64s, Mapping[str, Float64s]], float],
) -> Callable[[Evidence, ModelCheck | None], Facts]:
    def facts(evidence: Evidence, model: ModelCheck | None) -> Facts:  # noqa: ARG001
        series = _series(evidence, least=_LEAST)
        metrics = [
            name for name in series if name not in _NO_METRICS and not name.startswith("val_")
        ]
        if not metrics:
            raise Unmeasured("the training has no metric but its loss; compile one, as accuracy")
        return Facts(
            columns=tuple(Column(variable=name) for name in metrics),
            value=np.array([number(series[name], series) for name in metrics]),
        )

    return facts


def _swinging(metric: Float64s, series: Mapping[str, Float64s]) -> float:  # noqa: ARG001
    """The fraction of epochs at which the metric turned back from where it had come to."""
    if not np.isfinite(metric).all():
        return float("nan")
    turns = _turns(metric.tolist())
    return sum(abs(new - old) >= _SWING for old, new in turns) / len(metric)


def _turns(values: Sequence[float]) -> list[tuple[float, float]]:
    """Each local extreme with the one before it; a plateau is one value."""
    moving = [value for value, _ in itertools.groupby(values)]
    extremes = [
        here
        for before, here, after in zip(moving, moving[1:], moving[2:], strict=False)
        if (here - before) * (after - here) < 0
    ]
    return list(itertools.pairwise(extremes))


def _agreement(metric: Float64s, series: Mapping[str, Float64s]) -> float:
    """|Pearson correlation| with the loss; NaN, so no pass, where one of them never moved."""
    loss = series.get("loss")
    if loss is None:
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(abs(np.corrcoef(metric, loss)[0, 1]))


EPOCH_OVERFIT = FactSignal(
    name="epoch.overfit",
    noun="gap between validation and training loss",
    unit="of the training loss",
    what="Validation loss less training loss, over the latter, of the last epoch.",
    source="signals 31",
    level="run",
    per_variable=False,
    facts=_overfit,
)
EPOCH_METRIC_SWINGS = FactSignal(
    name="epoch.metric_swings",
    noun="epochs at which a metric swung back",
    unit="of epochs",
    what="Fraction of epochs at which a training metric turned, at least 0.03 away from its turn"
    " before.",
    source="signals 23",
    level="run",
    per_variable=True,
    facts=_of_metrics(_swinging),
    bounds=FRACTION,
)
EPOCH_LOSS_AGREEMENT = FactSignal(
    name="epoch.loss_agreement",
    noun="agreement of metric and loss",
    unit="",
    what="|Pearson correlation| over the epochs between a training metric and the training loss.",
    source="signals 32",
    level="run",
    per_variable=True,
    facts=_of_metrics(_agreement),
    bounds=FRACTION,
)
