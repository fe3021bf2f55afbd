"""What a step costs where several processes train together: ratios to the same loop unwatched.

Two processes on loopback under MultiWorkerMirroredStrategy. All variants train in the same two
processes, in turns; a ratio is the median over rounds of paired times, of both processes' CPU and
of the wall clock. "Same thing twice" is the plain loop against itself: what a ratio means on this
machine.

    python benchmarks/several_workers.py [--rounds 15] [--models NAME ...] [--out FILE]
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_VARIANTS: dict[str, dict[str, Any] | None] = {
    "plain": None,
    "same thing twice": None,
    "always on": {"statistics_every": 0},
    "statistics every 50": {"statistics_every": 50},
}
# By name: hidden units, rows of each process, steps a round.
_MODELS = {"MLP, 9k": ((64, 64), 32, 200), "MLP, 2.4M": ((1024, 1024), 32, 50)}
_WARM_UP, _FEATURES = 2, 64
Times = tuple[float, float]  # CPU, wall


def main() -> None:
    """Starts two processes, or is one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--models", nargs="+", choices=_MODELS, default=list(_MODELS))
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker is not None:
        _work(asked.worker, asked.rounds, asked.models)
        return
    with tempfile.TemporaryDirectory() as folder:
        places = _addresses(2)
        given = ["--rounds", str(asked.rounds), "--models", *asked.models]
        running = [_start(number, places, folder, given) for number in range(2)]
        if any(process.wait() for process in running):
            raise SystemExit("several_workers: a process failed")
        found = [json.loads(Path(folder, f"{n}.json").read_text()) for n in range(2)]
    table = _table(*found)
    print(table)
    if asked.out:
        asked.out.write_text(table + "\n")


def _addresses(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return found


def _start(
    number: int, places: list[str], folder: str, given: list[str]
) -> "subprocess.Popen[bytes]":
    config = {"cluster": {"worker": places}, "task": {"type": "worker", "index": number}}
    command = [sys.executable, __file__, "--worker", folder, *given]
    return subprocess.Popen(command, env={**os.environ, "TF_CONFIG": json.dumps(config)})


def _work(folder: Path, rounds: int, models: list[str]) -> None:
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    number = strategy.cluster_resolver.task_id
    found: dict[str, dict[str, list[Times]]] = {}
    for model in models:
        units, rows, steps = _MODELS[model]
        trainings = {
            name: _training(strategy, units, rows, settings, folder / f"{model}-{name}")
            for name, settings in _VARIANTS.items()
        }
        times: dict[str, list[Times]] = {name: [] for name in trainings}
        for _ in range(_WARM_UP + rounds):
            for name, run in trainings.items():
                cpu, wall = time.process_time(), time.perf_counter()
                run(steps)
                times[name].append((time.process_time() - cpu, time.perf_counter() - wall))
        found[model] = {name: each[_WARM_UP:] for name, each in times.items()}
    (folder / f"{number}.json").write_text(json.dumps(found))
    os._exit(0)  # what is measured is over; TensorFlow's own end takes a minute


def _training(
    strategy: Any, units: tuple[int, ...], rows: int, settings: dict[str, Any] | None, folder: Path
) -> Callable[[int], None]:
    import keras
    import tensorflow as tf

    import gradgate

    with strategy.scope():
        hidden = [keras.layers.Dense(count, "relu") for count in units]
        model = keras.Sequential([keras.Input([_FEATURES]), *hidden, keras.layers.Dense(1)])
        optimizer = keras.optimizers.Adam()
        optimizer.build(model.trainable_variables)
    guard = None
    if settings is not None:
        guard = gradgate.instrument(model, folder, optimizers=optimizer, **settings)
    x = tf.random.stateless_normal([rows, _FEATURES], seed=[1, 2])
    y = tf.reduce_sum(x, axis=1, keepdims=True)
    replicas = strategy.num_replicas_in_sync

    def step() -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y)) / replicas
            scaled = optimizer.scale_loss(loss)
        variables = model.trainable_variables
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    step_of_all = tf.function(lambda: strategy.run(step), autograph=False)

    def run(steps: int) -> None:
        for _ in range(steps):
            step_of_all()
        if guard is not None:
            guard.flush()

    return run


def _table(*workers: dict[str, dict[str, list[Times]]]) -> str:
    lines = [
        "| model | variant | ms a step | CPU, ratio | wall, ratio |",
        "|---|---|---|---|---|",
    ]
    for model in workers[0]:
        steps = _MODELS[model][2]
        cpu, wall = {}, {}
        for name in _VARIANTS:
            both = list(zip(*(worker[model][name] for worker in workers), strict=True))
            cpu[name] = [sum(each[0] for each in pair) for pair in both]
            wall[name] = [max(each[1] for each in pair) for pair in both]
        for name in _VARIANTS:
            ms = 1e3 * statistics.median(wall[name]) / steps
            ratios = [_ratio(of[name], of["plain"]) for of in (cpu, wall)]
            lines.append(f"| {model} | {name} | {ms:.2f} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    return "\n".join(lines)


def _ratio(one: list[float], other: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


if __name__ == "__main__":
    main()
