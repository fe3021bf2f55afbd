"""What the judge costs who waits for it: its import, and a record of 100 layers and 10,000 steps.

Each number is CPU time of a process of its own on one core, and the least of some: other work on
the machine only lengthens it. Modules are compiled beforehand, as `pip` leaves them. Nothing heavy
may be imported, and nothing that a policy asks for may be left out: the verdicts are looked at.

    python benchmarks/gate_speed.py [--repeats 5] [--profile POLICY] [--out FILE]

`--profile` prints where the time of one judgement goes, instead.
"""

import argparse
import cProfile
import os
import platform
import pstats
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from _records import write_record
from gate_scale import POLICIES, judge_apart, judge_here

_LAYERS, _STEPS = 100, 10_000
_AIM_OF_IMPORT, _AIM_OF_JUDGING = 0.3, 2.0
_HEADLINES = {"default": "OK", "quantiles": "OK", "failing": "BLOCK"}
_HEAVY = "tensorflow", "keras", "tfx", "mlflow", "pyarrow", "apache_beam"
_IMPORT = f"""
import sys, time
began = time.process_time()
import gradgate.gate
print(time.process_time() - began)
heavy = [name for name in {_HEAVY} if name in sys.modules]
assert not heavy, heavy
"""


def speed(repeats: int) -> str:
    """Returns a Markdown table: the least CPU seconds of each, beside what they may be."""
    rows = [
        ["on one core", "CPU seconds", "aim"],
        ["---", "---:", "---:"],
        ["`import gradgate.gate`", _least(_import_apart, repeats), f"{_AIM_OF_IMPORT}"],
    ]
    with tempfile.TemporaryDirectory() as folder:
        record = write_record(Path(folder) / "record", steps=_STEPS, variables=2 * _LAYERS)
        for policy, decision in _HEADLINES.items():

            def judge(policy: str = policy, decision: str = decision) -> float:
                found = judge_apart(record, "in process", policy)
                assert str(found["headline"]).startswith(decision), found["headline"]
                return float(found["cpu"])

            what = f"{_LAYERS} layers, {_STEPS:,} steps, policy `{policy}`"
            rows.append([what, _least(judge, repeats), f"{_AIM_OF_JUDGING}"])
        check = ["check", str(record), "--training-only", "--as-of", "2099-01-01T00:00:00Z"]
        whole = _least(lambda: _cpu_of(["-m", "gradgate", *check]), repeats)
        rows.append(["the same with `gradgate check`, from the start of Python", whole, ""])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def profile(policy: str) -> None:
    """Prints the functions that take most of the time of one judgement."""
    with tempfile.TemporaryDirectory() as folder:
        record = write_record(Path(folder) / "record", steps=_STEPS, variables=2 * _LAYERS)
        with cProfile.Profile() as found:
            judge_here(str(record), "in process", policy)
    pstats.Stats(found).sort_stats("tottime").print_stats(25)


def _least(measure: Callable[[], float], repeats: int) -> str:
    return f"{min(measure() for _ in range(repeats)):.2f}"


def _import_apart() -> float:
    command = [sys.executable, "-c", _IMPORT]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def _cpu_of(arguments: list[str]) -> float:
    """CPU seconds of a Python process, from its start to its end."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--profile", choices=POLICIES, help="where the time goes, instead")
    parser.add_argument("--out", type=Path, help="file for the table, besides")
    given = parser.parse_args()
    if given.profile:
        profile(given.profile)
        return
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    text = f"The least of {given.repeats}; Python {platform.python_version()}\n\n"
    with tempfile.TemporaryDirectory() as compiled:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = compiled
        _import_apart()
        text += speed(given.repeats)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
