"""What a program is: a compiled model, real data, and how to train the one on the other."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import gradgate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """One training.

    Attributes:
        model: Compiled; its weights are drawn by the seed.
        x: Inputs, [n, ...].
        y: Labels, [n] or [n, 1].
        clip: Clips that gradgate puts between gradient and optimizer.
        constant_loss: Of the best constant answer, where gradgate does not know it by itself.
        callbacks: What else `fit` calls.
    """

    model: keras.Model
    x: NDArray[Any]
    y: NDArray[Any]
    epochs: int = 8
    batch_size: int = 32
    clip: tuple[Any, ...] = ()
    constant_loss: float | None = None
    callbacks: tuple[keras.callbacks.Callback, ...] = ()

    def train(self, record: Path) -> None:
        """Trains as a user would, and leaves the health record in a new folder."""
        with gradgate.instrument(
            self.model, record, clip=self.clip, constant_loss=self.constant_loss
        ):
            self.model.fit(
                self.x,
                self.y,
                epochs=self.epochs,
                batch_size=self.batch_size,
                callbacks=list(self.callbacks),
                verbose=0,
            )


def dense(*layers: keras.Layer, seed: int) -> keras.Model:
    """Returns the layers one after the other, their weights drawn by the seed."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(layers, name="model")


def standardised(x: NDArray[Any]) -> NDArray[np.float32]:
    """Returns each column less its mean, over its standard deviation."""
    return ((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)).astype(np.float32)
