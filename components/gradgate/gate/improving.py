"""Whether a run learns: some symptoms are harmless in one that does.

Source: signals 6.1. A fall of the loss alone is not enough, since the bias of a model at chance
level learns the class prior: the loss must also end below that of a constant predictor.
"""

import math

from gradgate.contracts.policy import Improvement, TailMedian
from gradgate.gate.aggregates import accumulator
from gradgate.gate.aggregates.seen import Seen
from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.signals.loss import LOSS

_LEAST_FALL = 0.05
_MOST_OF_CONSTANT = 0.97
_PORTION = 0.1


class Improving:
    """Follows the loss of the applied steps over the whole run.

    Attributes:
        tally: What was seen of it in this pass over the steps.
        remembers: False: no loss depends on those before it.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._fall = accumulator(Improvement(fn="improvement", portion=_PORTION), columns=1)
        self._end = accumulator(TailMedian(fn="tail_median", portion=_PORTION), columns=1)
        self.tally = Seen([self._fall, self._end])
        self.remembers = False

    def feed(self, batch: StepBatch) -> None:
        """Takes in the losses of a batch."""
        losses = LOSS.reader()(batch, self._evidence).value
        for each in self.tally.accumulators:
            each.update(losses)

    def again(self) -> bool:
        """Whether it must see all steps once more; it is then ready."""
        return self._is_measured and self.tally.again()

    def is_proven(self, *, min_samples: int) -> bool:
        """Whether the loss fell by more than 5 %, and to below 97 % of a constant predictor's.

        False when either was not measured.
        """
        constant = self._evidence.summary.constant_loss
        if not self._is_measured or constant is None:
            return False
        if self._fall.samples < min_samples:
            return False
        fall, end = float(self._fall.value()[0]), float(self._end.value()[0])
        if not (math.isfinite(fall) and math.isfinite(end)):
            return False
        return fall > _LEAST_FALL and end < _MOST_OF_CONSTANT * constant

    @property
    def _is_measured(self) -> bool:
        evidence = self._evidence
        return evidence.card.loss_measured and evidence.summary.constant_loss is not None
