"""`gradgate plots`, and the pictures in the report of `gradgate check`."""

import json

import pytest

from gradgate.cli.exits import Exit
from gradgate.cli.fixtures import golden_runs

NAMES = ["clip-rate", "global-norm", "gradient-flow", "loss", "update-ratio"]


@pytest.fixture
def record():
    return golden_runs() / "nan-mid-run" / "record"


def test_it_writes_one_file_a_picture_and_lists_them(call, record, tmp_path):
    done = call("plots", record)
    assert done.returncode == 0
    files = sorted((tmp_path / "plots").iterdir())
    assert [file.name for file in files] == [f"{name}.svg" for name in NAMES]
    assert sorted(done.stdout.split()) == [f"plots/{name}.svg" for name in NAMES]
    assert all(file.read_text().startswith("<svg xmlns=") for file in files)
    again = call("plots", record, "--out", tmp_path / "a" / "b", "--format", "json")
    assert len(json.loads(again.stdout)["files"]) == 5


def test_offences_are_marked_if_the_verdict_is_given(call, record, tmp_path):
    call("check", record, "--training-only", "--format", "json", "--out", "verdict.json")
    call("plots", record, "--out", "plain")
    call("plots", record, "--verdict", "verdict.json", "--out", "marked")
    mark = "step 130: nonfinite-gradient"
    assert mark not in (tmp_path / "plain" / "loss.svg").read_text()
    assert mark in (tmp_path / "marked" / "loss.svg").read_text()


def test_the_report_has_the_pictures_and_the_other_forms_are_as_before(call, record, tmp_path):
    call("check", record, "--training-only", "--format", "html", "--out", "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.count('<figure class="plot card') == 5
    assert "step 130: nonfinite-gradient" in page
    call("check", record, "--training-only", "--format", "json", "--out", "verdict.json")
    call("explain", "verdict.json", "--format", "html")
    assert "svg" not in (tmp_path / "verdict.json").read_text()


@pytest.mark.parametrize("name", ["truncated", "empty"])
def test_what_cannot_be_read_has_a_report_without_pictures(call, name, tmp_path):
    record = golden_runs() / name / "record"
    done = call("check", record, "--training-only", "--format", "html", "--out", "report.html")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert "<figure" not in (tmp_path / "report.html").read_text()
    done = call("plots", record)
    assert done.returncode == Exit.CANNOT_JUDGE
    assert "cannot draw: " in done.stderr
    assert not (tmp_path / "plots").exists()


def test_what_is_missing_is_said(call, record, tmp_path):
    done = call("plots", "nothing")
    assert (done.returncode, done.stderr.split(":")[:2]) == (
        Exit.CANNOT_JUDGE,
        ["cannot draw", " T-MISSING"],
    )
    done = call("plots", record, "--verdict", "nothing")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert "nothing" in done.stderr
    (tmp_path / "file").write_text("")
    done = call("plots", record, "--out", "file/below")
    assert done.returncode == Exit.USAGE
    assert "cannot write to --out file/below" in done.stderr
