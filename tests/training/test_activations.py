"""What a look at the activations tells, by hand, and that it changes nothing."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.training import reproducible
from gradgate.training.activations import LOOKS, ActivationProbe
from gradgate.training.hooks import names

L = keras.layers
NAN = np.float32("nan")


def _dense(units, activation, kernel, bias=0.0, **kwargs):
    return L.Dense(
        units,
        activation,
        kernel_initializer=keras.initializers.Constant(kernel),
        bias_initializer=keras.initializers.Constant(bias),
        **kwargs,
    )


def _looks(model, x, times=LOOKS):
    probe = ActivationProbe(model)
    for _ in range(times):
        numbers = probe.look(x)
    assert probe.unavailable == ""
    return probe, numbers


def _by_layer(probe, values):
    return {
        card.layer: float(value)
        for card, value in zip(probe.cards, values, strict=True)
        if not np.isnan(value)
    }


def _assert_equal(vector, expected):
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector, np.float32(expected))


# Two features, four units: z = x @ KERNEL. On x = [1, 0] it is [1, -1, 0, -2], on [0, 1] it is
# [-1, -1, 2, 0]. So after a ReLU: [1, 0, 0, 0] and [0, 0, 2, 0].
KERNEL = [[1.0, -1.0, 0.0, -2.0], [-1.0, -1.0, 2.0, 0.0]]
X = np.float32([[1, 0], [0, 1]])


@pytest.mark.parametrize(
    "layers",
    [
        [_dense(4, "relu", KERNEL)],
        [_dense(4, None, KERNEL), L.ReLU()],
        [_dense(4, None, KERNEL), L.Activation("relu")],
        [_dense(4, L.ReLU(), KERNEL)],
        [_dense(4, tf.nn.relu, KERNEL)],
    ],
    ids=["dense", "ReLU", "Activation", "a layer as activation", "TensorFlow's function"],
)
def test_a_unit_that_is_0_on_all_examples_is_dead(layers):
    model = keras.Sequential([keras.Input((2,)), *layers])
    probe, (zeros, dead, saturated, _) = _looks(model, X)
    assert [card.activation for card in probe.cards] == ["relu"]
    _assert_equal(zeros, [6 / 8])
    _assert_equal(dead, [2 / 4])
    _assert_equal(saturated, [NAN])


def test_before_8_looks_no_unit_is_called_dead():
    model = keras.Sequential([keras.Input((2,)), _dense(4, "relu", KERNEL)])
    _, (zeros, dead, _, _) = _looks(model, X, times=LOOKS - 1)
    _assert_equal(zeros, [6 / 8])
    _assert_equal(dead, [NAN])


def test_a_unit_that_lives_once_in_8_looks_is_not_dead():
    model = keras.Sequential([keras.Input((2,)), _dense(4, "relu", KERNEL)])
    probe = ActivationProbe(model)
    probe.look(np.float32([[-1, 0], [-1, 0]]))  # z = [-1, 1, 0, 2]: units 1 and 3 live here
    for _ in range(LOOKS - 1):
        _, dead, _, _ = probe.look(X)  # units 0 and 2 live here
    _assert_equal(dead, [0.0])
    _, dead, _, _ = probe.look(X)  # the first look is out of the window
    _assert_equal(dead, [2 / 4])


def test_saturation_of_tanh_and_sigmoid_begins_at_3_and_5():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            _dense(4, "tanh", np.eye(4), name="tanh"),
            L.Lambda(lambda x: keras.ops.arctanh(x) * 2),
            _dense(4, "sigmoid", np.eye(4), name="sigmoid"),
            _dense(1, None, 1.0),
        ]
    )
    # |z| > 3 in 2 of 4; then, doubled, |z| > 5 in 3 of 4.
    probe, (_, dead, saturated, _) = _looks(model, np.float32([[2.4, -2.6, 3.1, -3.2]] * 2))
    assert [card.activation for card in probe.cards] == ["tanh", "sigmoid"]
    _assert_equal(saturated, [0.5, 0.75])
    _assert_equal(dead, [NAN, NAN])


def test_what_the_model_gives_out_is_confident_and_not_saturated():
    model = keras.Sequential([keras.Input((1,)), _dense(2, "sigmoid", 10.0)])
    _, (zeros, _, saturated, _) = _looks(model, np.float32([[1]]))
    _assert_equal(zeros, [0.0])
    _assert_equal(saturated, [NAN])


def test_activations_without_a_zero_side_have_no_dead_units():
    names = ["leaky_relu", "elu", "selu", "gelu", "silu"]
    layers = [_dense(2, name, 1.0) for name in names] + [L.LeakyReLU(), L.PReLU(), L.ELU()]
    model = keras.Sequential([keras.Input((2,)), *layers])
    probe, (zeros, dead, saturated, _) = _looks(model, np.zeros((2, 2), np.float32))
    assert [card.activation for card in probe.cards] == [*names, "leaky_relu", "prelu", "elu"]
    _assert_equal(zeros, [1.0] * 8)  # each of them maps 0 to 0
    _assert_equal(dead, [NAN] * 8)
    _assert_equal(saturated, [NAN] * 8)


def test_softmax_linear_unnamed_functions_and_recurrent_gates_are_left_out():
    inputs = keras.Input((3, 2))
    x = L.LSTM(2, return_sequences=True)(inputs)
    x = L.Bidirectional(L.GRU(2))(x)
    x = L.Dense(2, lambda z: z + 1)(x)
    model = keras.Model(inputs, L.Softmax()(L.Dense(2, "softmax")(L.Dense(2)(x))))
    probe, (zeros, _, _, _) = _looks(model, np.zeros((2, 3, 2), np.float32))
    assert probe.cards == ()
    assert zeros.shape == (0,)
    assert sorted(probe.depths.values()) == [0, 1, 2, 3, 4, 5]


def test_a_layer_with_weights_that_is_called_twice_has_its_units_once():
    shared = _dense(4, "relu", KERNEL, name="shared")
    one, other = keras.Input((2,)), keras.Input((2,))
    model = keras.Model([one, other], L.Add()([shared(one), shared(other)]))
    # [1, 0] lets unit 0 live, [0, 1] unit 2: the other two are dead in both calls.
    probe, (zeros, dead, _, _) = _looks(model, [X[:1], X[1:]])
    assert [card.layer for card in probe.cards] == ["shared"]
    _assert_equal(zeros, [6 / 8])
    _assert_equal(dead, [2 / 4])


def test_a_relu_without_weights_stands_for_other_units_in_each_call():
    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.relu = L.ReLU(name="again")
            self.first = _dense(4, None, KERNEL)
            self.second = _dense(2, None, -1.0)  # of what is never negative: always dead

        def call(self, x):
            return self.relu(self.second(self.relu(self.first(x))))

    model = Twice()
    model(X)
    _, (zeros, dead, _, _) = _looks(model, X)
    _assert_equal(zeros, [(6 + 4) / (8 + 4)])
    _assert_equal(dead, [(2 + 2) / (4 + 2)])


def test_layers_are_found_in_nested_and_subclassed_models():
    class Block(keras.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = keras.Sequential([_dense(4, "relu", KERNEL, name="dense")], name="inner")

        def build(self, shape):
            self.inner.build(shape)

        def call(self, x, training=False):
            return self.inner(x) if not training else self.inner(-x)

    class Outer(keras.Model):
        def __init__(self):
            super().__init__(name="outer")
            self.block, self.head = Block(name="block"), _dense(2, "tanh", 9.0, name="dense")
            self.unused = L.ReLU(name="unused")

        def call(self, inputs):
            return {"logits": L.Identity()(self.head(self.block(inputs["x"])) * 1.0)}

    model = Outer()
    model({"x": X})
    probe, (zeros, dead, saturated, _) = _looks(model, {"x": X})
    assert _by_layer(probe, zeros) == {"outer/block/inner/dense": 0.75, "outer/dense": 0.0}
    assert _by_layer(probe, dead) == {"outer/block/inner/dense": 0.5}
    assert _by_layer(probe, saturated) == {"outer/dense": 1.0}
    assert [card.layer for card in probe.cards][-1] == "unused"


def test_layers_of_the_same_name_are_told_apart():
    inner = keras.Sequential([keras.Input((2,)), L.ReLU(name="relu")], name="inner")
    model = keras.Sequential([keras.Input((2,)), inner, L.ReLU(name="relu")])
    probe, _ = _looks(model, X, times=1)
    assert [card.layer for card in probe.cards] == ["relu", "relu#2"]


def test_depths_follow_the_forward_pass_and_not_the_order_of_making():
    class Crossed(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = L.Dense(1, name="last")
            self.middle = L.LSTM(2, name="middle")
            self.first = L.Embedding(5, 2, name="first")
            self.idle = L.Dense(1, name="idle")

        def build(self, shape):
            self.idle.build((None, 2))

        def call(self, x):
            return self.last(self.middle(self.first(x)))

    model = Crossed()
    tokens = np.zeros((2, 3), np.int32)
    model(tokens)
    probe, _ = _looks(model, tokens, times=1)
    assert probe.depths == {"first": 0, "middle": 1, "last": 2}


def test_what_runs_in_a_loop_on_the_device_is_not_told():
    class Looping(keras.Layer):
        def __init__(self):
            super().__init__()
            self.dense = _dense(2, "relu", 1.0, name="dense")

        def build(self, shape):
            self.dense.build(shape)

        def call(self, x):
            return tf.while_loop(lambda i, _: i < 2, lambda i, x: (i + 1, self.dense(x)), [0, x])[1]

    model = keras.Sequential([keras.Input((2,)), Looping(), _dense(2, "relu", 1.0)])
    probe, (zeros, dead, _, _) = _looks(model, X)
    assert len(probe.cards) == 2
    _assert_equal(zeros, [NAN, 0.0])
    _assert_equal(dead, [NAN, 0.0])


def test_mixed_precision_is_counted_in_float32():
    model = keras.Sequential([keras.Input((2,)), _dense(4, "relu", KERNEL), _dense(4, "tanh", 4.0)])
    model = keras.models.clone_model(
        model, clone_function=lambda layer: _with_policy(layer, "mixed_float16")
    )
    _probe, (zeros, dead, _, _) = _looks(model, X)
    _assert_equal(zeros, [0.75, 0.0])
    _assert_equal(dead, [0.5, NAN])


def _with_policy(layer, policy):
    return type(layer).from_config({**layer.get_config(), "dtype": policy})


def test_each_structure_of_inputs_is_traced_once():
    class Counting(L.Layer):
        traces = 0

        def call(self, x):
            type(self).traces += 1
            return x

    model = keras.Sequential([keras.Input((2,)), Counting(), _dense(4, "relu", KERNEL)])
    probe = ActivationProbe(model)
    Counting.traces = 0
    for rows in (2, 2, 1, 2, 1):
        assert probe.look(X[:rows]) is not None
    assert Counting.traces == 2


# Changes nothing.


class Drawing(keras.Layer):
    """Draws in inference too, as the sampling of an autoencoder does."""

    def __init__(self, generator):
        super().__init__()
        self.generator = generator

    def call(self, x):
        noise = keras.random.normal(keras.ops.shape(x), seed=self.generator)
        return x + 0.01 * noise + 0.0 * random.random() * np.random.rand()  # noqa: NPY002


def _noisy_model(*, is_global):
    keras.utils.clear_session(free_memory=False)  # and with it the global generator
    reproducible(5)
    generator = None if is_global else keras.random.SeedGenerator(3)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            L.Dense(8, "relu", kernel_regularizer="l2", activity_regularizer="l2"),
            L.BatchNormalization(),
            L.Dropout(0.5),
            L.GaussianNoise(0.1),
            Drawing(generator),
            L.Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("is_global", [False, True])
def test_training_is_bitwise_the_same_with_looks(is_global):
    random_numbers = np.random.default_rng(0)
    x = random_numbers.normal(size=(48, 4)).astype(np.float32)
    y = (x[:, :1] > 0).astype(np.float32)

    class Looking(keras.callbacks.Callback):
        probe = None

        def on_train_batch_begin(self, batch, logs=None):
            if batch or self.probe:
                self.probe = self.probe or ActivationProbe(self.model)
                assert self.probe.look(x[:4]) is not None, self.probe.unavailable

    def train(*callbacks):
        model = _noisy_model(is_global=is_global)
        history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=list(callbacks))
        drawn = random.random(), np.random.rand(), keras.random.normal((2,)).numpy().tolist()  # noqa: NPY002
        weights = [v.numpy() for v in [*model.variables, *model.optimizer.variables]]
        return weights, history.history, drawn

    (plain, plain_history, plain_drawn), (looked, history, drawn) = train(), train(Looking())
    for one, other in zip(plain, looked, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (history, drawn) == (plain_history, plain_drawn)


def test_nothing_is_left_on_the_model_or_in_its_file(tmp_path):
    model = _noisy_model(is_global=False)
    x = np.ones((4, 4), np.float32)
    model(x)
    layers = names.layers_of(model)
    before = [dict(vars(layer)) for layer in layers]
    losses = [loss.numpy() for loss in model.losses]
    variables = [variable.numpy() for variable in model.variables]
    _looks(model, x)
    for layer, attributes in zip(layers, before, strict=True):
        assert vars(layer).keys() == attributes.keys()
        for name in ("call", "build", "activation", "built", "_losses", "_called"):
            assert vars(layer).get(name) is attributes.get(name), (layer.name, name)
    assert [loss.numpy() for loss in model.losses] == losses
    for variable, value in zip(model.variables, variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    clean = keras.Sequential([keras.Input((4,)), L.Dense(2, "relu")], name="clean")
    config = clean.get_config()
    clean.save(tmp_path / "before.keras")
    _looks(clean, x)
    clean.save(tmp_path / "after.keras")
    assert clean.get_config() == config
    before, after = (
        keras.models.load_model(tmp_path / name) for name in ("before.keras", "after.keras")
    )
    assert before.get_config() == after.get_config()


# When there is no look.


def _gives_up(model, x, *words):
    probe = ActivationProbe(model)
    assert probe.look(x) is None
    for word in words:
        assert word in probe.unavailable
    assert probe.look(x) is None
    return probe


def test_a_forward_pass_that_raises_is_given_up_with_its_reason():
    class Picky(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(2)

        def call(self, x, training=False):
            if not training:
                raise ValueError("only for training\nand more")
            return self.dense(x)

    model = Picky()
    model(X, training=True)
    assert _gives_up(model, X).unavailable == "ValueError: only for training"
    assert "call" not in vars(model)
    assert "call" not in vars(model.dense)


def test_a_layer_that_writes_past_keras_is_refused_and_nothing_is_written():
    class Counter(keras.Layer):
        def __init__(self):
            super().__init__()
            self.count = tf.Variable(0.0)

        def call(self, x):
            self.count.assign_add(1.0)
            return x

    counter = Counter()
    model = keras.Sequential([keras.Input((2,)), counter, L.Dense(1)])
    before = counter.count.numpy()
    _gives_up(model, X, "the forward pass writes in inference mode: AssignAddVariableOp")
    assert counter.count.numpy() == before


def test_a_layer_that_the_training_never_called_is_not_built():
    class Late(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.late = L.Dense(2, name="used"), L.Dense(2, name="late")

        def call(self, x, training=False):
            return self.used(x) if training else self.late(x)

    model = Late()
    model(X, training=True)
    _gives_up(model, X, "layer 'late' is not built: the training has not called it")
    assert not model.late.built
    assert len(model.variables) == 2


def test_inputs_that_do_not_fit_are_given_up():
    model = keras.Sequential([keras.Input((2,)), L.Dense(1)])
    _gives_up(model, np.zeros((2, 3), np.float32), "ValueError")


def test_the_spread_is_that_of_all_outputs_of_a_layer():
    model = keras.Sequential([keras.Input([2]), keras.layers.Activation("relu")])
    probe = ActivationProbe(model)
    *_, spread = probe.look(np.float32([[-1, 3], [0, 9]]))  # outputs 0, 3, 0, 9: mean 3
    np.testing.assert_allclose(spread, [np.sqrt((9 + 0 + 9 + 36) / 4)], rtol=1e-6)
    *_, spread = probe.look(np.float32([[np.inf, 3], [0, 9]]))
    assert spread.tolist() == [np.inf]
