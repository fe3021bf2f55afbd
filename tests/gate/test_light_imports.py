"""The judge runs where neither TensorFlow nor TFX, MLflow or Arrow is installed."""

import subprocess
import sys

import pytest

# The causes are many files, and read where a rule failed alone.
CAUSES = "gradgate.diagnosis.causes"
HEAVY = ("tensorflow", "keras", "tfx", "mlflow", "pyarrow", "apache_beam", CAUSES)
PROGRAM = f"""
import sys
{{statement}}
print(*[name for name in {HEAVY} if name in sys.modules])
"""


def heavy_after(statement):
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    return answer.stdout.split()


@pytest.mark.parametrize(
    "module",
    [
        "gradgate.gate",
        "gradgate.gate.render",
        "gradgate.gate.plots",
        "gradgate.gate.schemas",
        "gradgate.diagnosis",
    ],
)
def test_importing_it_pulls_in_nothing_heavy(module):
    assert heavy_after(f"import {module}") == []


def test_the_causes_are_light_too():
    assert heavy_after("import gradgate.diagnosis.finding_causes") == [CAUSES]


def test_this_test_can_fail():
    assert heavy_after("sys.modules['tensorflow'] = sys") == ["tensorflow"]
