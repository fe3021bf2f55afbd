"""What a finding says of every kind of aggregate, with both numbers."""

import pytest

from gradgate.contracts.summary import SeriesSummary
from gradgate.gate.render import view


@pytest.mark.parametrize(
    ("signal", "aggregate", "message", "shown"),
    [
        # The loss falls from 1 to 0.1 in 300 steps: the median is 0.55, a step takes 0.9 / 299.
        (
            "loss",
            {"fn": "quantile", "q": 0.5},
            "0.5 quantile of loss is 0.55 over 300 samples; expected at most -1",
            "0.5 quantile of loss",
        ),
        (
            "loss",
            {"fn": "slope"},
            "slope a sample of loss is -0.00301 over 300 samples; expected at most -1",
            "slope of loss",
        ),
        # Of 0.1 to 1 in 300 equal steps: 0.9 / 299 sqrt((300^2 - 1) / 12) is 0.2607, by 0.55.
        (
            "loss",
            {"fn": "variation"},
            "coefficient of variation of loss is 0.474 over 300 samples; expected at most -1",
            "variation of loss",
        ),
        (
            "loss",
            {"fn": "rolling_max", "over": 1},
            (
                "greatest mean of 1 sample in a row of loss is 1 over 300 samples; expected at most"
                " -1"
            ),
            "rolling max over 1 of loss",
        ),
        (
            "loss",
            {"fn": "count"},
            "number of samples of loss is 300 over 300 samples; expected at most -1",
            "count of loss",
        ),
        # Clipped on steps 0 to 49 of 300.
        (
            "clip.saturation",
            {"fn": "rate", "per": 30},
            "rate in 30 of clip.saturation is 5 over 300 samples; expected at most -1",
            "rate in 30 of clip.saturation",
        ),
        (
            "clip.saturation",
            {"fn": "rolling_max", "over": 100},
            "clipped on at most 50% of 100 steps in a row; expected at most -100%",
            "rolling max over 100 of clip.saturation",
        ),
        (
            "clip.saturation",
            {"fn": "rolling_min", "over": 25},
            "clipped on at least 0% of 25 steps in a row; expected at most -100%",
            "rolling min over 25 of clip.saturation",
        ),
    ],
)
def test_a_finding_says_what_was_seen_and_what_was_expected(
    make, training, signal, aggregate, message, shown
):
    training.clipped[:50] = True
    given = dict(aggregate)
    finding = make.finding(training, signal, given.pop("fn"), "<=", -1, aggregate=given)
    assert finding.message == message
    assert view.aggregate(finding) == shown


def test_the_greatest_finite_norm_is_told_where_a_nan_hides_it(make, training):
    training.norms[250:, 2] = float("nan")
    peaks = [(0.5, 3), (9.0e4, 41), (3.78e11, 249)]
    known = training.summary.variables
    variables = tuple(
        each.model_copy(update={"norm": SeriesSummary(greatest=peak, greatest_step=step)})
        for each, (peak, step) in zip(known, peaks, strict=True)
    )
    training.summary = training.summary.model_copy(update={"variables": variables})
    finding = make.finding(training, "variable.norm", "max", "<", 1000)
    assert finding.message == (
        "greatest value of variable.norm is NaN in head/kernel (1 of 3 variables failed) over 300"
        " samples, the greatest finite one 3.78e+11 at step 249 in head/kernel; expected below 1000"
    )
