"""What it costs a training to be shown in MLflow: ours, `mlflow.log_metrics`, MLflow's autologging.

The same small model is fitted with nothing, with gradgate's guard alone, with the guard and its
MLflow sink, with a callback that calls `mlflow.log_metrics` on every batch with about as many
numbers as our sink has series, and with `mlflow.tensorflow.autolog` on every batch. All in one
process, in turns, in a store in a file and on an `mlflow server`; a ratio is the median over rounds
of a variant's step over that of the plain fit in the same round. Our sender is a process of its own
and works beside the training, on the same cores: what it takes from them is in our ratio.

    python benchmarks/sink_throughput.py [--rounds 5] [--steps 300] [--out FILE]
"""

import argparse
import contextlib
import dataclasses
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import keras
import mlflow
import tensorflow as tf
from _models import BATCH, MODELS

from gradgate.contracts import Tracking
from gradgate.telemetry.sinks.mlflow import MlflowSink
from gradgate.telemetry.sinks.mlflow_outbox import Outbox
from gradgate.training import instrument
from gradgate.training.context import TrainingContext
from gradgate.training.settings import GuardSettings

_WARM_UP = 50  # steps: tracing, caches
_NUMBERS = 59  # a batch: about as many as our sink has series of this model
VARIANTS = ("guard alone", "guard and sink", "log_metrics", "autolog")


class Stopwatch:
    """Wall time and time of the training thread of all steps after the first ones."""

    def callback(self) -> keras.callbacks.Callback:
        """Returns what looks at it."""
        return keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, *_, **__: (
                self._start() if batch == _WARM_UP else None
            ),
            on_train_end=lambda *_, **__: self._stop(),
        )

    def _start(self) -> None:
        self.wall, self.thread = -time.perf_counter(), -time.thread_time()

    def _stop(self) -> None:
        self.stopped = time.perf_counter()
        self.wall += self.stopped
        self.thread += time.thread_time()


def log_metrics() -> keras.callbacks.Callback:
    """Returns what logs on every batch, in the training thread, as MLflow's guide shows it."""

    def log(batch: int, logs: dict[str, float]) -> None:
        loss = float(logs["loss"])
        mlflow.log_metrics({f"metric_{i:02d}": loss + i for i in range(_NUMBERS)}, step=batch)

    return keras.callbacks.LambdaCallback(on_train_batch_end=log)


@dataclasses.dataclass
class Cost:
    """Of one fit, in seconds: per step in the wall and in the training thread, and at its end."""

    wall: float
    thread: float
    end: float


class Place:
    """Where MLflow keeps what it is told."""

    def __init__(self, uri: str, database: Path, scratch: Path) -> None:
        self._uri, self._database, self._scratch = uri, database, scratch
        self._outbox = Outbox(scratch / "outbox-of-ours")
        self._fits = 0

    def fit(self, variant: str, steps: int) -> Cost:
        """Trains once; returns what it cost."""
        self._fits += 1
        model = MODELS["tiny MLP"].build()
        model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
        data = tf.data.Dataset.from_tensor_slices(MODELS["tiny MLP"].data()).batch(BATCH).repeat()
        watch = Stopwatch()
        mlflow.set_tracking_uri(self._uri)
        mlflow.set_experiment(variant)
        with contextlib.ExitStack() as stack:
            callbacks = [watch.callback()]
            if variant.startswith("guard"):
                stack.enter_context(self._guard(model, steps, with_sink="sink" in variant))
            elif variant == "log_metrics":
                stack.enter_context(mlflow.start_run())
                callbacks.append(log_metrics())
            elif variant == "autolog":
                mlflow.tensorflow.autolog(
                    log_every_epoch=False,
                    log_every_n_steps=1,
                    log_models=False,
                    log_datasets=False,
                    checkpoint=False,
                    silent=True,
                )
                stack.callback(mlflow.tensorflow.autolog, disable=True)
            model.fit(data, steps_per_epoch=steps, verbose=0, callbacks=callbacks)
        end = time.perf_counter() - watch.stopped
        self._let_go()
        measured = steps - _WARM_UP
        return Cost(watch.wall / measured, watch.thread / measured, end)

    def points(self, experiment: str) -> int:
        """Returns how many points the last run of an experiment has."""
        with contextlib.closing(sqlite3.connect(self._database)) as store:
            ((count,),) = store.execute(
                "SELECT COUNT(*) FROM metrics WHERE run_uuid = (SELECT run_uuid FROM runs JOIN"
                " experiments ON runs.experiment_id = experiments.experiment_id"
                " WHERE experiments.name = ? ORDER BY start_time DESC LIMIT 1)",
                [experiment],
            )
        return int(count)

    @contextlib.contextmanager
    def _guard(self, model: keras.Model, steps: int, *, with_sink: bool) -> Iterator[None]:
        record = self._scratch / f"record-{self._fits}"
        sinks = []
        if with_sink:
            tracking = Tracking(uri=self._uri, experiment="guard and sink", wait_seconds=0.0)
            sinks.append(MlflowSink(tracking, record, self._outbox.folder))
        context = TrainingContext(
            record, GuardSettings(), f"fit-{self._fits}", sinks=sinks, planned_steps=steps
        )
        with instrument(model, context):
            yield
        context.finish("completed")

    def _let_go(self) -> None:
        """Waits until nothing of this fit is in the way of the next one."""
        mlflow.flush_async_logging()
        if not self._outbox.wait_until_empty(120):
            raise TimeoutError((self._outbox.folder / "sender.log").read_text())

    def close(self) -> None:
        """Ends our sender."""
        self._outbox.stop_sender()


@contextlib.contextmanager
def file_store(folder: Path) -> Iterator[tuple[str, Path]]:
    """Gives the address of a store in a file, and the file."""
    yield f"sqlite:///{folder / 'mlflow.db'}", folder / "mlflow.db"


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[str, Path]]:
    """Runs `mlflow server` on SQLite; gives its address and its database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env=environment, start_new_session=True
        ) as process,
    ):
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}", folder / "server.db"
        finally:
            os.killpg(process.pid, 9)


def measure(place: Place, rounds: int, steps: int) -> tuple[float, list[list[str]]]:
    """Returns ms of a plain step, and a row for each variant."""
    costs: dict[str, list[Cost]] = {name: [] for name in ("plain", *VARIANTS)}
    for number in range(-1, rounds):
        names = list(costs)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            cost = place.fit(name, steps)
            if number >= 0:
                costs[name].append(cost)
        print(f"round {number}", file=sys.stderr, flush=True)
    plain = costs.pop("plain")
    rows = []
    for name, found in costs.items():
        pairs = list(zip(found, plain, strict=True))
        ratio = statistics.median(cost.wall / base.wall for cost, base in pairs)
        wall = statistics.median(cost.wall - base.wall for cost, base in pairs)
        thread = statistics.median(cost.thread - base.thread for cost, base in pairs)
        end = statistics.median(cost.end for cost in found)
        points = 0 if name == "guard alone" else place.points(name)
        rate = f"{points / max(wall * steps + end, 1e-6):,.0f}" if points else ""
        row = [name, f"{ratio:.2f}", f"{wall * 1e3:.2f} ms", f"{thread * 1e3:.2f} ms"]
        rows.append([*row, f"{end:.2f} s", f"{points:,}", rate])
    return statistics.median(cost.wall for cost in plain) * 1e3, rows


def table(title: str, plain: float, rows: list[list[str]]) -> str:
    """Returns the results of one store in Markdown."""
    heads = ["", "step, ratio to plain", "step, more", "of it thread CPU", "at the end"]
    heads += ["points in MLflow", "points a second that was lost"]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"### {title}\n\nPlain step: {plain:.2f} ms\n\n{text}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300, help=f"of a fit, {_WARM_UP} to warm up")
    parser.add_argument("--out", type=Path, help="file for the tables, besides")
    given = parser.parse_args()
    texts = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        os.chdir(scratch)  # MLflow leaves an `mlruns` wherever it stands
        for title, store in (("SQLite in a file", file_store), ("mlflow server", server)):
            (scratch / title).mkdir()
            with store(scratch / title) as (uri, database):
                place = Place(uri, database, scratch / title)
                try:
                    texts.append(table(title, *measure(place, given.rounds, given.steps)))
                finally:
                    place.close()
        os.chdir("/")
    versions = f"MLflow {mlflow.__version__}, TensorFlow {tf.__version__}"
    text = f"{versions}, Python {sys.version.split()[0]}, {os.cpu_count()} cores\n\n"
    text += "\n".join(texts)
    print(text)
    if given.out:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
