"""Trainings under a MirroredStrategy of one or two replicas, and the same ones without it.

TensorFlow splits its CPU in two only before its first op, and two strategies in one process collide
in its collectives, so this runs in a process of its own.

Usage: replicas.py FOLDER REPLICAS. Leaves of each case FOLDER/case/found.npz, or error.txt, and its
record. Run by test_strategies.py.
"""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers import SGD, Adam, AdamW, LossScaleOptimizer

from gradgate.gradients import (
    AdaGC,
    AdaptiveGradientClip,
    AutoClip,
    Centralize,
    ClipByGlobalNorm,
    ClipByNorm,
    ClipByValue,
    NormalizeByGlobalNorm,
    NormalizeByNorm,
    ZClip,
)
from gradgate.training import instrument, reproducible

Found = dict[str, Any]
Case = Callable[[Path], Found]

ONE = ClipByGlobalNorm(max_norm=1.0)
# Limits so low, and memories so short, that each fires within eight steps.
CLIPS = {
    "ada_gc": AdaGC(ratio=1.05, decay=0.9, warmup=2, max_norm=0.2),
    "adaptive_gradient_clip": AdaptiveGradientClip(max_ratio=0.02, skip_last_layer=False),
    "auto_clip": AutoClip(percentile=50.0, history=4),
    "centralize": Centralize(),
    "clip_by_global_norm": ClipByGlobalNorm(max_norm=0.1),
    "clip_by_norm": ClipByNorm(max_norm=0.05),
    "clip_by_value": ClipByValue(max_abs=0.02),
    "normalize_by_global_norm": NormalizeByGlobalNorm(),
    "normalize_by_norm": NormalizeByNorm(),
    "z_clip": ZClip(z_threshold=1.5, decay=0.9, warmup=2, max_norm=None),
    "none": (),
    "chain": (Centralize(), ClipByValue(max_abs=0.05), AutoClip(percentile=50.0, history=4)),
}
# A row for each replica: see the hand calculation in test_strategies.py.
PAIR = ([[2.0, 3.0], [1.0, -1.0]], [[6.0], [2.0]])
EAGER = {"run_eagerly": True}
BATCH, SECOND_HALF, REST = slice(16, 24), slice(20, 24), slice(16, 64)  # batch 2 of 8


def main() -> None:
    folder, replicas = Path(sys.argv[1]), int(sys.argv[2])
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * replicas,
    )
    reproducible(7)
    devices = [f"CPU:{number}" for number in range(replicas)]
    trainings = Trainings(tf.distribute.MirroredStrategy(devices))
    cases = on_one_replica(trainings) if replicas == 1 else on_two_replicas(trainings)
    for name, case in cases.items():
        place = folder / name
        place.mkdir(parents=True)
        try:
            np.savez(place / "found.npz", **case(place))
        except Exception:  # noqa: BLE001 - the test that wants it says so
            (place / "error.txt").write_text(traceback.format_exc())


class Trainings:
    """Makes trainings of small models, under a strategy or under none."""

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self._strategy = strategy

    def line(self, optimizer: Callable[[], Any], x: Any, y: Any, **how: Any) -> Case:
        """One weight for each feature and a bias, from zero, or from one."""

        def make() -> keras.Model:
            layer = keras.layers.Dense(1, kernel_initializer=kernel, use_bias=use_bias, name="line")
            return keras.Sequential([keras.Input((len(x[0]),)), layer], name="model")

        kernel, use_bias = how.pop("kernel", "zeros"), how.pop("use_bias", True)
        return self._training(make, optimizer, x, y, **{"batch_size": len(x), **how})

    def three(
        self, optimizer: Callable[[], Any], *, nan: Any = None, drop: Any = None, **how: Any
    ) -> Case:
        """Three outputs of four features; eight batches of 8 rows, the fourth far out: a spike."""

        def make() -> keras.Model:
            layer = keras.layers.Dense(3, name="three")
            return keras.Sequential([keras.Input((4,)), layer], name="model")

        x = np.random.default_rng(3).normal(size=(64, 4)).astype(np.float32)
        x[24:32] *= 30
        y = x[:, :3] + 1
        if nan is not None:
            x[nan] = np.nan
        if drop is not None:
            x, y = np.delete(x, drop, axis=0), np.delete(y, drop, axis=0)
        return self._training(make, optimizer, x, y, **how)

    def words(self, optimizer: Callable[[], Any], **how: Any) -> Case:
        """A sparse gradient with rows that are looked up twice, on one replica and on both."""

        def make() -> keras.Model:
            layers = [
                keras.Input((3,), dtype="int32"),
                keras.layers.Embedding(5, 4, name="words"),
                keras.layers.Flatten(),
                keras.layers.Dense(1, name="output"),
            ]
            return keras.Sequential(layers, name="words")

        x = np.random.default_rng(3).integers(0, 4, (64, 3))  # word 4 is never looked up
        return self._training(make, optimizer, x, (x[:, :1] > 1).astype(np.float32), **how)

    def loop(self, folder: Path) -> Found:
        """The step is hand-written, and says its loss by `observe_loss`."""
        strategy = self._strategy
        with strategy.scope():
            layer = keras.layers.Dense(1, kernel_initializer="zeros", name="line")
            model = keras.Sequential([keras.Input((2,)), layer], name="model")
            optimizer = SGD(1.0)
            guard = instrument(model, folder / "record", optimizers=optimizer, clip=ONE)

        def step(x: Any, y: Any) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(x) - y)) / strategy.num_replicas_in_sync
            gradients = tape.gradient(loss, [each.value for each in model.trainable_variables])
            guard.observe_loss(loss)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        @tf.function
        def run(x: Any, y: Any) -> None:
            strategy.run(step, args=(x, y))

        data = tf.data.Dataset.from_tensor_slices(tuple(map(np.float32, PAIR))).batch(2)
        for x, y in strategy.experimental_distribute_dataset(data):
            run(x, y)
        guard.close()
        return _found(model.weights)

    def _training(
        self,
        make: Callable[[], keras.Model],
        optimizer: Callable[[], Any],
        x: Any,
        y: Any,
        *,
        loss: Any = "mean_squared_error",
        under_strategy: bool = True,
        plain: bool = False,
        epochs: int = 1,
        batch_size: int = 8,
        compiled: dict[str, Any] | None = None,
        **guarding: Any,
    ) -> Case:
        def train(folder: Path) -> Found:
            keras.utils.set_random_seed(5)
            strategy = self._strategy if under_strategy else tf.distribute.get_strategy()
            with strategy.scope():
                model = make()
                model.compile(optimizer(), loss, **{"jit_compile": False, **(compiled or {})})

            def fit() -> list[float]:
                how = {"batch_size": batch_size, "epochs": epochs, "shuffle": False, "verbose": 0}
                return model.fit(np.float32(x), np.float32(y), **how).history["loss"]

            if plain:
                losses = fit()
            else:
                settings = {"statistics_every": 0, **guarding}
                with instrument(model, folder / "record", **settings):
                    losses = fit()
            return {
                **_found([*model.weights, *model.optimizer.variables]),
                "losses": losses,
                "iterations": np.asarray(model.optimizer.iterations),
            }

        return train


def _found(variables: list[Any]) -> Found:
    return {f"{number:03}": np.asarray(variable) for number, variable in enumerate(variables)}


def _prediction(y: Any, y_pred: Any) -> Any:
    """A loss whose gradient is the input."""
    return keras.ops.mean(y_pred, axis=-1)


def _decaying() -> keras.optimizers.Optimizer:
    return AdamW(0.01, weight_decay=0.1, use_ema=True)


def _momentum() -> keras.optimizers.Optimizer:
    return SGD(0.001, momentum=0.9)


def _accumulating() -> keras.optimizers.Optimizer:
    return SGD(0.01, gradient_accumulation_steps=2)


def _averaging() -> keras.optimizers.Optimizer:
    return SGD(0.01, use_ema=True, ema_overwrite_frequency=3)


def _scaled(scale: float, learning_rate: float = 1.0) -> Callable[[], keras.optimizers.Optimizer]:
    return lambda: LossScaleOptimizer(SGD(learning_rate), initial_scale=scale)


def on_two_replicas(of: Trainings) -> dict[str, Case]:
    opposing = {"x": [[6.0], [-2.0]], "y": [[0.0], [0.0]], "loss": _prediction, "use_bias": False}
    uneven = {"x": [[1.0], [1.0], [1.0]], "y": [[1.0], [2.0], [6.0]], "batch_size": 2}
    great = {"x": PAIR[0], "y": [[6.0], [2.0**21]], "epochs": 4}
    nan = {"x": [[2.0, 3.0], [np.nan, 0.0]], "y": PAIR[1]}
    short = {"nan": SECOND_HALF, "clip": CLIPS["chain"], "on_nonfinite": "skip"}
    several = {"compiled": {"steps_per_execution": 4}}
    cases = {
        "order": of.line(lambda: SGD(1.0), *PAIR, clip=ONE),
        "loop": of.loop,
        "eager": of.line(lambda: SGD(1.0), *PAIR, clip=ONE, compiled=EAGER),
        "measured": of.line(lambda: SGD(0.1), *PAIR, kernel="ones", statistics_every=1),
        "moments": of.line(Adam, *PAIR, statistics_every=1),
        "moments, skip": of.line(Adam, *PAIR, statistics_every=1, on_nonfinite="skip"),
        "opposing": of.line(lambda: SGD(1.0), **opposing, clip=ONE),
        "opposing, Keras": of.line(lambda: SGD(1.0, global_clipnorm=1.0), **opposing, plain=True),
        "uneven": of.line(lambda: SGD(0.0), **uneven),
        "guarded": of.three(Adam, statistics_every=2),
        "plain": of.three(Adam, plain=True),
        "words on both": of.words(lambda: SGD(0.5), clip=ONE),
        "words on one": of.words(lambda: SGD(0.5), clip=ONE, under_strategy=False, compiled=EAGER),
        "record": of.three(_decaying, nan=SECOND_HALF, statistics_every=50),
        "skip": of.three(_decaying, nan=SECOND_HALF, on_nonfinite="skip"),
        "skip, without": of.three(_decaying, drop=BATCH, plain=True),
        "skip and clip": of.three(_decaying, **short),
        "skip and clip, without": of.three(_decaying, drop=BATCH, clip=CLIPS["chain"]),
        "stop": of.three(_decaying, nan=SECOND_HALF, on_nonfinite="stop", epochs=3),
        "stop, without": of.three(_decaying, drop=REST, plain=True),
        "eager skip": of.line(lambda: SGD(1.0), **nan, on_nonfinite="skip", compiled=EAGER),
        "eager several a call": of.three(Adam, compiled={**EAGER, "steps_per_execution": 4}),
        "scaled": of.line(_scaled(1024.0), *PAIR, clip=ONE),
        "scaled overflow": of.line(_scaled(2.0**109), **great, clip=ONE),
        "scaled overflow, Keras": of.line(_scaled(2.0**109), **great, plain=True),
        "accumulation, Keras": of.three(_accumulating, plain=True),
        "accumulation": of.three(_accumulating),
        "accumulation, eager": of.three(_accumulating, compiled=EAGER),
        "average, Keras": of.three(_averaging, plain=True),
        "average": of.three(_averaging),
        "several a call, Keras": of.three(SGD, plain=True, **several),
        "several a call": of.three(SGD, **several),
    }
    for policy in ("record", "skip", "stop"):
        cases[f"scaled {policy}"] = of.three(
            _scaled(1024.0, 0.001), nan=SECOND_HALF, on_nonfinite=policy
        )
    for name, clip in CLIPS.items():
        cases[f"{name} on both"] = of.three(_momentum, clip=clip)
        # Eagerly, which for so few steps is quicker than to trace them.
        cases[f"{name} on one"] = of.three(
            _momentum, clip=clip, under_strategy=False, compiled=EAGER
        )
    return cases


def on_one_replica(of: Trainings) -> dict[str, Case]:
    """What a MirroredStrategy is on a machine with one device."""
    several = {"steps_per_execution": 4}
    cases = {
        "skip, without": of.three(_decaying, drop=BATCH, plain=True),
        "stop, without": of.three(_decaying, drop=REST, plain=True),
        "several a call": of.three(_decaying, nan=BATCH, on_nonfinite="skip", compiled=several),
        "scaled skip": of.three(_scaled(1024.0, 0.001), nan=BATCH, on_nonfinite="skip"),
        "accumulation, Keras": of.three(_accumulating, plain=True),
        "accumulation": of.three(_accumulating),
        "accumulation, eager": of.three(_accumulating, compiled=EAGER),
        "accumulation, without": of.three(_accumulating, under_strategy=False, plain=True),
    }
    for policy in ("record", "skip", "stop"):
        cases[policy] = of.three(_decaying, nan=BATCH, on_nonfinite=policy)
    return cases


if __name__ == "__main__":
    main()
