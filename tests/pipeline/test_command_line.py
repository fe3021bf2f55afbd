"""What the command line says before anything heavy is imported."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def pipeline(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "components"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_unknown_configuration_is_a_usage_error_with_a_hint(tmp_path):
    done = pipeline("run", "--config", "silent_nan", "--workspace", str(tmp_path / "w"))
    assert done.returncode == 2
    assert "did you mean 'silent-nan'?" in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "w").exists()


def test_the_way_to_run_is_light():
    # A terminal shows its first line before TensorFlow is there.
    code = (
        "import sys, pipeline.run; print(sorted({'tensorflow', 'tfx', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "components")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
