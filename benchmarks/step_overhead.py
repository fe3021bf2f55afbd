"""What the instrumented step costs: a ratio to the same `fit` with `tf.clip_by_global_norm` alone.

Both train in one process, in turns, and the ratio is the median over rounds of paired CPU times
(all threads), so that other work on the machine strikes both alike. The row "same thing twice" is
the baseline against itself: what a ratio means on this machine today.

    python benchmarks/step_overhead.py [--rounds 15] [--only "tiny MLP"]
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from gradgate.gradients import ClipByGlobalNorm
from gradgate.training import instrument

_LAYERS = keras.layers
_MAX_NORM = 1.0


class ClippingAdam(keras.optimizers.Adam):
    """The baseline: the stock clip in the stock optimizer, and nothing else."""

    def apply(self, grads, trainable_variables=None):
        """Clips, then applies."""
        grads, _ = tf.clip_by_global_norm(grads, _MAX_NORM)
        super().apply(grads, trainable_variables)


def tiny_mlp():
    """9k parameters: all overhead and no arithmetic."""
    return _dense(features=64, hidden=(64, 64), classes=10), _numbers(64), 400


def wide_mlp():
    return _dense(features=512, hidden=(2048, 2048), classes=10), _numbers(512), 25


def lstm():
    model = keras.Sequential(
        [
            keras.Input((32,), dtype="int32"),
            _LAYERS.Embedding(5000, 64),
            _LAYERS.LSTM(64),
            _LAYERS.Dense(10, "softmax"),
        ]
    )
    return model, lambda n: np.random.default_rng(1).integers(0, 5000, (n, 32)), 60


def small_cnn():
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            _LAYERS.Conv2D(16, 3, activation="relu"),
            _LAYERS.MaxPooling2D(),
            _LAYERS.Conv2D(32, 3, activation="relu"),
            _LAYERS.MaxPooling2D(),
            _LAYERS.Flatten(),
            _LAYERS.Dense(10, "softmax"),
        ]
    )
    return model, lambda n: _numbers(28 * 28)(n).reshape(n, 28, 28, 1), 60


def _dense(*, features, hidden, classes):
    return keras.Sequential(
        [
            keras.Input((features,)),
            *(_LAYERS.Dense(units, "relu") for units in hidden),
            _LAYERS.Dense(classes, "softmax"),
        ]
    )


def _numbers(features):
    return lambda n: np.random.default_rng(1).normal(size=(n, features)).astype("float32")


MODELS = {
    "tiny MLP": tiny_mlp,
    "wide MLP": wide_mlp,
    "LSTM with Embedding": lstm,
    "small CNN": small_cnn,
}


class Training:
    """A model that trains on the same data, a fixed number of steps a round."""

    def __init__(self, build: Callable, optimizer: keras.optimizers.Optimizer, batch: int = 32):
        keras.utils.set_random_seed(1)
        self.model, inputs, self.steps = build()
        self.model.compile(
            optimizer=optimizer, loss="sparse_categorical_crossentropy", jit_compile=False
        )
        x = inputs(batch * 8)
        y = np.random.default_rng(2).integers(0, 10, len(x))
        self._data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch).cache().repeat()

    def seconds(self) -> float:
        """Trains one round; returns the CPU time that it took."""
        start = time.process_time()
        self.model.fit(self._data, steps_per_epoch=self.steps, verbose=0)
        return time.process_time() - start


def measure(build: Callable, rounds: int, folder: Path) -> tuple[float, float, float]:
    """Returns ms of CPU a baseline step, the ratio of the baseline to itself, and ours to it."""
    ours = Training(build, keras.optimizers.Adam())
    trainings = [Training(build, ClippingAdam()), Training(build, ClippingAdam()), ours]
    times: list[list[float]] = [[], [], []]
    with instrument(ours.model, folder, clip=ClipByGlobalNorm(max_norm=_MAX_NORM)):
        for number in range(rounds + 2):
            for index in sorted(range(3), key=lambda index: (index + number) % 3):
                seconds = trainings[index].seconds()
                if number >= 2:  # two rounds to warm up: tracing, caches
                    times[index].append(seconds)
    plain, again, guarded = times
    return (
        statistics.median(plain) / ours.steps * 1e3,
        _paired(again, plain),
        _paired(guarded, plain),
    )


def _paired(times: list[float], base: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(times, base, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="paired measurements a model")
    parser.add_argument("--only", choices=MODELS, help="one model instead of all")
    arguments = parser.parse_args()
    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}, {os.cpu_count()} cores"
    print(f"CPU time relative to the clip alone; median of {arguments.rounds} rounds; {versions}")
    print()
    print("| model | parameters | step with the clip alone | same thing twice | instrumented |")
    print("|---|---|---|---|---|")
    for name, build in MODELS.items():
        if arguments.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                base, again, ours = measure(build, arguments.rounds, Path(folder, "record"))
            size = build()[0].count_params()
            print(f"| {name} | {size:,} | {base:.2f} ms | {again:.3f} | {ours:.3f} |", flush=True)


if __name__ == "__main__":
    main()
