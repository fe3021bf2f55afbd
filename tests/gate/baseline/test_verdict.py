"""What a verdict and its reports say of a comparison, and what it keeps for later ones."""

import pytest

from gradgate.contracts import Verdict
from gradgate.contracts.verdict import BaselineRef
from gradgate.gate.render import FORMATS, explain, render


# --- The verdict ----------------------------------------------------------------------------------
def test_it_names_what_it_was_compared_with(before, training):
    last = before.each(1, 1)
    verdict = before.judge(training, last)
    assert verdict.inputs.baselines[0] == BaselineRef(
        role="last",
        verdict_id=last[0].verdict_id,
        training_uid="earlier-2",
        as_of="2026-11-02T06:00:00Z",
    )
    again = Verdict.model_validate_json(render(verdict, "json"))
    assert again.computed_id() == verdict.verdict_id
    other = before.judge(training, before.each(1, 2))
    assert other.verdict_id != verdict.verdict_id


def test_it_keeps_what_was_measured_for_those_to_come_even_if_it_blocks(before, training):
    training.global_norm[:] = 100
    verdict = before.judge(training, before.each(1))
    (reference,) = verdict.references
    (measurement,) = reference.measurements
    assert verdict.decision == "block"
    assert (reference.kind, reference.variables) == (
        "SGD",
        ("first/kernel", "first/bias", "head/kernel"),
    )
    assert measurement.signal == "gradient.global_norm"
    assert measurement.aggregate == {"fn": "quantile", "q": 0.5}
    assert measurement.window == {}
    assert [(v.variable, v.value, v.samples) for v in measurement.values] == [(None, 100, 300)]


def test_a_rule_in_shadow_measures_and_decides_nothing(before, training):
    policy = before.policy(shadow_rules=["drift"], baseline={"on_absent": "block"})
    first = before.judge(training, policy=policy)
    assert (first.decision, first.bootstrap, first.would_decide) == ("ok", False, "block")
    assert first.references[0].measurements
    wrong = before.judge(training, [before.verdict(healthy=False)], policy=policy)
    assert wrong.decision == "ok"
    assert before.finding(wrong).status == "unknown"


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "json"])
def test_every_report_shows_baseline_and_ratio(before, training, form):
    training.global_norm[:] = 41
    shown = render(before.judge(training, before.each(0.75, 0.8125, 0.875)), form)
    assert ("\u00d7 0.8125" if form == "markdown" else "baseline 0.8125") in shown
    assert "50.46" in shown


def test_the_table_shows_them_in_short(before, training):
    training.global_norm[:] = 41
    verdict = before.judge(training, before.each(0.75, 0.8125, 0.875))
    assert "41 (50.46 \u00d7 0.8125)</td>" in render(verdict, "html")
    assert "0.2 to 5 \u00d7 baseline</td>" in render(verdict, "html")
    short = verdict.inputs.baselines[0].verdict_id[:23]
    assert f'Baselines</dt><dd class="mono">{short}, ' in render(verdict, "html")
    assert "--baselines BASELINES --as-of" in explain(verdict)


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "json"])
@pytest.mark.parametrize("on_absent", ["warn", "absolute_only"])
def test_every_report_says_that_there_was_no_baseline(before, training, form, on_absent):
    policy = before.policy(baseline={"on_absent": on_absent})
    shown = render(before.judge(training, policy=policy), form)
    assert form == "junit" or "Bootstrap: there was no baseline to compare with yet." in shown
    assert form == "text" or "none yet" in shown


def test_the_limit_is_drawn_where_the_samples_lie(before, training):
    from gradgate.gate.render.sparkline import draw

    rule = {**before.ratio, "expect": {"op": "<=", "value": 5}}
    training.global_norm[:] = 20
    verdict = before.judge(training, before.each(2), policy=before.policy(rule))
    drawing = draw(before.finding(verdict))
    # Samples are 20 and the limit is 5 * 2 = 10: at the lower edge, 22 above the bottom of 132.
    assert drawing.limit == 110.0
