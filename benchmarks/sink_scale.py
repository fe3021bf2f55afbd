"""What the sender takes for a very long training of very many layers, and what MLflow then holds.

A synthetic record in a temporary folder, told to the embedded store after the fact, as when the
server was away all the time: the sender reads all of it at once.

    python benchmarks/sink_scale.py [--steps 2000000] [--layers 100] [--out FILE]
"""

import argparse
import contextlib
import dataclasses
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from gradgate.contracts import ActivationCard, ModelCard, Tracking, VariableCard
from gradgate.telemetry.batch import HISTOGRAM_BINS, ActivationBatch, StatisticsBatch, StepBatch
from gradgate.telemetry.sinks.mlflow import start_sender
from gradgate.telemetry.sinks.mlflow_outbox import Job, Outbox
from gradgate.telemetry.writer import RecordWriter

_PART = 4096
_EVERY = 50


def card(layers: int) -> ModelCard:
    """A dense network of so many layers, each with a kernel."""
    names = [f"m/dense_{i}" for i in range(layers)]
    return ModelCard(
        model_name="m",
        variables=tuple(
            VariableCard(path=f"{name}/kernel", layer=name, shape=(64, 64), dtype="float32")
            for name in names
        ),
        optimizer="Adam",
        activations=tuple(ActivationCard(layer=name, activation="relu") for name in names),
        data_loss_gradient=True,
    )


def part(layers: int, rng: np.random.Generator) -> StepBatch:
    """Noise, the same in each part, with everything measured that can be."""
    step = np.arange(_PART)
    sampled = step[::_EVERY]
    shape = (len(sampled), layers)

    def noise(*size: int) -> np.ndarray:
        return rng.lognormal(size=size).astype(np.float16).astype(np.float32)

    norms = noise(_PART, layers)
    norm = np.sqrt(np.square(norms).sum(1))
    fields = ("mean_abs", "max_abs", "weight_norm", "update_ratio", "data_norm", "data_mean_abs")
    return StepBatch(
        step=step,
        epoch=step * 0,
        seconds=step * 0.01,
        loss=noise(_PART),
        global_norm=norm,
        clipped_norm=np.minimum(norm, np.float32(1)),
        clip_scale=np.minimum(np.float32(1) / norm, np.float32(1)),
        clipped=norm > 1,
        applied=np.ones(_PART, bool),
        norms=norms,
        statistics=StatisticsBatch(
            step=sampled,
            **{name: noise(*shape) for name in (*fields, "data_max_abs", "cosine")},
            zero_fraction=noise(*shape) % 1,
            data_zero_fraction=noise(*shape) % 1,
            nonfinite=np.zeros(shape, np.int64),
            histogram=rng.integers(0, 99, (*shape, HISTOGRAM_BINS)),
            global_cosine=noise(len(sampled)),
        ),
        activations=ActivationBatch(
            step=sampled,
            zero_fraction=noise(*shape) % 1,
            dead_fraction=noise(*shape) % 1,
            saturated_fraction=noise(*shape) % 1,
        ),
    )


def later(batch: StepBatch, steps: int) -> StepBatch:
    """The same steps, so many later."""
    assert batch.activations is not None, "made so"
    return dataclasses.replace(
        batch,
        step=batch.step + steps,
        seconds=batch.seconds + steps * 0.01,
        statistics=dataclasses.replace(batch.statistics, step=batch.statistics.step + steps),
        activations=dataclasses.replace(batch.activations, step=batch.activations.step + steps),
    )


def write(record: Path, steps: int, layers: int) -> None:
    """Writes the record of a training."""
    writer, model = RecordWriter(record), card(layers)
    writer.begin_training("scale")
    writer.begin(model)
    one = part(layers, np.random.default_rng(0))
    for first in range(0, steps, _PART):
        writer.append(later(one, first))
    writer.finalize(training_uid="scale", status="completed", instrumented=True)


def watch(outbox: Outbox) -> tuple[float, float]:
    """Waits for the sender; returns its CPU seconds and its greatest memory in MB."""
    pid = int((outbox.folder / "sender.lock").read_text())
    sender, seconds, most = psutil.Process(pid), 0.0, 0
    with contextlib.suppress(psutil.NoSuchProcess):
        while outbox.paths():
            times = sender.cpu_times()
            seconds, most = times.user + times.system, max(most, sender.memory_info().rss)
            time.sleep(0.05)
    return seconds, most / 1e6


def measure(steps: int, layers: int) -> list[tuple[str, str]]:
    """Returns what was measured, by name."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, record = Path(scratch, "mlflow"), Path(scratch, "record")
        write(record, steps, layers)
        outbox = Outbox(folder)
        job = Job(
            what="training",
            tracking=Tracking(layers=layers),
            training_uid="scale",
            started_ms=0,
            record=str(record),
            planned_steps=steps,
        )
        outbox.put(job)
        start = time.monotonic()
        start_sender(folder)
        while not outbox.is_being_sent():
            time.sleep(0.05)
        time.sleep(0.2)
        seconds, memory = watch(outbox)
        wall = time.monotonic() - start
        outbox.stop_sender()
        assert not (folder / "outbox-failed").exists(), (folder / "sender.log").read_text()
        with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as store:
            ask = store.execute
            ((points,),) = ask("SELECT COUNT(*) FROM metrics")
            ((keys,),) = ask("SELECT COUNT(DISTINCT key) FROM metrics")
            ((greatest,),) = ask("SELECT MAX(n) FROM (SELECT COUNT(*) n FROM metrics GROUP BY key)")
            ((told,),) = ask("SELECT value FROM tags WHERE key = 'gradgate.series'")
        size = sum(path.stat().st_size for path in (record / "parts").iterdir())
        return [
            ("steps, layers", f"{steps:,}, {layers}"),
            ("record", f"{size / 1e6:,.0f} MB in {len(list((record / 'parts').iterdir()))} parts"),
            ("sender, from start to end", f"{wall:.0f} s"),
            ("sender, CPU", f"{seconds:.0f} s"),
            ("sender, greatest memory", f"{memory:.0f} MB"),
            ("points in MLflow", f"{points:,} in {keys} series, at most {greatest} a series"),
            ("store", f"{(folder / 'mlflow.db').stat().st_size / 1e6:.0f} MB"),
            ("the run says", told),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--layers", type=int, default=100)
    parser.add_argument("--out", type=Path, help="file for the table, besides")
    given = parser.parse_args()
    rows = measure(given.steps, given.layers)
    text = "| | |\n| --- | --- |\n" + "\n".join(f"| {name} | {value} |" for name, value in rows)
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores\n\n{text}")
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
