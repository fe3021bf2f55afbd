"""What a judgement costs against the length of the run, in this process and on Beam.

Records of 10^3 to 10^7 steps of 200 variables are judged, each in a process
of its own. Time of the processor and of the clock; the greatest memory of the process that judges
and, where there are any, of a worker. Other work on the machine lengthens the clock's time most.

    python benchmarks/gate_scale.py [--steps 1000 10000 ...] [--engines in_process ...] [--out FILE]
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _records import write_record

_DIRECT = "--runner=DirectRunner --direct_running_mode=multi_processing --direct_num_workers="
_FN_API = "--runner=apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"
ENGINES = {
    "in process": None,
    "Beam, in memory": _FN_API,
    "Beam, 1 worker": _DIRECT + "1",
    "Beam, 2 workers": _DIRECT + "2",
}
POLICIES = {
    "default": None,
    "quantiles": """
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: quantiles, revision: 1, owner: benchmarks}
rules:
  - {id: norm, signal: variable.norm, aggregate: {fn: quantile, q: 0.99},
     expect: {op: "<", value: 9}}
  - {id: end, signal: loss, aggregate: {fn: tail_median}, expect: {op: "<", value: 0.3}}
""",
    "failing": """
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: failing, revision: 1, owner: benchmarks}
rules:
  - {id: norm, signal: variable.norm, aggregate: {fn: quantile, q: 0.5},
     expect: {op: ">", value: 0.2}}
  - {id: mean, signal: variable.norm, aggregate: {fn: mean}, expect: {op: ">", value: 0.2}}
  - {id: end, signal: loss, aggregate: {fn: improvement}, expect: {op: "<", value: 0.6}}
""",
}


def judge_here(record: str, engine: str, policy: str) -> dict[str, float | str]:
    """Judges in this process; returns what it took."""
    from gradgate.cli.read import evidence_of, policy_of
    from gradgate.gate import judge, load_policy
    from gradgate.gate.engines import in_process

    arguments, text = ENGINES[engine], POLICIES[policy]
    rules = policy_of(None) if text is None else load_policy(text)
    began, cpu = time.perf_counter(), _cpu()
    reads = in_process
    if arguments is not None:
        from gradgate.gate.engines.beam import BeamEngine

        reads = BeamEngine.of(arguments.split())
    verdict = judge(
        rules,
        evidence_of(Path(record)),
        model=None,
        as_of="2099-01-01T00:00:00Z",
        training_only=True,
        engine=reads,
    )
    return {
        "headline": verdict.headline,
        "id": verdict.verdict_id,
        "seconds": time.perf_counter() - began,
        "cpu": _cpu() - cpu,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "worker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def _cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def judge_apart(record: Path, engine: str, policy: str) -> dict[str, float | str]:
    """Does what `judge_here` does, in a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, "--one", str(record), engine, policy]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(answer.stdout.splitlines()[-1])


def scale(steps: list[int], engines: list[str], policies: list[str], variables: int) -> str:
    """Returns a Markdown table: a row for each length, policy and engine."""
    rows = [
        ["steps", "policy", "engine", "time", "CPU", "memory", "of a worker"],
        ["---:", "---", "---", "---:", "---:", "---:", "---:"],
    ]
    for count in steps:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
            record = write_record(Path(folder) / "record", steps=count, variables=variables)
            for policy in policies:
                ids = set()
                for engine in engines:
                    found = judge_apart(record, engine, policy)
                    ids.add(found["id"])
                    print(f"{count:,} {policy}, {engine}: {found}", file=sys.stderr, flush=True)
                    took = [f"{found[name]:.1f} s" for name in ("seconds", "cpu")]
                    used = [f"{found['memory']:.0f} MB"]
                    used.append(f"{found['worker']:.0f} MB" if "worker" in engine else "")
                    rows.append([f"{count:,}", policy, engine, *took, *used])
                assert len(ids) == 1, f"the engines differ: {ids}"
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", nargs="+", type=int, default=[10**n for n in range(3, 8)])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=["default"])
    parser.add_argument("--variables", type=int, default=200)
    parser.add_argument("--out", type=Path, help="file for the table, besides")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(judge_here(*given.one)))
        return
    version = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    table = scale(given.steps, given.engines, given.policies, given.variables)
    text = f"{given.variables} variables; {version}\n\n{table}"
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
