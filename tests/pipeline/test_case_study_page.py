"""The page of the case study is made between its markers, and nowhere else."""

import re
from importlib import resources
from pathlib import Path

import pytest

from gradgate.gate import judge, load_policy
from gradgate.gate.evidence import Evidence
from gradgate.telemetry.reader import open_record
from pipeline.case_study_page import explained, fill, peaks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "case-study.md"


def test_made_blocks_are_written_anew_and_prose_is_left_alone():
    text = "before\n<!-- made: a -->\nold\n<!-- end -->\nafter\n"
    assert fill(text, {"a": "new"}) == "before\n<!-- made: a -->\nnew\n<!-- end -->\nafter\n"
    assert fill(fill(text, {"a": "new"}), {"a": "old"}) == text


def test_a_block_that_nobody_makes_is_named():
    with pytest.raises(ValueError, match=r"^the page asks for b; what is made is a\.$"):
        fill("<!-- made: b -->\n<!-- end -->", {"a": "new"})


def test_every_picture_on_the_page_is_there_and_every_block_was_made():
    text = PAGE.read_text(encoding="utf-8")
    pictures = re.findall(r"\]\((images/[^)]+)\)", text)
    assert len(pictures) >= 4
    assert [name for name in pictures if not (PAGE.parent / name).is_file()] == []
    assert "-->\n<!-- end" not in text


@pytest.fixture(scope="module")
def record():
    run = resources.files("gradgate.gate") / "golden_runs" / "nan-mid-run" / "record"
    return open_record(Path(str(run)))


def test_peaks_are_finite_and_say_when_it_was_no_longer(record):
    assert peaks(record).splitlines() == [
        "| variable | greatest finite gradient norm | at step | not finite from |",
        "| --- | --- | --- | --- |",
        "| `net/dense/kernel` | 0.5 | 0 | step 130 |",
        "| `net/dense/bias` | 0.5 | 0 | never |",
        "| `net/head/kernel` | 0.5 | 0 | never |",
    ]


def test_of_the_explanation_the_first_rule_is_kept_and_no_digest(record):
    policy = load_policy(
        (resources.files("gradgate.gate") / "policies" / "default.yaml").read_bytes()
    )
    evidence = Evidence.of(record)
    verdict = judge(policy, evidence, model=None, as_of="2026-01-31T12:00:00Z", training_only=True)
    text = explained(verdict)
    assert text.startswith("BLOCK nonfinite-gradient: ")
    assert "why, and what to change" in text
    assert text.count("\n  what happened ") == 1
    assert text.endswith("\n\n...")
    assert "sha256:" not in text
