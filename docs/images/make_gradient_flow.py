"""Makes the pictures of gradient flow and loss that the guides show, of two real trainings.

    python docs/images/make_gradient_flow.py

Each trains a net of 40 layers for 240 steps: one whose initialiser is too small for its depth, and
a sound one where the bias of one layer is set to exactly 0 at step 120, where the norm that its
penalty takes has no derivative: 0 / 0.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from gradgate.training import instrument

_HERE = Path(__file__).parent
_UNITS, _BATCH, _STEPS, _AT = 32, 64, 240, 120


def _data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(1).normal(size=(_BATCH * _STEPS, _UNITS)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.float32)


def _net(
    activation: str, initializer: str | keras.Initializer, penalised: int | None = None
) -> keras.Model:
    x = inputs = keras.Input([_UNITS])
    for i in range(39):
        x = keras.layers.Dense(
            _UNITS,
            activation,
            kernel_initializer=initializer,
            bias_initializer=keras.initializers.RandomNormal(stddev=0.05),
            bias_regularizer=_GroupLasso() if i == penalised else None,
            name=f"dense_{i}",
        )(x)
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid", name="head")(x), name="net")
    model.compile(keras.optimizers.Adam(3e-4), "binary_crossentropy")
    return model


class _GroupLasso(keras.Regularizer):
    """Penalises the norm of a variable, which has no derivative at 0."""

    def __call__(self, variable: tf.Tensor) -> tf.Tensor:
        return 1e-3 * tf.norm(variable)


class _Prune(keras.callbacks.Callback):
    """Sets a layer's bias to 0 before a step."""

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        if self.model.optimizer.iterations == _AT:
            bias = self.model.get_layer("dense_10").bias
            bias.assign(tf.zeros_like(bias))


def _draw(model: keras.Model, folder: Path, *callbacks: keras.callbacks.Callback) -> Path:
    data = tf.data.Dataset.from_tensor_slices(_data()).batch(_BATCH)
    with instrument(model, folder / "record", seed=1, statistics_every=10):
        model.fit(data, epochs=4, steps_per_epoch=_STEPS // 4, verbose=0, callbacks=[*callbacks])
    program = [sys.executable, "-m", "gradgate"]
    check = ["check", "record", "--training-only", "--format", "json", "--out", "verdict.json"]
    subprocess.run([*program, *check], cwd=folder, check=False)
    plots = ["plots", "record", "--verdict", "verdict.json"]
    subprocess.run([*program, *plots], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "plots"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        keras.utils.set_random_seed(1)
        small = keras.initializers.RandomNormal(stddev=0.11)
        plots = _draw(_net("tanh", small), Path(name, "vanishing"))
        shutil.copy(plots / "gradient-flow.svg", _HERE / "gradient-flow-vanishing.svg")
        keras.utils.set_random_seed(1)
        plots = _draw(_net("selu", "lecun_normal", penalised=10), Path(name, "nan"), _Prune())
        for picture in ("gradient-flow", "loss"):
            shutil.copy(plots / f"{picture}.svg", _HERE / f"{picture}-nan.svg")


if __name__ == "__main__":
    main()
