"""The judge runs where neither TensorFlow nor TFX, MLflow or Arrow is installed, and starts fast.

How fast is held by what is imported and built, which is the same on every machine; seconds are in
`benchmarks/gate_speed.py`.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import gradgate.gate

HEALTHY = Path(gradgate.gate.__file__).parent / "golden_runs/healthy/record"
# The causes are many files, and read where a rule failed alone.
CAUSES = "gradgate.diagnosis.causes"
HEAVY = ("tensorflow", "keras", "tfx", "mlflow", "pyarrow", "pandas", "apache_beam", CAUSES)
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


BUILT = """
import sys
import gradgate.gate
from pydantic import BaseModel
kinds = [BaseModel]
for kind in kinds:
    kinds += kind.__subclasses__()
ours = [kind for kind in kinds if kind.__module__.startswith("gradgate.")]
assert len(ours) > 70, ours
print(*[kind.__name__ for kind in ours if kind.__pydantic_complete__])
"""


def test_a_contract_builds_its_checks_where_it_is_first_read_and_the_parser_waits_for_a_policy():
    began = subprocess.run(
        [sys.executable, "-c", BUILT + "print('ruamel.yaml' in sys.modules, len(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    built, modules = began.stdout.splitlines()
    assert built == ""
    parser, count = modules.split()
    assert parser == "False"
    # 396 on Python 3.13 alone, 423 on 3.10 with NumPy 1; with all causes or Arrow it is more.
    assert int(count) < 440, "look at `python -X importtime -c 'import gradgate.gate'`"


READ = f"""
import gradgate.cli.check
from gradgate.telemetry.reader import open_record
assert sum(len(batch) for batch in open_record({str(HEALTHY)!r}).batches()) == 240
"""


def test_reading_a_record_imports_arrow_and_not_what_arrow_would():
    pytest.importorskip("pandas", reason="where it is not installed, nothing imports it")
    assert heavy_after(READ) == ["pyarrow"]


def test_this_test_can_fail():
    assert heavy_after("sys.modules['tensorflow'] = sys") == ["tensorflow"]
