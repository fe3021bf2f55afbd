"""What a model scores, counted by hand."""

import numpy as np
import pytest

from pipeline.scores import count


def test_the_counts_and_what_follows_from_them():
    found = count(np.array([1, 1, 1, 0, 0, 0, 0]), np.array([0.9, 0.5, 0.1, 0.8, 0.2, 0.2, 0.2]))
    counts = (found.true_positives, found.false_positives, found.false_negatives)
    assert (*counts, found.true_negatives) == (2, 1, 1, 3)
    assert found.accuracy == pytest.approx(5 / 7)
    assert found.f1 == pytest.approx(2 / 3)  # precision 2/3, recall 2/3
    assert found.macro_f1 == pytest.approx((2 / 3 + 3 / 4) / 2)


def test_a_constant_answer_flatters_f1_and_not_the_mean_over_both_classes():
    yes = count(np.array([1, 0]), np.array([1.0, 1.0]))
    assert (yes.f1, yes.macro_f1) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    no = count(np.array([1, 0]), np.array([0.0, 0.0]))
    assert (no.f1, no.macro_f1) == (0.0, pytest.approx(1 / 3))


def test_an_answer_that_is_nan_says_no_and_is_counted():
    found = count(np.array([1, 0]), np.array([np.nan, np.nan]))
    assert (found.nonfinite, found.accuracy, found.f1) == (2, 0.5, 0.0)
