"""The list of mutants is kept up to date; `make mutants` runs it, in a few minutes."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
try:
    import run as mutating
    from mutants import MUTANTS
finally:
    sys.path.pop(0)

# The list of the fact sheet on gates, 6.3, and which of ours each is.
WANTED = {
    "failure-form comparator": "failure form: fails if it compares as it must not",
    "unknown -> pass": "unknown is a pass",
    "early exit on first fail": "early exit: the first rule alone is heard",
    "any -> all quantifier swap": "any for all",
    "waiver by prefix": "a waiver by prefix",
    "cache by path": "the gate is answered from the cache",
    "blessing without digest check": "a blessing without a look at the digest",
    "< / <=": "< for <=",
    "swallowed exception -> pass": "an exception while a rule reads its steps is swallowed",
}
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_applies_and_names_tests_that_there_are(mutant):
    path, text = mutating.patched(mutant)
    assert text != path.read_text(encoding="utf-8")
    for test in mutant.tests:
        file, _, name = test.partition("::")
        source = (ROOT / file).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in source or f"class {name}:" in source


def test_every_mutant_that_is_asked_for_is_among_them():
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)
    assert set(WANTED.values()) <= set(names)


def test_the_page_on_faults_shows_them_all_and_none_that_survived():
    page = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    for mutant in MUTANTS:
        assert f"| {mutant.name} | `" in page, "run `make mutants ARGS=--table`"
    assert "SURVIVED" not in page
