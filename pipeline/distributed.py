"""Trains one model on several machines, each a process of this program; the chief leaves a record.

    python -m pipeline.distributed --output /gradgate/run-1 --steps 500

The processes find each other by TF_CONFIG, which Kubeflow's training operator sets in the pods of a
TFJob (`kubeflow/tfjob.yaml`); without it the program trains alone. Each reads its own share of the
rows. The chief leaves OUTPUT/record and OUTPUT/model/Format-Serving, the others nothing.
"""

import argparse
import csv
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import gradgate
from pipeline.data import find_table

FEATURES = ("fare", "trip_miles", "trip_seconds", "trip_start_hour", "trip_start_day")
LABEL = "big_tipper"
_FLUSH_STEPS = 50


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains."""
    asked = _parse(arguments)
    strategy: Any = tf.distribute.get_strategy()
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    x, y = read_table(asked.data or find_table())
    big = float(y.mean())
    with strategy.scope():
        model = build_model(x.shape[1])
        optimizer = keras.optimizers.Adam(0.005)
        optimizer.build(model.trainable_variables)
    with gradgate.instrument(
        model,
        asked.output / "record",
        optimizers=optimizer,
        clip=gradgate.ClipByGlobalNorm(max_norm=1.0),
        planned_steps=asked.steps,
        constant_loss=-(big * math.log(big) + (1 - big) * math.log(1 - big)),  # the labels' entropy
        watch=gradgate.WatchLimits(
            silence_seconds=asked.silence_seconds,
            hang_seconds=asked.hang_seconds,
            grace_seconds=asked.grace_seconds,
        ),
    ) as guard:
        train(strategy, model, optimizer, guard, batches(strategy, x, y), asked.steps)
        # All of them export, as TensorFlow asks for: some variables are summed for it. The chief's
        # is the model.
        with tempfile.TemporaryDirectory() as scratch:
            folder = asked.output / "model" / "Format-Serving" if guard.is_chief else Path(scratch)
            model.export(folder, verbose=False)
            if guard.is_chief:
                guard.bind(folder)


def train(
    strategy: Any, model: keras.Model, optimizer: Any, guard: Any, data: Any, steps: int
) -> None:
    """The loop: Keras 3 cannot `fit` with several workers."""
    replicas = strategy.num_replicas_in_sync
    loss_of = keras.losses.BinaryCrossentropy(from_logits=True)

    def step(x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True)) / replicas
            scaled = optimizer.scale_loss(loss)
        variables = model.trainable_variables
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    @tf.function
    def run(x: Any, y: Any) -> None:
        strategy.run(step, args=(x, y))

    for number, (x, y) in zip(range(steps), data, strict=False):
        run(x, y)
        if (number + 1) % _FLUSH_STEPS == 0:
            guard.flush()
        if guard.stopped:
            break


def batches(strategy: Any, x: NDArray[np.float32], y: NDArray[np.float32]) -> Any:
    """Batches of 64 rows a replica, without end: each process has every n-th row to itself."""

    def of_process(context: tf.distribute.InputContext) -> tf.data.Dataset:
        count, number = context.num_input_pipelines, context.input_pipeline_id
        rows = tf.data.Dataset.from_tensor_slices((x[number::count], y[number::count]))
        rows = rows.shuffle(len(x), seed=number).repeat()
        return rows.batch(context.get_per_replica_batch_size(64 * strategy.num_replicas_in_sync))

    return iter(strategy.distribute_datasets_from_function(of_process))


def build_model(width: int) -> keras.Model:
    """Returns two hidden ReLU layers and one logit."""
    layers = [
        keras.layers.Dense(16, "relu", kernel_initializer="he_normal", name=f"dense_{number}")
        for number in (1, 2)
    ]
    logit = keras.layers.Dense(1, name=LABEL)
    return keras.Sequential([keras.Input([width]), *layers, logit], name="taxi")


def read_table(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns standardised features [n, k], what is missing as 0, and labels [n, 1]."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    x = np.array([[float(row[name] or "nan") for name in FEATURES] for row in rows])
    x = (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0)
    y = np.array([[float(row[LABEL])] for row in rows])
    return np.nan_to_num(x).astype(np.float32), y.astype(np.float32)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder that all processes see")
    parser.add_argument("--data", type=Path, help="CSV file; the taxi table unless named")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--silence-seconds", type=float, default=60.0)
    parser.add_argument("--hang-seconds", type=float, default=1800.0)
    parser.add_argument("--grace-seconds", type=float, default=30.0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
