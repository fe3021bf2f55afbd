"""Makes the pictures of how gradients reach the first layers of a deep net, of real trainings.

    python docs/images/make_depth.py

The same net of 20 layers learns the 1,797 digits that scikit-learn ships, four times: with
sigmoids, and with one thing changed each. Says the table that docs/gradient-flow.md shows.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from gradgate.gate import Evidence
from gradgate.gate.plots import draw_pictures
from gradgate.gate.plots.scales import log_scale, short
from gradgate.gate.plots.sheet import Sheet
from gradgate.gate.render.picture import Picture
from gradgate.telemetry.concatenate import concatenate
from gradgate.telemetry.reader import open_record
from gradgate.training import instrument, reproducible

_HERE = Path(__file__).parent
_DEPTH, _UNITS, _EPOCHS, _BATCH = 20, 32, 30, 64
Block = Callable[[tf.Tensor, int], tf.Tensor]


def _dense(
    number: int, activation: str | None, initializer: str = "glorot_uniform"
) -> layers.Dense:
    return layers.Dense(
        _UNITS, activation, kernel_initializer=initializer, name=f"dense_{number:02d}"
    )


def _sigmoid(x: tf.Tensor, number: int) -> tf.Tensor:
    return _dense(number, "sigmoid")(x)


def _relu(x: tf.Tensor, number: int) -> tf.Tensor:
    return _dense(number, "relu", "he_normal")(x)


def _normalised(x: tf.Tensor, number: int) -> tf.Tensor:
    x = layers.BatchNormalization(name=f"norm_{number:02d}")(_dense(number, None)(x))
    return layers.Activation("sigmoid", name=f"sigmoid_{number:02d}")(x)


def _residual(x: tf.Tensor, number: int) -> tf.Tensor:
    made = _dense(number, "sigmoid")(x)
    return layers.Add(name=f"add_{number:02d}")([x, made]) if number else made


NETS: dict[str, tuple[str, Block]] = {
    "sigmoid": ("sigmoid, Glorot", _sigmoid),
    "relu": ("ReLU, He", _relu),
    "batch-norm": ("sigmoid, BatchNorm", _normalised),
    "residual": ("sigmoid, residuals", _residual),
}


def _net(block: Block) -> keras.Model:
    x = inputs = keras.Input([64])
    for number in range(_DEPTH):
        x = block(x, number)
    model = keras.Model(inputs, layers.Dense(10, name="head")(x), name="net")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return model


def _train(block: Block, folder: Path) -> tuple[NDArray[np.float64], float, str]:
    """Returns the median norm of each kernel's gradient, the accuracy, and the heat map."""
    reproducible(1)
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((x[:1400], y[:1400])).shuffle(1400).batch(_BATCH)
    model = _net(block)
    with instrument(model, folder, statistics_every=25):
        model.fit(data, epochs=_EPOCHS, verbose=0)
    record = open_record(folder)
    norms = concatenate(list(record.batches())).norms
    kernels = [
        index
        for index, variable in enumerate(record.card.variables)
        if variable.path.endswith("/kernel")
    ]
    accuracy = model.evaluate(x[1400:], y[1400:], verbose=0)[1]
    flow = next(p for p in draw_pictures(Evidence.of(record)) if p.name == "gradient-flow")
    return np.median(norms[:, kernels], axis=0), accuracy, flow.file()


def _draw(curves: dict[str, NDArray[np.float64]]) -> str:
    """The norm over the depth of all nets, as one picture in the style of the others."""
    sheet = Sheet(912.0, 320.0)
    left, right, top, bottom = 56.0, 898.0, 84.0, 278.0
    scale = log_scale(np.concatenate(list(curves.values())))
    sheet.text("title", 0, 15, "How much of the gradient reaches each layer")
    about = "Median norm of each kernel's gradient over all steps: 20 layers, then the head."
    sheet.text("soft", 0, 33, about)
    for share, text in scale.ticks(6):
        y = bottom - share * (bottom - top)
        sheet.line("grid", left, y, right, y)
        sheet.text("soft", left - 6, y + 4, text, end="end")
    sheet.line("axis", left, bottom, right, bottom)
    places = np.linspace(left + 12, right - 12, _DEPTH + 1)
    for number, x in enumerate(places.tolist()):
        name = "head" if number == _DEPTH else str(number)
        sheet.text("soft", x, bottom + 16, name, end="middle")
    sheet.text("soft", 0, bottom + 16, "layer")
    for i, (name, norms) in enumerate(curves.items()):
        ys = bottom - scale.share(norms) * (bottom - top)
        kind = f"line s{i + 1}"
        sheet.polyline(kind, list(zip(places.tolist(), ys.tolist(), strict=True)))
        x = left + i * 214
        sheet.line(kind, x, 56, x + 22, 56)
        sheet.text("soft", x + 28, 60, NETS[name][0])
    return Picture.of(sheet, name="depth", title="Gradient by depth").file()


def main() -> None:
    curves, rows = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for name, (title, block) in NETS.items():
            norms, accuracy, flow = _train(block, Path(folder, name))
            curves[name] = norms
            _HERE.joinpath(f"depth-{name}.svg").write_text(flow)
            ratio = short(float(norms[0] / norms[-1]))
            first, head = short(float(norms[0])), short(float(norms[-1]))
            rows.append(f"| {title} | {first} | {head} | {ratio} | {accuracy:.0%} |")
    _HERE.joinpath("depth.svg").write_text(_draw(curves))
    head = "| net | first layer | head | first over head | accuracy on 397 digits held out |"
    sys.stdout.write("\n".join([head, "|---|---:|---:|---:|---:|", *rows, ""]))


if __name__ == "__main__":
    main()
