"""How well sick trainings are told from sound ones: recall, false alarms, layer and cause.

Small programs with a known fault, and sound ones (benchmarks/programs), train on real data, one
after the other. Each training is instrumented once, with the settings that everybody gets; the
default policy judges its record. The published rules of AUTOTRAINER and SageMaker Debugger judge
the same training by what a callback of ours saw of it.

    python benchmarks/detection.py [--seeds 1 2] [--only NAME ...] [--keep FOLDER] [--out FILE]

What lies in the folder already is not trained again, only judged.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import tensorflow as tf
from _outcomes import Outcome, judge_record
from _table import by_kind, by_rule, details, summary
from _training import train
from programs.cases import CASES


def outcomes(names: Iterable[str], seeds: Iterable[int], folder: Path) -> list[Outcome]:
    """Trains what is not there yet, judges all, and says how it goes."""
    found = []
    for name in names:
        case = CASES[name]
        for seed in seeds:
            start = time.perf_counter()
            place = folder / f"{name.replace('/', '-').replace(', ', '-')}-{seed}"
            training = train(case, seed, place)
            outcome = judge_record(case, seed, place / "record", training)
            found.append(outcome)
            print(f"{time.perf_counter() - start:5.1f} s {outcome}", file=sys.stderr, flush=True)
    return found


def _versions() -> str:
    return (
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}, Python"
        f" {platform.python_version()}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", choices=CASES, metavar="NAME", default=list(CASES))
    parser.add_argument("--tuning", action="store_true", help="only what limits may be chosen by")
    parser.add_argument("--keep", type=Path, help="folder of the records; default: a temporary one")
    parser.add_argument("--out", type=Path, help="file for the tables, besides")
    given = parser.parse_args()
    names = [name for name in given.only if not given.tuning or CASES[name].is_for_tuning]
    with tempfile.TemporaryDirectory() as temporary:
        found = outcomes(names, given.seeds, given.keep or Path(temporary))
    tables = summary, by_kind, by_rule, details
    text = "\n\n".join([_versions(), *(table(found) for table in tables)])
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
