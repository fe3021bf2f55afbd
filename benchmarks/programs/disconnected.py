"""The branch that reads the image is cut off from the loss, by a stop of its gradient."""

from typing import Final

import keras

from programs.data import digits
from programs.program import Program

CAUSE: Final = "disconnected"


class StopGradient(keras.layers.Layer):
    """Lets nothing back to what is before it."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Returns its inputs."""
        return keras.ops.stop_gradient(inputs)


def sick(seed: int) -> Program:
    """With the stop."""
    return _program(seed, stop=True)


def cured(seed: int) -> Program:
    """Without it."""
    return _program(seed, stop=False)


def _program(seed: int, *, stop: bool) -> Program:
    x, y = digits()
    keras.utils.set_random_seed(seed)
    image = keras.Input((64,))
    features = keras.layers.Dense(64, "relu", name="features")(image)
    if stop:
        features = StopGradient()(features)
    output = keras.layers.Dense(10, "softmax", name="output")(features)
    model = keras.Model(image, output, name="model")
    model.compile(keras.optimizers.Adam(learning_rate=0.001), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)
