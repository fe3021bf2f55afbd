"""One worker of a MultiWorkerMirroredStrategy, or the training that all of them are to equal.

The loop is hand-written, since Keras 3 cannot `fit` with several workers.

Usage: worker.py FOLDER, with TF_CONFIG as TensorFlow has it. Leaves of each case FOLDER/case/N.npz,
with the number of the worker for N, or N.txt if it failed, and the record. Run by
test_multi_worker.py.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers import SGD, AdamW, LossScaleOptimizer

from gradgate.gradients import AutoClip, Centralize, ClipByGlobalNorm
from gradgate.training import instrument, reproducible

ONE = ClipByGlobalNorm(max_norm=1.0)
CHAIN = (Centralize(), AutoClip(percentile=50.0, history=4), ClipByGlobalNorm(max_norm=0.1))
PAIR = np.float32([[2, 3], [1, -1]]), np.float32([[6], [2]])  # a row for each worker
GREAT = PAIR[0], np.float32([[6], [2**21]])
NONE, SECOND_HALF, BATCH, REST = slice(0), slice(20, 24), slice(16, 24), slice(16, 64)


def spiky(*, nan: slice = NONE, drop: slice = NONE) -> tuple[Any, Any]:
    """Returns eight batches of 8 rows, the fourth one far out."""
    x = np.random.default_rng(3).normal(size=(64, 4)).astype(np.float32)
    x[24:32] *= 30
    y = x[:, :3] + 1
    x[nan] = np.nan
    return np.delete(x, drop, axis=0), np.delete(y, drop, axis=0)


def training(
    optimizer: Callable[[], Any],
    data: Any,
    *,
    plain: bool = False,
    epochs: int = 1,
    **guarding: Any,
) -> Callable[[Path], dict[str, Any]]:
    """A layer of as many outputs as the targets have, from zero."""

    def train(place: Path) -> dict[str, Any]:
        x, y = data
        with STRATEGY.scope():
            layer = keras.layers.Dense(y.shape[1], kernel_initializer="zeros", name="line")
            model = keras.Sequential([keras.Input((x.shape[1],)), layer], name="model")
            used = optimizer()
            used.build(model.trainable_variables)
        guard = None
        if not plain:
            settings = {"statistics_every": 0, **guarding}
            guard = instrument(model, place / "record", optimizers=used, **settings)
        replicas = STRATEGY.num_replicas_in_sync

        def step(x: Any, y: Any) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(x) - y)) / replicas
                scaled = used.scale_loss(loss)
            gradients = tape.gradient(scaled, [each.value for each in model.trainable_variables])
            used.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        @tf.function
        def run(x: Any, y: Any) -> None:
            STRATEGY.run(step, args=(x, y))

        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(min(8, len(x))).repeat(epochs)
        for x, y in STRATEGY.experimental_distribute_dataset(batches):
            run(x, y)
            if guard is not None:
                guard.flush()
                if guard.stopped:
                    break
        if guard is not None:
            guard.close()
        variables = [*model.weights, *used.variables]
        return {f"{number:03}": np.asarray(variable) for number, variable in enumerate(variables)}

    return train


def fitting(*, plain: bool) -> Callable[[Path], dict[str, Any]]:
    def train(place: Path) -> dict[str, Any]:
        with STRATEGY.scope():
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
            model.compile("sgd", "mean_squared_error")
        if not plain:
            instrument(model, place / "record")
        model.fit(*PAIR, verbose=0)
        return {}

    return train


def decaying() -> keras.optimizers.Optimizer:
    return AdamW(0.01, weight_decay=0.1, use_ema=True)


def accumulating() -> keras.optimizers.Optimizer:
    return SGD(0.01, gradient_accumulation_steps=2)


CASES = {
    "order": training(lambda: SGD(1.0), PAIR, clip=ONE, statistics_every=1),
    "clip": training(lambda: SGD(0.001, momentum=0.9), spiky(), clip=CHAIN),
    "record": training(decaying, spiky(nan=SECOND_HALF)),
    "skip": training(decaying, spiky(nan=SECOND_HALF), on_nonfinite="skip"),
    "stop": training(decaying, spiky(nan=SECOND_HALF), on_nonfinite="stop"),
    "scaled": training(
        lambda: LossScaleOptimizer(SGD(1.0), initial_scale=2.0**109), GREAT, epochs=4, clip=ONE
    ),
    "accumulation, Keras": training(accumulating, spiky(), plain=True),
    "accumulation": training(accumulating, spiky()),
    "fit, Keras": fitting(plain=True),
    "fit": fitting(plain=False),
}
ALONE = {
    "clip": CASES["clip"],
    "skip": training(decaying, spiky(drop=BATCH), plain=True),
    "stop": training(decaying, spiky(drop=REST), plain=True),
}
CLUSTER = json.loads(os.environ.get("TF_CONFIG", "{}"))
NUMBER = CLUSTER["task"]["index"] if CLUSTER else None
STRATEGY = tf.distribute.MultiWorkerMirroredStrategy() if CLUSTER else tf.distribute.get_strategy()


def main() -> None:
    folder = Path(sys.argv[1])
    reproducible(7)
    for name, case in (ALONE if NUMBER is None else CASES).items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        try:
            np.savez(place / f"{NUMBER}.npz", **case(place))
        except Exception:  # noqa: BLE001 - the test that wants it says so
            (place / f"{NUMBER}.txt").write_text(traceback.format_exc())


if __name__ == "__main__":
    main()
