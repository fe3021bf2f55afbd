"""The layers of a model in the record: in order, joined, with what each one is."""

import keras
import pytest

from gradgate.contracts import LossCard
from gradgate.training.architecture import layers_and_outputs, losses_of

layers = keras.layers


def told(model):
    cards, outputs = layers_and_outputs(model)
    return {card.path: card for card in cards}, [cards[place].path for place in outputs]


def feeding(model):
    """What feeds each layer, by path."""
    cards, _ = layers_and_outputs(model)
    return {card.path: [cards[place].path for place in card.inputs] for card in cards}


def test_layers_stand_in_order_with_what_feeds_them_and_inner_models_are_opened():
    encoder = keras.Sequential(
        [keras.Input((8,)), layers.Dense(8, "relu", name="in"), layers.ReLU(name="act")],
        name="encoder",
    )
    x = keras.Input((8,), name="x")
    y = encoder(x)
    y = layers.Add(name="sum")([layers.Dense(8, name="middle")(y), y])
    model = keras.Model(x, [layers.Dense(1, "sigmoid", name="a")(y), layers.Dense(3, name="b")(y)])
    assert feeding(model) == {
        "x": [],
        "encoder/in": ["x"],
        "encoder/act": ["encoder/in"],
        "middle": ["encoder/act"],
        "sum": ["middle", "encoder/act"],
        "a": ["sum"],
        "b": ["sum"],
    }
    cards, outputs = told(model)
    assert outputs == ["a", "b"]
    dense = cards["encoder/in"]
    assert (dense.kind, dense.name, dense.units, dense.use_bias) == ("Dense", "in", 8, True)
    assert dense.initializers["kernel"].name == "GlorotUniform"
    assert (dense.parameters, dense.output_shape, dense.activation) == (72, (None, 8), "relu")
    assert cards["encoder/act"].activation == "relu"
    assert cards["b"].activation == "linear"


def test_a_layer_that_is_called_twice_stands_there_twice_with_its_own_inputs():
    shared = layers.Dense(4, name="shared")
    x = keras.Input((4,), name="x")
    model = keras.Model(x, shared(layers.ReLU(name="between")(shared(x))))
    cards, outputs = layers_and_outputs(model)
    assert [(card.path, card.inputs) for card in cards] == [
        ("x", ()),
        ("shared", (0,)),
        ("between", (1,)),
        ("shared", (2,)),
    ]
    assert outputs == (3,)


def test_operations_without_a_layer_are_told_with_their_activation():
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.ops.relu(layers.Dense(4)(x) + x))
    _, dense, add, relu = layers_and_outputs(model)[0]
    assert (add.kind, add.inputs, add.dtype_policy) == ("Add", (1, 0), None)
    assert (relu.kind, relu.activation, dense.activation) == ("Relu", "relu", "linear")


def test_a_wrapped_layer_tells_itself_and_its_wrapper_and_a_recurrent_one_its_cells():
    model = keras.Sequential(
        [
            keras.Input((5, 3)),
            layers.Bidirectional(layers.LSTM(8, return_sequences=True), name="both"),
            layers.TimeDistributed(layers.Dense(2, "tanh"), name="each"),
            layers.RNN([layers.GRUCell(3), layers.LSTMCell(4, use_bias=False)], name="cells"),
        ]
    )
    cards, _ = told(model)
    both, each, cells = cards["both"], cards["each"], cards["cells"]
    assert (both.kind, both.wrapper, both.recurrent_activation) == (
        "LSTM",
        "Bidirectional",
        "sigmoid",
    )
    assert both.initializers["recurrent"].name == "Orthogonal"
    assert both.parameters == 2 * 4 * (3 * 8 + 8 * 8 + 8)  # two directions of four gates
    assert both.output_shape == (None, 5, 16)
    assert (each.kind, each.wrapper, each.activation) == ("Dense", "TimeDistributed", "tanh")
    assert (cells.kind, cells.cells) == ("RNN", ("GRUCell", "LSTMCell"))
    assert (cells.units, cells.use_bias) == (4, False)


def test_a_call_of_ones_own_tells_the_layers_inside_and_not_how_they_are_joined():
    class Block(layers.Layer):
        def __init__(self):
            super().__init__(name="block")
            self.attention = layers.MultiHeadAttention(2, 2, name="attention")
            self.dense = layers.Dense(4, name="inner")

        def build(self, shape):
            self.attention.build(shape, shape)
            self.dense.build(shape)

        def call(self, x):
            return self.dense(self.attention(x, x))

    x = keras.Input((6, 4), name="x")
    cards, outputs = told(keras.Model(x, layers.Dense(1, name="out")(Block()(x))))
    assert list(cards) == ["x", "block", "block/attention", "block/inner", "out"]
    assert (cards["block"].kind, cards["block"].class_name) == ("Layer", "Block")
    assert [path for path, card in cards.items() if not card.is_connected] == [
        "block/attention",
        "block/inner",
    ]
    assert outputs == ["out"]

    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.block, self.out = Block(), layers.Dense(1, name="out")
            self.head = keras.Sequential(
                [keras.Input((4,), name="in"), layers.Dense(2, name="first")], name="head"
            )

        def call(self, x):
            return self.out(self.head(self.block(x)))

    cards, outputs = told(Subclassed())
    assert list(cards) == [
        *("block", "block/attention", "block/inner", "out", "head/in", "head/first"),
    ]
    assert [path for path, card in cards.items() if card.is_connected] == ["head/first"]
    assert outputs == []
    assert not cards["out"].is_built


def test_a_variance_scaling_that_has_a_name_is_told_by_it():
    def drawn_by(initializer):
        dense = layers.Dense(1, kernel_initializer=initializer)
        cards, _ = layers_and_outputs(keras.Sequential([keras.Input((1,)), dense]))
        return cards[1].initializers["kernel"]

    scaling = keras.initializers.VarianceScaling
    assert drawn_by(scaling(2.0, "fan_in", "truncated_normal")).name == "HeNormal"
    assert drawn_by("he_uniform").name == "HeUniform"
    of_fan_out = drawn_by(scaling(2.0, "fan_out", "truncated_normal"))
    assert of_fan_out.name == "VarianceScaling"
    assert of_fan_out.config == {
        "scale": 2.0,
        "mode": "fan_out",
        "distribution": "truncated_normal",
    }
    assert drawn_by(keras.initializers.RandomNormal(stddev=0.5)).config["stddev"] == 0.5


def test_a_layer_that_cannot_be_told_leaves_the_training_alone(caplog):
    class Odd(layers.Dense):
        @property
        def momentum(self):
            raise RuntimeError("not now")

    class Model(keras.Model):
        def __init__(self):
            super().__init__(name="odd")
            self.odd = Odd(1)

    assert layers_and_outputs(Model()) == ((), ())
    assert "the layers of 'odd' cannot be told" in caplog.text


BINARY = LossCard(name="binary_crossentropy", from_logits=False, output=0)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("binary_crossentropy", (BINARY, BINARY.model_copy(update={"output": 1}))),
        ({"a": "mse"}, (LossCard(name="mean_squared_error", output=0),)),
        (
            [None, keras.losses.BinaryCrossentropy(from_logits=True)],
            (LossCard(name="binary_crossentropy", from_logits=True, output=1),),
        ),
        ([None, None], ()),
        (None, ()),
    ],
)
def test_losses_are_told_with_their_output(loss, expected):
    x = keras.Input((2,))
    named = {"a": layers.Dense(1, name="a")(x), "b": layers.Dense(1, name="b")(x)}
    model = keras.Model(x, list(named.values()))
    if loss is not None:
        model.compile("sgd", loss)
    assert losses_of(model) == expected


def test_a_loss_of_ones_own_is_told_by_its_name():
    def surprise(y, y_pred):
        return y - y_pred

    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile("sgd", surprise)
    assert losses_of(model) == (LossCard(name="surprise", is_keras=False, output=0),)
