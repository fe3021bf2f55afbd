"""Which axes of a variable the weights of one output unit span, layer by layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients.units import axes_of
from gradgate.training.weights import weights_of

L = keras.layers


def _built(layer, *shape):
    """Returns the weights of a layer in a model, by the variable's name, with their axes."""
    x = keras.Input(shape)
    model = keras.Model(x, layer(x, x) if "Attention" in type(layer).__name__ else layer(x))
    return _axes(model)


def _axes(model):
    variables = model.trainable_variables
    weights = weights_of(model, variables)
    return {
        "/".join(variable.path.split("/")[1:]): axes_of(tf.zeros(variable.shape), weight)
        for variable, weight in zip(variables, weights, strict=True)
    }


# name: layer, shape of one example, then for each variable its shape and the axes of a unit.
LAYERS = {
    "Dense": (L.Dense(3), (2,), {"kernel": ((2, 3), (0,)), "bias": ((3,), (0,))}),
    "Conv1D": (L.Conv1D(5, 2), (8, 4), {"kernel": ((2, 4, 5), (0, 1)), "bias": ((5,), (0,))}),
    "Conv2D": (L.Conv2D(5, 2), (8, 8, 4), {"kernel": ((2, 2, 4, 5), (0, 1, 2))}),
    "Conv3D": (L.Conv3D(5, 2), (8, 8, 8, 4), {"kernel": ((2, 2, 2, 4, 5), (0, 1, 2, 3))}),
    # The output stands before the input.
    "Conv1DTranspose": (L.Conv1DTranspose(5, 2), (8, 4), {"kernel": ((2, 5, 4), (0, 2))}),
    "Conv2DTranspose": (L.Conv2DTranspose(5, 2), (8, 8, 4), {"kernel": ((2, 2, 5, 4), (0, 1, 3))}),
    # Each channel has filters of its own.
    "DepthwiseConv1D": (
        L.DepthwiseConv1D(2, depth_multiplier=3),
        (8, 4),
        {"kernel": ((2, 4, 3), (0,)), "bias": ((12,), (0,))},
    ),
    "DepthwiseConv2D": (
        L.DepthwiseConv2D(2, depth_multiplier=3),
        (8, 8, 4),
        {"kernel": ((2, 2, 4, 3), (0, 1))},
    ),
    "SeparableConv1D": (
        L.SeparableConv1D(5, 2),
        (8, 4),
        {"depthwise_kernel": ((2, 4, 1), (0,)), "pointwise_kernel": ((1, 4, 5), (0, 1))},
    ),
    "SeparableConv2D": (
        L.SeparableConv2D(5, 2),
        (8, 8, 4),
        {"depthwise_kernel": ((2, 2, 4, 1), (0, 1)), "pointwise_kernel": ((1, 1, 4, 5), (0, 1, 2))},
    ),
    "EinsumDense": (
        L.EinsumDense("ab,bc->ac", output_shape=3, bias_axes="c"),
        (2,),
        {"kernel": ((2, 3), (0,)), "bias": ((3,), (0,))},
    ),
    "EinsumDense of two inputs": (
        L.EinsumDense("abc,bcd->ad", output_shape=5),
        (2, 3),
        {"kernel": ((2, 3, 5), (0, 1))},
    ),
    "EinsumDense with the output first": (
        L.EinsumDense("...b,cb->...c", output_shape=5),
        (2, 3),
        {"kernel": ((5, 3), (1,))},
    ),
    "EinsumDense of each place": (  # a is in the output too: each a has units of its own
        L.EinsumDense("xab,abc->xac", output_shape=(2, 5)),
        (2, 3),
        {"kernel": ((2, 3, 5), (1,))},
    ),
    "MultiHeadAttention": (
        L.MultiHeadAttention(2, 3),
        (8, 4),
        {
            "query/kernel": ((4, 2, 3), (0,)),
            "query/bias": ((2, 3), (0,)),
            "key/kernel": ((4, 2, 3), (0,)),
            "value/kernel": ((4, 2, 3), (0,)),
            # From all heads: [head, size, output].
            "attention_output/kernel": ((2, 3, 4), (0, 1)),
            "attention_output/bias": ((4,), (0,)),
        },
    ),
    "GroupQueryAttention": (
        L.GroupQueryAttention(3, 4, 2),
        (8, 5),
        {
            "query/kernel": ((5, 4, 3), (0,)),
            "key/kernel": ((5, 2, 3), (0,)),
            "attention_output/kernel": ((4, 3, 5), (0, 1)),
        },
    ),
    # Columns: a gate of a unit each.
    "LSTM": (
        L.LSTM(3),
        (8, 4),
        {
            "lstm_cell/kernel": ((4, 12), (0,)),
            "lstm_cell/recurrent_kernel": ((3, 12), (0,)),
            "lstm_cell/bias": ((12,), (0,)),
        },
    ),
    "GRU": (
        L.GRU(3),
        (8, 4),
        {"gru_cell/kernel": ((4, 9), (0,)), "gru_cell/bias": ((2, 9), (0,))},
    ),
    "Bidirectional": (
        L.Bidirectional(L.LSTM(3, name="both")),
        (8, 4),
        {
            "forward_both/lstm_cell/kernel": ((4, 12), (0,)),
            "backward_both/lstm_cell/recurrent_kernel": ((3, 12), (0,)),
        },
    ),
    "ConvLSTM1D": (
        L.ConvLSTM1D(3, 2),
        (6, 8, 4),
        {
            "conv_lstm_cell/kernel": ((2, 4, 12), (0, 1)),
            "conv_lstm_cell/recurrent_kernel": ((2, 3, 12), (0, 1)),
        },
    ),
    "BatchNormalization": (
        L.BatchNormalization(),
        (4,),
        {"gamma": ((4,), (0,)), "beta": ((4,), (0,))},
    ),
    "TimeDistributed": (L.TimeDistributed(L.Dense(3)), (8, 4), {"kernel": ((4, 3), (0,))}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_axes_of_one_unit(name):
    layer, shape, expected = LAYERS[name]
    layer = type(layer).from_config(layer.get_config())
    found = _built(layer, *shape)
    shapes = {"/".join(v.path.split("/")[1:]): tuple(v.shape) for v in layer.trainable_variables}
    for variable, (size, axes) in expected.items():
        path = next(path for path in found if path.endswith(variable))
        assert shapes[path] == size
        assert found[path] == axes


def test_each_row_of_an_embedding_is_a_unit():
    words = keras.Input((8,), dtype="int32")
    model = keras.Model(words, L.Dense(2)(L.Embedding(5, 3)(words)))
    variables = model.trainable_variables
    embeddings, kernel, bias = weights_of(model, variables)
    assert embeddings.is_embedding
    assert not kernel.is_embedding
    assert not bias.is_embedding
    assert axes_of(tf.zeros([5, 3]), embeddings) == (1,)
    slices = tf.IndexedSlices(tf.zeros([2, 3]), tf.constant([0, 4]), tf.constant([5, 3]))
    assert axes_of(slices, embeddings) == (1,)


def _last(model):
    variables = model.trainable_variables
    weights = weights_of(model, variables)
    return [v.path for v, w in zip(variables, weights, strict=True) if w.is_last_layer]


def test_the_last_layer_is_that_of_the_last_matrix_with_its_bias():
    layers = [L.Dense(3, name="first"), L.Dense(2, name="top"), L.LayerNormalization(name="norm")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    assert [path.split("/")[-2:] for path in _last(model)] == [["top", "kernel"], ["top", "bias"]]


def test_the_last_layer_is_found_inside_of_a_model_in_a_model():
    head = keras.Sequential([keras.Input((3,)), L.Dense(3), L.Dense(2, name="top")], name="head")
    model = keras.Sequential([keras.Input((4,)), L.Dense(3), head])
    assert [path.split("/")[-2:] for path in _last(model)] == [["top", "kernel"], ["top", "bias"]]


def test_it_is_found_in_a_subclassed_model_too():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.top = L.Dense(3), L.Dense(2, use_bias=False, name="top")

        def call(self, x):
            return self.top(self.first(x))

    model = Own()
    model(np.zeros((1, 4), np.float32))
    assert [path.split("/")[-2:] for path in _last(model)] == [["top", "kernel"]]


def test_without_a_matrix_no_layer_is_the_last():
    model = keras.Sequential([keras.Input((4,)), L.BatchNormalization()])
    assert _last(model) == []


def test_frozen_layers_are_none_of_it():
    layers = [L.Dense(3, name="first"), L.Dense(2, name="frozen", trainable=False)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    assert {path.split("/")[-2] for path in _last(model)} == {"first"}


def test_a_variable_that_is_in_no_layer_goes_by_its_rank():
    class Own(L.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=(4, 2, 3), name="table")

        def call(self, x):
            return x * keras.ops.sum(self.table)

    model = keras.Sequential([keras.Input((4,)), Own()])
    stranger = keras.Variable(np.zeros((2, 3), np.float32))
    own, other = weights_of(model, [*model.trainable_variables, stranger])
    assert axes_of(tf.zeros([4, 2, 3]), own) == (0,)
    assert axes_of(tf.zeros([2, 3]), other) == (0,)
    assert isinstance(own.value, tf.Variable)
    assert own.value.shape == (4, 2, 3)
