import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import ClipByGlobalNorm
from gradgate.training import GuardSettings, instrument, reproducible
from gradgate.training.card import describe, nonfinite_weights


def _card(model, **settings):
    return describe(
        model,
        model.optimizer,
        model.trainable_variables,
        strategy=tf.distribute.get_strategy(),
        settings=GuardSettings(**settings),
        has_gradient=[True] * len(model.trainable_variables),
        loss_measured=True,
    )


def test_variables_have_their_layer_initialiser_and_activation():
    model = keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            keras.layers.Embedding(7, 3, name="words"),
            keras.layers.Bidirectional(keras.layers.LSTM(2, name="memory")),
            keras.layers.Dense(2, "relu", kernel_initializer="he_normal", name="head"),
            keras.layers.BatchNormalization(name="norm"),
        ]
    )
    model.compile("adam", "mse")
    by_path = {
        variable.path.split("/", 1)[1]: (
            variable.layer,
            variable.shape,
            variable.initializer,
            variable.activation,
        )
        for variable in _card(model).variables
    }
    assert by_path["words/embeddings"] == ("words", (7, 3), "RandomUniform", None)
    assert by_path["head/kernel"] == ("head", (4, 2), "HeNormal", "relu")
    assert by_path["head/bias"] == ("head", (2,), "Zeros", "relu")
    assert by_path["norm/gamma"] == ("norm", (2,), "Ones", None)
    recurrent = [
        path for path in by_path if path.endswith("forward_memory/lstm_cell/recurrent_kernel")
    ]
    assert by_path[recurrent[0]] == ("forward_memory", (2, 8), "Orthogonal", "tanh")


def test_what_was_trained_and_how_it_was_guarded(mlp):
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model = mlp(keras.optimizers.SGD(rate), loss="bce")
    card = _card(
        model, clip=ClipByGlobalNorm(max_norm=2.0), on_nonfinite="skip", statistics_every=5
    )
    assert (card.model_name, card.optimizer, card.loss) == ("mlp", "SGD", "binary_crossentropy")
    assert card.optimizer_config["learning_rate"]["config"]["decay_steps"] == 10
    assert card.clips == ({"name": "clip_by_global_norm", "max_norm": 2.0},)
    assert (card.on_nonfinite, card.statistics_every) == ("skip", 5)
    assert card.seed == 7  # what was set last, by the fixture of all tests here
    assert card.precision == "float32"
    assert card.versions["keras"] == keras.__version__
    assert card.versions["tensorflow"] == tf.__version__
    assert json.loads(card.model_dump_json()) == card.model_dump(mode="json")


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (keras.losses.Huber(), "huber_loss"),
        (["mse"], "mean_squared_error"),
        (None, None),
    ],
    ids=["object", "list", "none"],
)
def test_a_loss_has_a_name(mlp, loss, name):
    assert _card(mlp(loss=loss)).loss == name


def test_what_json_cannot_hold_is_named(mlp):
    def rate():
        return 0.1

    config = _card(mlp(keras.optimizers.SGD(rate))).optimizer_config
    json.dumps(config, allow_nan=False)


def test_weights_that_are_not_finite_are_counted(mlp):
    model = mlp()
    kernel, *others = model.get_weights()
    kernel[1, :3] = [np.nan, np.inf, -np.inf]
    model.set_weights([kernel, *others])
    counts = nonfinite_weights(model.trainable_variables)
    assert counts == {
        "mlp/hidden/kernel": 3,
        "mlp/hidden/bias": 0,
        "mlp/output/kernel": 0,
        "mlp/output/bias": 0,
    }


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, None])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ValueError, match=r"seed must be a whole number from 0 to 2\^32 - 1, got"):
        reproducible(seed)


def test_the_record_tells_what_the_inputs_looked_like_and_how_many_make_a_batch(
    mlp, record_dir, read
):
    model, x = mlp(), mlp.x.copy()
    x[:, 2] = np.nan
    x[:, 1] = 300.0
    with instrument(model, record_dir):
        model.fit(x, mlp.y, batch_size=8, epochs=1, verbose=0, shuffle=False)
    card = read(record_dir)[0].card
    assert card.batch_size == 8
    seen = {given.name.rpartition("[")[2]: given for given in card.inputs}
    assert [seen[f"{column}]"].nonfinite for column in range(4)] == [0, 0, 8, 0]
    assert (seen["1]"].low, seen["1]"].high, seen["1]"].examples) == (300.0, 300.0, 8)
    assert card.layers[card.inputs[0].layer].kind == "InputLayer"
