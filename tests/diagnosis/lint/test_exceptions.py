"""What is let go by is set apart and still told."""

import pytest

from gradgate.contracts import LintFinding, LintReport
from gradgate.contracts.lint_config import Ignored, LintConfig
from gradgate.diagnosis.lint.exceptions import apply, from_comments, from_pattern


def found(layer, rule="missing-activation", severity="warning"):
    return LintFinding(rule=rule, severity=severity, layer=layer, message="m", advice="a")


REPORT = LintReport(
    findings=(found("head"), found("encoder/a"), found(None, "learning-rate-bounds"))
)


def split(*ignored, **more):
    report = apply(REPORT, LintConfig(ignore=ignored, **more))
    return [f.layer for f in report.findings], [f.layer for f in report.ignored]


def test_a_rule_is_let_go_by_everywhere_or_in_some_layers():
    everywhere = Ignored(rule="missing-activation", reason="r")
    assert split(everywhere) == ([None], ["head", "encoder/a"])
    assert split(from_pattern("missing-activation:encoder/*")) == (["head", None], ["encoder/a"])
    assert split() == (["head", "encoder/a", None], [])


def test_a_project_can_weigh_rules_otherwise_and_the_worst_still_come_first():
    report = apply(REPORT, LintConfig(severity={"learning-rate-bounds": "error"}))
    first = report.findings[0]
    assert (first.rule, first.severity) == ("learning-rate-bounds", "error")


def test_comments_name_rules_and_may_give_a_reason():
    source = "def f():\n    # gradgate: ignore[missing-activation, relu-with-glorot] a probe\n"
    assert [(one.rule, one.reason) for one in from_comments(source)] == [
        ("missing-activation", "a probe"),
        ("relu-with-glorot", "a probe"),
    ]
    assert from_comments("x = 1  # gradgate: nothing of ours") == ()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            lambda: from_pattern("missing-activatoin"),
            "there is no rule 'missing-activatoin'; did you mean missing-activation?",
        ),
        (lambda: from_pattern("xyz"), "there is no rule 'xyz'; the rules are inputs-not-normal"),
        (
            lambda: from_comments("# gradgate: ignore"),
            "'# gradgate: ignore' must name its rules: # gradgate: ignore[RULE]",
        ),
    ],
)
def test_what_names_no_rule_is_refused_and_says_what_was_meant(wrong, text):
    with pytest.raises(ValueError, match="rule") as caught:
        wrong()
    assert str(caught.value).startswith(text)
