"""JUnit and SARIF: what build servers and code hosts ask of them, checked by hand."""

import json
import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.contracts import Finding, IntegrityCheck, Verdict
from gradgate.contracts.verdict import Inputs, OtherBlessing, Subject
from gradgate.gate import blocked_verdict
from gradgate.gate.render import render

# The rules of junit-10.xsd: attributes and children of each element, and what is required.
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "skipped", "disabled"},
    "testsuite": {"name", "tests", "failures", "errors", "time", "skipped", "timestamp"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time", "status", "assertions"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
    "system-out": set(),
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase", "system-out", "system-err"},
    "properties": {"property"},
    "testcase": {"skipped", "error", "failure", "system-out", "system-err"},
}
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors"},
    "property": {"name", "value"},
    "testcase": {"name", "classname"},
    "failure": {"type"},
    "error": {"type"},
}


def junit(verdict):
    root = ET.fromstring(render(verdict, "junit"))
    assert root.tag == "testsuites"
    for element in root.iter():
        names = set(element.attrib)
        assert names <= ATTRIBUTES[element.tag], element.tag
        assert REQUIRED.get(element.tag, set()) <= names, element.tag
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        if element.tag in {"testsuite", "testsuites"}:
            cases = list(element.iter("testcase"))
            assert int(element.get("tests")) == len(cases)
            for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
                assert int(element.get(name)) == sum(case.find(tag) is not None for case in cases)
    return root


def case(root, name):
    return next(case for case in root.iter("testcase") if case.get("name") == name)


def sarif(verdict):
    """The log, after every property that SARIF 2.1.0 requires was looked for."""
    log = json.loads(render(verdict, "sarif"))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "gradgate"
    assert all(invocation["executionSuccessful"] for invocation in run["invocations"])
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]["artifactLocation"]
        assert place["uriBaseId"] in run["originalUriBaseIds"]
        assert not place["uri"].startswith("/")
        assert all(isinstance(text, str) for text in result["partialFingerprints"].values())
    return log


def levels(log):
    return {result["ruleId"]: result["level"] for result in log["runs"][0]["results"]}


@pytest.fixture
def mixed(make, training):
    """One rule that blocks, one that warns, one that broke, one that passed."""
    training.norms[7, 0] = math.nan
    training.clipped[:] = True
    return make.verdict(
        training,
        make.rule("gradient.nonfinite", id="nan"),
        make.rule("clip.saturation", "mean", "<=", 0.5, id="clip", severity="warn"),
        make.rule("no.signal", "max", "<", 1, id="broken"),
        make.rule("step.skipped", id="fine"),
    )


def test_a_sound_verdict_has_no_failure_and_no_result(make, training):
    verdict = make.verdict(training, make.rule("step.skipped", id="fine"))
    root = junit(verdict)
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
    assert case(root, "decision").find("failure") is None
    log = sarif(verdict)
    assert levels(log) == {}
    assert "fine" in {rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]}


def test_what_blocks_is_a_failure_and_an_error(mixed):
    root = junit(mixed)
    assert case(root, "decision").find("failure") is not None
    failure = case(root, "nan").find("failure")
    assert failure.get("message").startswith("non-finite gradient on 1 of 300 steps")
    assert "First at step 7 (epoch 0) in first/kernel." in failure.text
    assert case(root, "broken").find("error") is not None
    assert case(root, "fine").find("failure") is None
    assert levels(sarif(mixed)) == {"nan": "error", "broken": "error", "clip": "warning"}


def test_a_warning_is_in_the_output_of_a_case_that_passed(mixed):
    warned = case(junit(mixed), "clip")
    assert {child.tag for child in warned} == {"system-out"}
    assert warned.find("system-out").text.startswith("warning: ")


def test_a_check_of_integrity_is_a_failure(make, training):
    training.replace(observed_steps=7)
    verdict = make.verdict(training, make.rule("step.skipped"))
    assert "the record holds 300" in case(junit(verdict), "T-TRUNCATED").find("failure").text
    assert levels(sarif(verdict))["T-TRUNCATED"] == "error"


def test_a_verdict_without_rules_is_a_failure():
    verdict = blocked_verdict("P-INVALID", "policy.yaml:1:1: rules is missing", as_of="2026")
    assert case(junit(verdict), "P-INVALID").find("failure") is not None
    assert levels(sarif(verdict)) == {"P-INVALID": "error"}


def test_a_block_that_nothing_explains_is_a_result_of_its_own(make, training):
    verdict = make.verdict(training, make.rule("step.skipped"))
    blocked = verdict.model_copy(update={"decision": "block", "headline": "BLOCK: no rule"})
    assert levels(sarif(blocked)) == {"decision": "error"}
    assert case(junit(blocked), "decision").find("failure") is not None


@pytest.mark.parametrize(("blessed", "same"), [(False, True), (True, False)])
def test_another_judge_that_says_no_is_a_failure(make, training, blessed, same):
    other = OtherBlessing(source="Evaluator", blessed=blessed, same_model=same, message="Why.")
    verdict = make.verdict(training, make.rule("step.skipped"), others=(other,))
    assert case(junit(verdict), "Evaluator").find("failure").text.endswith("Why.")
    assert levels(sarif(verdict)) == {"Evaluator": "error"}


def test_a_rule_that_is_disabled_is_skipped_and_never_hides_a_block(make, training):
    verdict = make.verdict(training, make.rule("step.skipped", id="off"))
    (finding,) = verdict.findings
    for level, tag in (("ok", "skipped"), ("block", "failure")):
        changed = finding.model_copy(update={"status": "disabled", "level": level})
        root = junit(verdict.model_copy(update={"findings": (changed,)}))
        assert case(root, "off").find(tag) is not None


def test_what_is_in_shadow_warns_of_what_it_would_do(make, training):
    training.norms[7, 0] = math.nan
    rule = make.rule("gradient.nonfinite", id="nan")
    fine = make.rule("step.skipped", id="fine")
    whole = make.policy(rule, fine, mode="shadow")
    one = make.policy(rule, fine, shadow_rules=["nan"])
    for policy in (whole, one):
        verdict = make.verdict(training, policy=policy)
        root = junit(verdict)
        assert (root.get("failures"), root.get("errors")) == ("0", "0")
        said = case(root, "nan").find("system-out").text
        assert said.startswith("warning: In shadow; it would block. Non-finite gradient on 1 of")
        assert levels(sarif(verdict)) == {"nan": "warning"}


def test_a_check_that_warns_is_a_warning(make, training):
    verdict = make.verdict(training, make.rule("step.skipped"))
    clock = IntegrityCheck(code="T-CLOCK", status="warn", message="the clock was set back")
    warned = verdict.model_copy(update={"integrity": (clock,)})
    assert case(junit(warned), "T-CLOCK").find("system-out").text == (
        "warning: the clock was set back"
    )
    assert levels(sarif(warned)) == {"T-CLOCK": "warning"}


def test_a_result_says_step_variable_and_both_numbers(mixed):
    result = next(r for r in sarif(mixed)["runs"][0]["results"] if r["ruleId"] == "nan")
    assert result["properties"] == {
        "status": "fail",
        "group": "rule",
        "observed": "1 of 300 steps",
        "expected": "= 0",
        "step": 7,
    }
    (location,) = result["locations"]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "first/kernel"


@pytest.mark.parametrize("evil", ["[go](https://evil)", "{0}", "a\\", "]]>", "<b a='\"'>&amp;"])
def test_a_name_is_no_markup_in_either(make, evil):
    training = make.Training(paths=(f"{evil}/kernel", "head/kernel"))
    training.norms[5, 0] = math.nan
    verdict = make.verdict(training, make.rule("gradient.nonfinite", id="nan"))
    assert f"{evil}/kernel" in case(junit(verdict), "nan").find("failure").text
    (result,) = sarif(verdict)["runs"][0]["results"]
    text = result["message"]["text"]
    assert not re.search(r"(?<!\\)\[", text.replace("\\\\", ""))
    assert not re.search(r"(?<!\{)\{(?!\{)", text)
    plain = re.sub(r"\\([\\\[\]])", r"\1", text.replace("{{", "{").replace("}}", "}"))
    assert f"{evil}/kernel" in plain


def test_the_same_verdict_gives_the_same_bytes(mixed):
    for form in ("junit", "sarif"):
        assert render(mixed, form) == render(mixed, form)
        assert render(mixed, form).isascii() or form == "junit"


LEVELS = st.lists(st.sampled_from(["ok", "warn", "block"]), max_size=4)
STATUSES = st.sampled_from(["pass", "fail", "unknown", "error", "waived", "disabled"])
TEXT = st.text(max_size=12)


@given(
    decision=st.sampled_from(["ok", "warn", "block"]),
    levels=LEVELS,
    status=STATUSES,
    failed=st.lists(st.sampled_from(["pass", "fail"]), max_size=3),
    text=TEXT,
)
def test_a_block_is_never_lost_and_never_made_up(decision, levels, status, failed, text):
    verdict = Verdict(
        decision=decision,
        blessed=decision != "block",
        healthy=decision != "block",
        headline=text,
        subject=Subject(),
        inputs=Inputs(gate_version="0"),
        as_of="",
        findings=tuple(
            Finding(
                id=f"rule-{place}",
                signal="loss",
                status=status,
                level=level,
                severity="block",
                evidence="reported",
                message=text,
                prescription=text,
            )
            for place, level in enumerate(levels)
        ),
        integrity=tuple(
            IntegrityCheck(code=f"T-{place}", status=outcome, message=text)
            for place, outcome in enumerate(failed)
        ),
    )
    is_bad = decision == "block" or "block" in levels or "fail" in failed
    root = junit(verdict)
    assert (int(root.get("failures")) + int(root.get("errors")) > 0) == is_bad
    found = levels_of(sarif(verdict))
    assert ("error" in found) == is_bad
    assert found.count("warning") == levels.count("warn")


def levels_of(log):
    return [result["level"] for result in log["runs"][0]["results"]]
