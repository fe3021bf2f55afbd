"""A step that is not finite: written down with the variable to blame, skipped, or the last one."""

import keras
import numpy as np
import pytest

from gradgate.gradients import ClipByGlobalNorm
from gradgate.training import instrument


def _first_bad_step(steps):
    return int(np.flatnonzero(~np.isfinite(steps.global_norm))[0])


def test_the_silent_nan_is_seen_at_step_0_in_the_right_variable(mlp, record_dir, read):
    # A fused ReLU turns NaN into 0: the loss is finite, the kernel's gradient is not.
    x = mlp.x.copy()
    x[:, 2] = np.nan
    model = mlp(jit_compile=False)
    with instrument(model, record_dir):
        history = model.fit(x, mlp.y, batch_size=8, verbose=0)
    record, steps = read(record_dir)
    assert np.isfinite(history.history["loss"]).all()
    assert np.isfinite(steps.loss).all()
    assert _first_bad_step(steps) == 0
    bad = [
        variable.path
        for variable, norm in zip(record.card.variables, steps.norms[0], strict=True)
        if not np.isfinite(norm)
    ]
    assert bad == ["mlp/hidden/kernel"]
    # The row of the NaN feature, one of four, for 8 units.
    assert steps.statistics.nonfinite[0].tolist() == [8, 0, 0, 0]
    by_path = {variable.path: variable for variable in record.summary.variables}
    assert by_path["mlp/hidden/kernel"].first_nonfinite_step == 0
    assert by_path["mlp/hidden/kernel"].final_weight_nonfinite == 8
    assert by_path["mlp/output/kernel"].final_weight_nonfinite == 0


def test_a_step_that_is_not_finite_is_sampled_at_once(mlp, record_dir, read):
    x = mlp.x.copy()
    x[24:32] = np.nan  # batch 3
    model = mlp()
    with instrument(model, record_dir, on_nonfinite="skip", statistics_every=6):
        model.fit(x, mlp.y, batch_size=8, shuffle=False, verbose=0)
    _, steps = read(record_dir)
    assert steps.statistics.step.tolist() == [0, 3, 6]
    assert steps.statistics.nonfinite[1].sum() > 0


def test_anomalies_are_sampled_up_to_a_bound_and_the_schedule_goes_on(mlp, record_dir, read):
    model = mlp()
    with instrument(model, record_dir, statistics_every=20):
        model.fit(mlp.x * np.nan, mlp.y, batch_size=1, verbose=0)
    _, steps = read(record_dir)
    sampled = steps.statistics.step.tolist()
    assert set(range(0, 64, 20)) <= set(sampled)
    assert 32 <= len(sampled) <= 2 * 32 + 4  # at most 32 at each of two reads, and the schedule


OPTIMIZERS = {
    "Adam": keras.optimizers.Adam,
    "AdamW": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "average": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    "SGD": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
}
MODES = [{"jit_compile": False}, {"jit_compile": True}, {"run_eagerly": True}]


@pytest.mark.parametrize(
    ("name", "mode"),
    [*((name, MODES[0]) for name in OPTIMIZERS), *(("average", mode) for mode in MODES[1:])],
    ids=str,
)
def test_a_skipped_step_is_as_if_it_had_not_been(mlp, record_dir, read, name, mode):
    x = mlp.x.copy()
    x[16:24] = np.nan  # batch 2
    without = np.delete(np.arange(64), np.arange(16, 24))
    plain, guarded = mlp(OPTIMIZERS[name](), **mode), mlp(OPTIMIZERS[name](), **mode)
    guarded.set_weights(plain.get_weights())
    plain.fit(x[without], mlp.y[without], batch_size=8, shuffle=False, verbose=0)
    with instrument(guarded, record_dir, on_nonfinite="skip"):
        guarded.fit(x, mlp.y, batch_size=8, shuffle=False, verbose=0)
    _, steps = read(record_dir)
    assert steps.applied.tolist() == [True, True, False, True, True, True, True, True]
    assert int(guarded.optimizer.iterations) == 7
    exact = not mode.get("jit_compile")
    for one, other in zip(
        [*plain.weights, *plain.optimizer.variables],
        [*guarded.weights, *guarded.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=0 if exact else 1e-5, atol=0 if exact else 1e-7)


def test_constraints_are_left_out_of_a_skipped_step(record_dir):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, kernel_constraint="unit_norm")]
    )
    model.compile("sgd", "mean_squared_error")
    before = model.get_weights()  # not of unit norm yet
    with instrument(model, record_dir, on_nonfinite="skip"):
        model.fit(np.full((4, 2), np.nan), np.ones((4, 1)), verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("mode", [*MODES, {"steps_per_execution": 4}], ids=str)
def test_stop_ends_with_the_offending_step_as_the_last_row(mlp, record_dir, read, mode):
    x = mlp.x.copy()
    x[16:24] = np.nan
    plain, model = mlp(**mode), mlp(**mode)
    model.set_weights(plain.get_weights())
    plain.fit(mlp.x[:16], mlp.y[:16], batch_size=8, shuffle=False, verbose=0)
    with instrument(model, record_dir, on_nonfinite="stop") as guard:
        history = model.fit(x, mlp.y, batch_size=8, epochs=9, shuffle=False, verbose=0)
    record, steps = read(record_dir)
    assert guard.stopped
    assert model.stop_training
    assert len(history.epoch) == 1
    assert steps.applied.tolist() == [True, True, False]
    assert int(model.optimizer.iterations) == 2
    assert record.manifest.status == "stopped"
    assert record.manifest.planned_steps == 72
    assert record.manifest.status_message.startswith("Stopped at step 2: ")
    assert "the gradient of mlp/hidden/kernel" in record.manifest.status_message
    for one, other in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_stop_names_the_loss_when_it_is_to_blame(line, record_dir, read):
    model = line()
    with instrument(model, record_dir, on_nonfinite="stop"):
        model.fit(line.x, np.float32([[np.inf]]), verbose=0)
    record, _ = read(record_dir)
    assert record.manifest.status_message.startswith(
        "Stopped at step 0: the loss is inf; the gradient of model/line/kernel"
    )


def test_a_fit_after_the_stop_ends_at_once(mlp, record_dir, read):
    model = mlp()
    with instrument(model, record_dir, on_nonfinite="stop"):
        model.fit(mlp.x * np.nan, mlp.y, batch_size=8, verbose=0)
        after = model.get_weights()
        history = model.fit(mlp.x, mlp.y, batch_size=8, epochs=3, verbose=0)
    assert len(history.epoch) == 1
    for one, other in zip(after, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    _, steps = read(record_dir)
    assert len(steps) == 1


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_gradient_of_1e20_is_finite_and_clipped(line, record_dir, read, mode):
    # dL/db = -2 * 6e19 = -1.2e20, dL/dw = [2, 3] times that: squares overflow, norms do not.
    model = line(learning_rate=1.0, **mode)
    clip = ClipByGlobalNorm(max_norm=1.0)
    with instrument(model, record_dir, clip=clip, on_nonfinite="record"):
        model.fit(line.x, np.float32([[6e19]]), verbose=0)
    _, steps = read(record_dir)
    np.testing.assert_allclose(steps.global_norm, [1.2e20 * np.sqrt(14)], rtol=1e-6)
    np.testing.assert_allclose(steps.norms, [[1.2e20 * np.sqrt(13), 1.2e20]], rtol=1e-6)
    weights = np.concatenate([weight.ravel() for weight in model.get_weights()])
    np.testing.assert_allclose(weights, np.array([2, 3, 1]) / np.sqrt(14), rtol=1e-5)
