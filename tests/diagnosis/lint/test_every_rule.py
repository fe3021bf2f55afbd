"""What every rule must do. A new one is added to `ALL` of the rules and nowhere else."""

import ast
import importlib
import re
from pathlib import Path

import keras
import pytest

from gradgate.contracts import LayerCard, LintReport, ModelCard
from gradgate.diagnosis.lint import ALL, findings, lint
from gradgate.diagnosis.lint import rules as room
from gradgate.training.card import describe_design

every_rule = pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
SHOWN = ("error", "warning")
FOLDER = Path(room.__file__).parent


@every_rule
def test_finds_its_fault_at_its_own_severity_and_says_what_to_do(rule, run_example):
    found = [each for each in run_example(rule.bad).findings if each.rule == rule.id]
    assert [each.severity for each in found] == [rule.severity]
    assert found[0].advice
    assert len(found[0].message) > 20
    assert not re.search(r"\b(None|nan)\b", found[0].message)


@every_rule
def test_is_silent_on_what_its_page_recommends_and_so_are_all_others(rule, run_example):
    report = run_example(rule.good)
    assert rule.id in report.passed
    assert [each for each in report.findings if each.severity in SHOWN] == []


@every_rule
def test_says_what_the_planted_fault_alone_is(rule, run_example):
    shown = {each.rule for each in run_example(rule.bad).findings if each.severity in SHOWN}
    assert shown <= {rule.id}


@every_rule
def test_stands_a_description_that_says_nothing_or_little(rule):
    nothing = ModelCard(model_name="m", variables=(), optimizer="")
    assert lint(nothing, (rule,)).findings == ()
    layer = LayerCard(name="a", path="a", kind="Layer", class_name="Own", is_connected=False)
    for losses in ((), ({"name": "binary_crossentropy", "output": 3},)):
        little = ModelCard(
            model_name="m", variables=(), optimizer="Own", layers=(layer,), outputs=(0,)
        ).model_dump()
        card = ModelCard.model_validate({**little, "losses": losses}, strict=False)
        report = lint(card, (rule,))
        assert report.findings == ()
        assert "broke" not in str(report)


@every_rule
def test_is_told_completely_and_lives_in_a_file_of_its_name(rule):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.id)
    module = importlib.import_module(f"{room.__name__}.{rule.id.replace('-', '_')}")
    assert module.RULE is rule
    assert module.__doc__
    assert rule.title
    assert rule.reason
    assert rule.sources
    assert rule.severity in ("error", "warning", "info")


def test_every_file_is_in_the_table_and_ids_are_unique():
    files = {path.stem.replace("_", "-") for path in FOLDER.glob("*.py")} - {"--init--"}
    assert files == {rule.id for rule in ALL}
    assert len(files) == len(ALL)


def test_rules_import_no_more_than_contracts_and_their_own_room():
    for path in FOLDER.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gradgate."):
                root = ".".join(node.module.split(".")[:2])
                assert root in ("gradgate.contracts", "gradgate.diagnosis"), path


def test_the_same_description_gives_the_same_report_also_from_the_file_of_a_record():
    made = {"keras": keras}
    exec(ALL[1].bad, made)
    card = describe_design(made["model"])
    report = lint(ModelCard.model_validate_json(card.model_dump_json()))
    assert report == lint(card)
    assert LintReport.model_validate_json(report.model_dump_json()) == report


def test_findings_come_the_worst_first(card_of, run_example):
    for rule in ALL:
        order = [each.severity for each in run_example(rule.bad).findings]
        assert order == sorted(order, key=("error", "warning", "info").index)
    assert findings(ModelCard(model_name="m", variables=(), optimizer="")) == ()
