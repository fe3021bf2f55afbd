"""The models that the step's cost is measured on, each with data that it can train on."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

_LAYERS = keras.layers
CLASSES, BATCH = 10, 32
# Labels are random, so a model learns them by heart from a few batches: then the loss is 1e-7, and
# the norm, rounding by then, leaps by powers of 10, which no training that anybody keeps does.
_BATCHES = 256


@dataclasses.dataclass(frozen=True)
class Sample:
    """A model to train: layers, inputs, and how many steps make a round of measuring.

    A round is a multiple of 50 steps, so that it holds as many samples as any other.
    """

    layers: Callable[[keras.KerasTensor], keras.KerasTensor]
    inputs: Callable[[int], np.ndarray]
    steps: int

    def build(self, kind: type[keras.Model] = keras.Model) -> keras.Model:
        """Returns a model of the given class, with the same weights every time."""
        keras.utils.set_random_seed(1)
        x = self.inputs(1)
        inputs = keras.Input(x.shape[1:], dtype=str(x.dtype))
        outputs = _LAYERS.Dense(CLASSES, "softmax")(self.layers(inputs))
        return kind(inputs, outputs)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns inputs and labels, batch by batch: [batches, BATCH, ...] and [batches, BATCH]."""
        labels = np.random.default_rng(2).integers(0, CLASSES, (_BATCHES, BATCH))
        inputs = self.inputs(labels.size)
        return inputs.reshape(*labels.shape, *inputs.shape[1:]), labels


def _dense(*hidden: int) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    def layers(x: keras.KerasTensor) -> keras.KerasTensor:
        for units in hidden:
            x = _LAYERS.Dense(units, "relu")(x)
        return x

    return layers


def _lstm(x: keras.KerasTensor) -> keras.KerasTensor:
    return _LAYERS.LSTM(64)(_LAYERS.Embedding(5000, 64)(x))


def _cnn(x: keras.KerasTensor) -> keras.KerasTensor:
    for filters in (16, 32):
        x = _LAYERS.Conv2D(filters, 3, activation="relu")(x)
        x = _LAYERS.MaxPooling2D()(x)
    return _LAYERS.Flatten()(x)


def _transformer(x: keras.KerasTensor) -> keras.KerasTensor:
    x = _LAYERS.Embedding(5000, 64)(x)
    for _ in range(2):
        attended = _LAYERS.MultiHeadAttention(4, 16)(x, x)
        x = _LAYERS.LayerNormalization()(_LAYERS.Add()([x, attended]))
        passed = _LAYERS.Dense(64)(_LAYERS.Dense(256, "relu")(x))
        x = _LAYERS.LayerNormalization()(_LAYERS.Add()([x, passed]))
    return _LAYERS.GlobalAveragePooling1D()(x)


def _numbers(*shape: int) -> Callable[[int], np.ndarray]:
    return lambda n: np.random.default_rng(1).normal(size=(n, *shape)).astype(np.float32)


def _tokens(length: int) -> Callable[[int], np.ndarray]:
    return lambda n: np.random.default_rng(1).integers(0, 5000, (n, length)).astype(np.int32)


MODELS = {
    "tiny MLP": Sample(_dense(64, 64), _numbers(64), steps=400),  # all overhead
    "20M MLP": Sample(_dense(2048, 4096, 2048), _numbers(1536), steps=50),
    "LSTM": Sample(_lstm, _tokens(32), steps=50),
    "CNN": Sample(_cnn, _numbers(28, 28, 1), steps=100),
    "transformer": Sample(_transformer, _tokens(32), steps=50),
}
