"""The pages in the documentation are those of the rules."""

from pathlib import Path

from gradgate.diagnosis.lint.pages import index, main, stale

DOCS = Path(__file__).parents[3] / "docs"


def test_the_pages_are_fresh_and_the_overview_lists_every_rule():
    assert stale(DOCS / "lint") == []
    assert index() in (DOCS / "lint.md").read_text("utf-8")


def test_a_page_that_is_missing_altered_or_no_rules_is_named(tmp_path, capsys):
    assert main([str(tmp_path)]) == 0
    (tmp_path / "softmax-on-one-unit.md").write_text("old")
    (tmp_path / "relu-with-glorot.md").unlink()
    (tmp_path / "nobody.md").write_text("")
    assert main([str(tmp_path), "--check"]) == 1
    assert capsys.readouterr().err.count("is stale; run python -m") == 3
