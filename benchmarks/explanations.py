"""Are explanations good enough to mend a model by? Programs with one known fault each tell.

Each is trained as it is and judged by the default policy. The explanation must put the known cause
first; the program is then changed by what the text says and nothing else, and trained again: it
must pass. With `--check` it ends with 1 where that is not so.

    python benchmarks/explanations.py [--seed 1] [--only NAME ...] [--check] [--out FILE]
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from programs import ALL

from gradgate.contracts import Cause, Verdict
from gradgate.diagnosis import telling
from gradgate.gate import judge, load_policy, read_policy
from gradgate.gate.evidence import Evidence
from gradgate.telemetry.reader import open_record

_MADE_BY = (
    "Made by `python benchmarks/explanations.py`; the programs are in `benchmarks/programs`. The"
    " causes were tuned on these very programs, so this shows that the text can be followed, not"
    " how often a cause is found in programs that nobody has seen."
)
_POLICY = Path(__file__).parents[1] / "pipeline" / "policies" / "default.yaml"


def judged(name: str, state: str, seed: int) -> Verdict:
    """Trains a program, `sick` or `cured`, and returns what the default policy says of it."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        getattr(ALL[name], state)(seed).train(record)
        return judge(
            load_policy(read_policy(_POLICY)),
            Evidence.of(open_record(record)),
            model=None,
            as_of="2099-01-01T00:00:00Z",
            training_only=True,
        )


def report(name: str, sick: Verdict, cured: Verdict) -> tuple[list[str], bool]:
    """Returns what there is to show of one program, and whether it was mended by the text."""
    program, first = ALL[name], telling.shown_first(sick)
    is_found = bool(first) and first[0].id == program.CAUSE
    is_mended = sick.decision == "block" and is_found and cured.decision == "ok"
    lines = [
        f"## {name}",
        "",
        f"{program.__doc__.strip()} `{sick.headline}`",
        "",
        *(line for cause in first for line in _cause(cause)),
        f"Also possible: {_titles(telling.also_possible(sick))}.",
        "",
        f"**Changed:** {program.cured.__doc__.strip()} **Then:** `{cured.headline}`",
        "",
    ]
    return lines, is_mended


def _cause(cause: Cause) -> list[str]:
    lines = [f"> **{cause.title}** ({telling.SURE[cause.confidence]}). {cause.meaning}", ">"]
    lines += [f"> - {number}" for number in cause.numbers]
    lines += [">", f"> What to change: {cause.change}"]
    lines += [">", *(f">     {line}" for line in cause.snippet)] if cause.snippet else []
    return [*lines, ""]


def _titles(causes: Sequence[Cause]) -> str:
    return "; ".join(cause.title for cause in causes) or "nothing"


def page(names: Sequence[str], shown: Sequence[str], failed: Sequence[str], seed: int) -> str:
    """Returns the results as Markdown."""
    summary = (
        f"{len(names) - len(failed)} of {len(names)} faulty programs were blocked, explained by"
        " their known cause first, changed by what that text says and nothing else, and then passed"
        f" the default policy (seed {seed}). Not so: {', '.join(failed) or 'none'}."
    )
    head = ["# Explanations that a model can be mended by", "", summary, "", _MADE_BY, ""]
    return "\n".join([*head, *shown])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=ALL, default=list(ALL), metavar="NAME")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    done, shown, failed = [], [], []
    for name in options.only:
        sick, cured = (judged(name, state, options.seed) for state in ("sick", "cured"))
        lines, is_mended = report(name, sick, cured)
        done.append(name)
        shown += lines
        failed += [] if is_mended else [name]
        print(f"{name}: {'mended by the text' if is_mended else 'NOT MENDED'}", flush=True)
        if options.out:  # as it goes: all of them take minutes
            options.out.write_text(page(done, shown, failed, options.seed), encoding="utf-8")
    if not options.out:
        print(page(done, shown, failed, options.seed))
    return 1 if options.check and failed else 0


if __name__ == "__main__":
    sys.exit(main())
