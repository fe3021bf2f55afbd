"""The cell is that of the paper, and what goes round in it does not grow."""

import numpy as np
import pytest

from pipeline.quiet import hush

pytestmark = pytest.mark.half("first")  # plain Keras, no stack's own
hush()


def norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture
def cell():
    import keras

    from pipeline.modules.layer_norm_lstm import LayerNormLSTMCell

    keras.utils.set_random_seed(1)
    cell = LayerNormLSTMCell(3, activation="relu")
    cell.build((None, 2))
    return cell


def test_one_step_is_the_papers(cell):
    draw = np.random.default_rng(1).normal
    x, h, c = (draw(size=shape).astype("float32") for shape in ((4, 2), (4, 3), (4, 3)))
    out, (hidden, state) = cell(x, [h, c])
    sums = norm(x @ cell.kernel.numpy()) + norm(h @ cell.recurrent_kernel.numpy())
    i, f, g, o = np.split(sums + cell.bias.numpy(), 4, axis=-1)
    expected = sigmoid(f) * c + sigmoid(i) * np.maximum(g, 0)
    np.testing.assert_allclose(state, expected, rtol=1e-5)
    np.testing.assert_allclose(out, sigmoid(o) * np.maximum(norm(expected), 0), atol=1e-5)
    np.testing.assert_array_equal(out, hidden)


def test_a_recurrent_matrix_that_doubles_at_every_step_does_no_harm(cell):
    import keras

    words = np.ones([1, 200, 2], "float32")
    plain = keras.layers.LSTM(3, activation="relu", name="plain")
    steady = keras.layers.RNN(cell)
    out = {}
    for layer, inside in ((plain, plain.cell), (steady, cell)):
        layer(words)  # builds it
        inside.recurrent_kernel.assign(inside.recurrent_kernel * 0 + 4.0)
        out[layer.name] = layer(words).numpy()
    assert not np.isfinite(out["plain"]).all()
    assert np.abs(out[steady.name]).max() < 3
