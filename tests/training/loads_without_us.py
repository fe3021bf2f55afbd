"""Loads what was saved where gradgate cannot be imported: FOLDER... -> arrays.npz in each."""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

sys.modules["gradgate"] = None  # every import of it fails from here on
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def load(folder: Path) -> dict[str, np.ndarray]:
    """Returns what the models give, hold, and go on to."""
    arrays = {}
    for path in (folder / "while.keras", folder / "after.keras"):
        model = keras.saving.load_model(path)
        arrays[f"{path.name} predicts"] = model(X).numpy()
        for number, variable in enumerate([*model.weights, *model.optimizer.variables]):
            arrays[f"{path.name} {number}"] = variable.numpy()
    model.fit(X, X[:, :1] > 0, shuffle=False, verbose=0)
    arrays[f"{path.name} goes on"] = model.get_weights()[0]
    for path in (folder / "while.saved", folder / "after.saved"):
        exported = tf.saved_model.load(path)
        arrays[f"{path.name} serves"] = exported.serve(X).numpy()
    arrays[f"{path.name} as a layer"] = keras.layers.TFSMLayer(path)(X).numpy()
    return arrays


if __name__ == "__main__":
    for given in map(Path, sys.argv[1:]):
        np.savez(given / "arrays.npz", **load(given))
