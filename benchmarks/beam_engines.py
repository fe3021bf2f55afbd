"""What components cost on Beam's engines that this machine can be: ratios to the default one.

The first components of the pipeline run on its real table, nothing cached, once on each engine, in
turns: in this process (the default), on one and on two worker processes. Time of the clock, and of
all processors: this process and the workers. A ratio is the median over rounds of an engine's time
over that of the default in the same round.

    python benchmarks/beam_engines.py [--rounds 2] [--out FILE]
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

from pipeline.beam import Beam, InMemory, MultiProcessing
from pipeline.data import stage_table
from pipeline.quiet import hush

ENGINES: dict[str, Beam] = {
    "in_memory": InMemory(),
    "multi_processing, 1 worker": MultiProcessing(workers=1),
    "multi_processing, 2 workers": MultiProcessing(workers=2),
}
Times = dict[str, tuple[float, float]]  # stage: clock, processors


class _Watch:
    def __init__(self) -> None:
        self.times: Times = {}
        self._cpu = 0.0

    def expect(self, stages: object) -> None:
        pass

    def stage_started(self, _stage: str) -> None:
        self._cpu = _cpu()

    def stage_finished(self, stage: str, outcome: str, seconds: float) -> None:
        assert outcome == "done", (stage, outcome)
        self.times[stage] = seconds, _cpu() - self._cpu


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run_once(engine: Beam, table: Path) -> Times:
    from tfx.components.example_gen.csv_example_gen.component import CsvExampleGen
    from tfx.components.statistics_gen.component import StatisticsGen
    from tfx.orchestration.metadata import sqlite_metadata_connection_config
    from tfx.orchestration.pipeline import Pipeline

    from pipeline.local_runner import ListeningRunner

    with tempfile.TemporaryDirectory() as folder:
        example_gen = CsvExampleGen(input_base=str(table))
        watch = _Watch()
        ListeningRunner(watch).run(
            Pipeline(
                pipeline_name="bench",
                pipeline_root=folder,
                components=[example_gen, StatisticsGen(examples=example_gen.outputs["examples"])],
                metadata_connection_config=sqlite_metadata_connection_config(f"{folder}/m.sqlite"),
                beam_pipeline_args=list(engine.pipeline_args()),
            )
        )
    return watch.times


def report(rounds: list[dict[str, Times]]) -> str:
    rows = [
        "| component | engine | clock | processors | clock, ratio | processors, ratio |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    first = next(iter(ENGINES))
    for stage in rounds[0][first]:
        for name in ENGINES:
            seconds, ratios = [], []
            for kind in (0, 1):
                mine = [each[name][stage][kind] for each in rounds]
                plain = [each[first][stage][kind] for each in rounds]
                seconds.append(f"{statistics.median(mine):.1f} s")
                ratio = statistics.median(a / b for a, b in zip(mine, plain, strict=True))
                ratios.append("1" if name == first else f"{ratio:.1f}")
            rows.append("| " + " | ".join([stage, name, *seconds, *ratios]) + " |")
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sys.argv = sys.argv[:1]  # TFX hands it on to Beam
    hush()
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        table = stage_table(Path(folder))
        run_once(InMemory(), table)  # imports, caches
        for number in range(options.rounds):
            rounds.append({name: run_once(engine, table) for name, engine in ENGINES.items()})
            print(f"round {number + 1} of {options.rounds}", rounds[-1], file=sys.stderr)
    text = report(rounds)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores\n\n{text}")
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
