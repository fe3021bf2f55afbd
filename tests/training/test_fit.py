"""What a record holds after `model.fit`, by hand and by count."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import ClipByGlobalNorm, ClipByNorm
from gradgate.training import instrument

pytestmark = pytest.mark.half("both")  # what it leans on differs from stack to stack


def test_gradients_of_one_step_by_hand(line, record_dir, read):
    model = line()
    with instrument(model, record_dir):
        model.fit(line.x, line.y, verbose=0)
    record, steps = read(record_dir)
    assert [variable.path for variable in record.card.variables] == [
        "model/line/kernel",
        "model/line/bias",
    ]
    np.testing.assert_allclose(steps.norms, [[12 * np.sqrt(13), 12.0]], rtol=1e-6)
    np.testing.assert_allclose(steps.global_norm, [line.norm], rtol=1e-6)
    assert steps.loss.tolist() == [36.0]
    assert steps.clip_scale.tolist() == [1.0]
    assert steps.clipped.tolist() == [False]
    assert steps.applied.tolist() == [True]
    # Step 0 is on the schedule: |dL/dw| = [24, 36].
    assert steps.statistics.step.tolist() == [0]
    assert steps.statistics.mean_abs.tolist() == [[30.0, 12.0]]
    assert steps.statistics.max_abs.tolist() == [[36.0, 12.0]]
    assert steps.statistics.zero_fraction.tolist() == [[0.0, 0.0]]
    assert steps.statistics.nonfinite.tolist() == [[0, 0]]


def test_a_clipped_step_by_hand(line, record_dir, read):
    model = line(learning_rate=1.0)
    with instrument(model, record_dir, clip=ClipByGlobalNorm(max_norm=6.0)):
        model.fit(line.x, line.y, verbose=0)
    _, steps = read(record_dir)
    # The step is the gradient over its norm, times 6: w = 6 * [2, 3] / sqrt(14).
    np.testing.assert_allclose(
        model.get_weights()[0][:, 0], 6 * np.array([2, 3]) / np.sqrt(14), rtol=1e-6
    )
    np.testing.assert_allclose(steps.global_norm, [line.norm], rtol=1e-6)
    np.testing.assert_allclose(steps.clipped_norm, [6.0], rtol=1e-6)
    np.testing.assert_allclose(steps.clip_scale, [6.0 / line.norm], rtol=1e-6)
    assert steps.clipped.tolist() == [True]


def test_a_clip_in_fit_is_the_clip_by_hand(mlp, record_dir):
    class Clipping(keras.optimizers.SGD):
        def apply(self, grads, trainable_variables=None):
            grads, _ = tf.clip_by_global_norm(grads, 0.05)
            super().apply(grads, trainable_variables)

    by_hand, guarded = mlp(Clipping(0.5)), mlp(keras.optimizers.SGD(0.5))
    guarded.set_weights(by_hand.get_weights())
    by_hand.fit(mlp.x, mlp.y, batch_size=8, shuffle=False, verbose=0)
    with instrument(guarded, record_dir, clip=ClipByGlobalNorm(max_norm=0.05)):
        guarded.fit(mlp.x, mlp.y, batch_size=8, shuffle=False, verbose=0)
    for one, other in zip(by_hand.get_weights(), guarded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


MODES = [
    {"steps_per_execution": 1},
    {"steps_per_execution": 5},
    {"run_eagerly": True},
    {"jit_compile": True, "steps_per_execution": 3},
]


@pytest.mark.parametrize("on_nonfinite", ["record", "skip", "stop"])
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_every_step_is_counted_even_those_no_callback_sees(
    mlp, record_dir, read, mode, on_nonfinite
):
    model = mlp(**{"jit_compile": False, **mode})
    with instrument(model, record_dir, on_nonfinite=on_nonfinite, statistics_every=5):
        model.fit(mlp.x, mlp.y, batch_size=8, epochs=3, verbose=0)
    record, steps = read(record_dir)
    assert steps.step.tolist() == list(range(24))
    assert steps.epoch.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert steps.statistics.step.tolist() == [0, 5, 10, 15, 20]
    assert steps.applied.all()
    assert np.isfinite(steps.loss).all()
    assert (record.manifest.planned_steps, record.manifest.observed_steps) == (24, 24)
    assert record.manifest.lost_steps == 0
    assert record.manifest.status == "completed"
    assert record.manifest.instrumented
    assert int(model.optimizer.iterations) == 24


def test_the_losses_are_those_of_the_batches(mlp, record_dir, read):
    model = mlp(keras.optimizers.SGD(0.0))
    with instrument(model, record_dir):
        model.fit(mlp.x, mlp.y, batch_size=32, shuffle=False, verbose=0)
    _, steps = read(record_dir)
    expected = [model.evaluate(mlp.x[i : i + 32], mlp.y[i : i + 32], verbose=0) for i in (0, 32)]
    np.testing.assert_allclose(steps.loss, expected, rtol=1e-5)


def test_an_embedding_row_looked_up_twice_counts_once_summed(record_dir, read):
    # y = sum of e[0] + e[0] for one pair of lookups, L = 3 e0 + 4 e1 each: rows [3, 4] twice.
    model = keras.Sequential([keras.Input((2,), dtype="int32"), keras.layers.Embedding(5, 2)])
    model.compile(
        keras.optimizers.SGD(0.0),
        loss=lambda _, y: keras.ops.sum(y * np.float32([3.0, 4.0]), axis=[1, 2]),
    )
    with instrument(model, record_dir, clip=ClipByNorm(max_norm=5.0)):
        model.fit(np.zeros((1, 2), np.int32), np.zeros(1), verbose=0)
    _, steps = read(record_dir)
    np.testing.assert_allclose(steps.norms, [[10.0]])
    np.testing.assert_allclose(steps.clipped_norm, [5.0])
    np.testing.assert_allclose(steps.statistics.zero_fraction, [[0.8]])


@pytest.mark.parametrize("on_nonfinite", ["record", "skip"])
def test_a_variable_the_loss_does_not_depend_on_is_named(record_dir, read, on_nonfinite):
    inputs = keras.Input((2,))
    keras.layers.Dense(3, name="unused")(inputs)

    class Wasteful(keras.Model):
        def __init__(self):
            super().__init__(name="wasteful")
            self.used = keras.layers.Dense(1, name="used")
            self.unused = keras.layers.Dense(3, name="unused")

        def call(self, x):
            self.unused(x)
            return self.used(x)

    model = Wasteful()
    model.compile("sgd", "mean_squared_error")
    with (
        pytest.warns(UserWarning, match="Gradients do not exist"),
        instrument(model, record_dir, on_nonfinite=on_nonfinite),
    ):
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    record, steps = read(record_dir)
    assert {variable.layer: variable.has_gradient for variable in record.card.variables} == {
        "used": True,
        "unused": False,
    }
    unused = [variable.layer == "unused" for variable in record.card.variables]
    assert (steps.norms[:, unused] == 0).all()


def test_epochs_go_on_over_several_fits(mlp, record_dir, read):
    model = mlp()
    with instrument(model, record_dir):
        for _ in range(2):
            model.fit(mlp.x, mlp.y, batch_size=32, epochs=2, verbose=0)
    record, steps = read(record_dir)
    assert steps.epoch.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert record.manifest.planned_steps == 8


def test_what_early_stopping_leaves_out_was_not_planned(mlp, record_dir, read):
    model = mlp(keras.optimizers.SGD(0.0))
    early = keras.callbacks.EarlyStopping(monitor="loss", patience=1)
    with instrument(model, record_dir):
        model.fit(mlp.x, mlp.y, batch_size=32, epochs=50, callbacks=[early], verbose=0)
    record, _ = read(record_dir)
    assert record.manifest.planned_steps == record.manifest.observed_steps == 4


def test_steps_that_somebody_named_are_the_plan(mlp, record_dir, read):
    model = mlp()
    with instrument(model, record_dir, planned_steps=100):
        model.fit(mlp.x, mlp.y, batch_size=32, verbose=0)
    record, _ = read(record_dir)
    assert (record.manifest.planned_steps, record.manifest.observed_steps) == (100, 2)


def test_a_dataset_that_does_not_know_its_size_is_planned_after_an_epoch(mlp, record_dir, read):
    data = tf.data.Dataset.from_generator(
        lambda: iter([(mlp.x, mlp.y)] * 3),
        output_signature=(tf.TensorSpec([64, 4]), tf.TensorSpec([64, 1])),
    )
    model = mlp()
    with instrument(model, record_dir):
        model.fit(data, epochs=2, verbose=0)
    record, _ = read(record_dir)
    assert (record.manifest.planned_steps, record.manifest.observed_steps) == (6, 6)


@pytest.mark.parametrize("shape", ["none", "one", "list", "CallbackList", "positional"])
def test_callbacks_of_the_user_are_called_as_before(mlp, record_dir, read, shape):
    seen = []

    class Seeing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["loss"])

    model, mine = mlp(), Seeing()
    given = {
        "none": None,
        "one": mine,
        "list": [mine],
        "positional": [mine],
        "CallbackList": keras.callbacks.CallbackList([mine], add_history=True, model=model),
    }[shape]
    with instrument(model, record_dir):
        if shape == "positional":
            model.fit(mlp.x, mlp.y, 32, 2, 0, given)
        else:
            model.fit(mlp.x, mlp.y, batch_size=32, epochs=2, verbose=0, callbacks=given)
    assert len(seen) == (0 if shape == "none" else 2)
    _, steps = read(record_dir)
    assert len(steps) == 4
