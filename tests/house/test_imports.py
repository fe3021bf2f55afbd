"""Who may import whom, and that what must be light is light."""

import subprocess
import sys

import pytest

HEAVY = ["tensorflow", "keras", "tfx", "mlflow", "apache_beam"]
LIGHT = ["gradgate", "gradgate.contracts", "gradgate.gate", "gradgate.diagnosis", "gradgate.cli"]


def heavy_imports(statement: str, root) -> str:
    """Returns the heavy packages that a fresh interpreter has loaded after a statement."""
    program = f"{statement}\nimport sys\nprint(*[n for n in {HEAVY} if n in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{root / 'components'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


@pytest.mark.parametrize("module", LIGHT)
def test_what_judges_loads_nothing_heavy(module, root):
    assert heavy_imports(f"import {module}", root) == ""


def test_the_probe_sees_a_heavy_import(root):
    assert heavy_imports("import sys; sys.modules['keras'] = sys", root) == "keras"


def test_the_import_contracts_hold(root):
    # lint-imports has no `python -m` form; this is what its script does.
    program = "from importlinter.cli import lint_imports_command as run; run()"
    answer = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=root,
        env={"PYTHONPATH": f"{root / 'components'}", "NO_COLOR": "1", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
