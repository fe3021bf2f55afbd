"""What the lint said of the model before it trained stands in the verdict, and decides nothing."""

import pytest

from gradgate.contracts import LintFinding, LintReport, Verdict
from gradgate.gate.render import FORMATS, explain, render
from gradgate.telemetry.sinks.mlflow_page import note

WARNING = LintFinding(
    rule="recurrent-without-clip",
    severity="warning",
    layer="memory",
    message="memory has no gates",
    advice="clip by the global norm",
)
NOTE = WARNING.model_copy(update={"rule": "bias-before-batchnorm", "severity": "info"})


@pytest.fixture
def verdicts(make):
    """The verdict of a training without a word of the lint, and with two."""

    def judged(report):
        training = make.Training()
        training.replace(lint=report)
        return make.verdict(training, make.rule("step.skipped", "mean", "<=", 1, min_samples=1))

    return judged(None), judged(LintReport(findings=(WARNING, NOTE)))


def test_warnings_are_told_notes_are_not_and_the_decision_is_the_same(verdicts):
    without, with_lint = verdicts
    assert (without.design, with_lint.design) == ((), (WARNING,))
    assert "design" not in without.document()  # so that an older verdict keeps its id
    assert without.model_copy(update={"design": with_lint.design}).sealed() == with_lint
    again = Verdict.model_validate_json(with_lint.model_dump_json(by_alias=True))
    assert again.computed_id() == with_lint.verdict_id


def test_every_form_for_people_says_it_in_one_short_section(verdicts):
    without, with_lint = verdicts
    told = "memory has no gates. To do: clip by the global norm."
    assert (
        "of the model, before it trained (gradgate lint)\n"
        f"  warning recurrent-without-clip: {told}\n"
    ) in explain(with_lint)
    assert "before it trained" not in explain(without)
    for form in ("html", "markdown"):
        assert form in FORMATS
        shown = render(with_lint, form)
        assert told in shown
        assert "Of the model, before it trained" in shown
        assert "before it trained" not in render(without, form)
    assert f"- **warning recurrent-without-clip** {told}" in note(with_lint)
    assert "before it trained" not in note(without)
