"""What a binary classifier scores: counts, and what follows from them."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """Answers of a binary classifier against the labels, in counts.

    Attributes:
        true_positives, false_positives, false_negatives, true_negatives: As they are called. A
            probability that is NaN says "no", as a threshold in a program would take it.
        nonfinite: Probabilities that were NaN or infinite.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    nonfinite: int = 0

    @property
    def examples(self) -> int:
        """How many were asked."""
        return (
            self.true_positives + self.false_positives + self.false_negatives + self.true_negatives
        )

    @property
    def accuracy(self) -> float:
        """Share of the right answers."""
        return (self.true_positives + self.true_negatives) / self.examples

    @property
    def f1(self) -> float:
        """F1 of the positive class; 0 where nothing positive was found."""
        found = 2 * self.true_positives
        return found / (found + self.false_positives + self.false_negatives) if found else 0.0

    @property
    def macro_f1(self) -> float:
        """Mean of the F1 of both classes: a constant answer reaches a third where they are even."""
        found = 2 * self.true_negatives
        other = found / (found + self.false_positives + self.false_negatives) if found else 0.0
        return (self.f1 + other) / 2


def count(truth: np.ndarray, probability: np.ndarray) -> Score:
    """Returns the counts; int [n] and float [n]."""
    said, is_true = probability >= 0.5, truth == 1
    return Score(
        true_positives=int(np.sum(said & is_true)),
        false_positives=int(np.sum(said & ~is_true)),
        false_negatives=int(np.sum(~said & is_true)),
        true_negatives=int(np.sum(~said & ~is_true)),
        nonfinite=int(np.sum(~np.isfinite(probability))),
    )
