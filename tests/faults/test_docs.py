"""`docs/faults.md` cannot rot: every test that it names is there, and no row is forgotten."""

import ast
import re

import pytest

# What comes with a later part of the product, or needs what a test has not.
LATER = {18, 29, 32, 35}


@pytest.fixture(scope="module")
def page(request):
    return (request.config.rootpath / "docs/faults.md").read_text(encoding="utf-8")


def rows(page, first):
    """The cells of each row whose first cell matches."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()]
    return [cells for cells in found if re.fullmatch(first, cells[0])]


def named(cell):
    return re.findall(r"`([^`]+)`", cell)


def assert_there(root, tests):
    for test in tests:
        file, *names = re.split(r"::|\[", test.removesuffix("]"))
        tree = ast.parse((root / "tests" / file).read_text(encoding="utf-8"))
        defined = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        defined |= {t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets
                    if isinstance(t, ast.Name)}  # fmt: skip
        assert set(names) <= defined, test


def test_every_row_of_the_matrix_names_tests_that_there_are(page, request):
    matrix = rows(page, r"\d+")
    assert [int(cells[0]) for cells in matrix] == list(range(1, 38))
    for number, fault, _, expected, tests in matrix:
        assert fault, number
        assert expected, number
        assert bool(named(tests)) != (int(number) in LATER), number
        assert_there(request.config.rootpath, named(tests))


def test_every_property_names_tests_that_there_are(page, request):
    properties = rows(page, r"P\d+")
    assert [cells[0] for cells in properties] == [f"P{number}" for number in range(1, 17)]
    for name, _, tests in properties:
        assert bool(named(tests)) != (name == "P16"), name
        assert_there(request.config.rootpath, named(tests))


def test_every_command_is_one_of_the_makefile(page, request):
    makefile = (request.config.rootpath / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`?make ([a-z]+)", page)):
        assert f"\n{target}:" in makefile, target
