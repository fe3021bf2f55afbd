"""A scaled loss: unscaled before anything looks at the gradients; too great a scale is no fault.

By hand, for `line` from zero: g = [-24, -36, -12], so scaled by S its greatest entry is 36 S, which
is beyond float32's 2^128 from S = 2^123 on, and 36 * 2^122 = 2^127.2 is not.
"""

import keras
import numpy as np
import pytest
from keras.optimizers import SGD, Adam, AdamW, LossScaleOptimizer

from gradgate.gradients import ClipByGlobalNorm
from gradgate.training import instrument

ONE = ClipByGlobalNorm(max_norm=1.0)
UNIT = np.array([2, 3, 1]) / np.sqrt(14)  # of minus the gradient of `line`
GRAPH, EAGER = {"jit_compile": False}, {"run_eagerly": True}
MODES = [GRAPH, {"jit_compile": True}, EAGER, {"jit_compile": False, "steps_per_execution": 5}]
POLICIES = ["record", "skip", "stop"]
WAYS = [("skip", mode) for mode in MODES] + [("record", GRAPH), ("stop", GRAPH)]
every_way = pytest.mark.parametrize(("policy", "mode"), WAYS, ids=str)
BAD = slice(16, 24)  # batch 2 of 8


def _flat(model):
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


def _fit(model, x, y, **how):
    return model.fit(x, y, **{"batch_size": 8, "shuffle": False, "verbose": 0, **how})


def _without(model):
    """Leaves the bad batch out of the fixture's data."""
    return np.delete(model.x, BAD, axis=0), np.delete(model.y, BAD, axis=0)


def _assert_same(one, other):
    for a, b in zip(
        [*one.weights, *one.optimizer.variables],
        [*other.weights, *other.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


# Order


@every_way
def test_norms_are_those_of_the_unscaled_gradient_and_so_is_the_limit(
    line, record_dir, read, mode, policy
):
    model = line(optimizer=LossScaleOptimizer(SGD(1.0), initial_scale=1024.0), **mode)
    with instrument(model, record_dir, clip=ONE, on_nonfinite=policy):
        model.fit(line.x, line.y, verbose=0)
    record, steps = read(record_dir)
    np.testing.assert_allclose(steps.loss, [36.0], rtol=1e-6)
    np.testing.assert_allclose(steps.global_norm, [line.norm], rtol=1e-6)
    np.testing.assert_allclose(steps.clipped_norm, [1.0], rtol=1e-6)
    np.testing.assert_allclose(steps.statistics.max_abs, [[36.0, 12.0]], rtol=1e-6)
    np.testing.assert_allclose(_flat(model), UNIT, rtol=1e-6)
    assert steps.loss_scale.tolist() == [1024.0]
    assert record.card.loss_scaled
    assert record.card.optimizer == "SGD"


def test_update_ratios_are_those_of_what_was_applied(line, record_dir, read):
    # w = [2, 0], b = 0: error -2, g = -4 * [2, 3, 1]; SGD adds 0.1 of it, clipped to norm 1.
    model = line(optimizer=LossScaleOptimizer(SGD(0.1), initial_scale=64.0))
    model.set_weights([np.float32([[2.0], [0.0]]), np.float32([0.0])])
    with instrument(model, record_dir, clip=ONE):
        model.fit(line.x, line.y, verbose=0)
    _, steps = read(record_dir)
    expected = [[0.1 * np.sqrt(13 / 14) / 2, np.nan]]
    np.testing.assert_allclose(steps.statistics.update_ratio, expected, rtol=1e-6)


@pytest.mark.parametrize("policy", POLICIES)
def test_without_a_clip_the_weights_are_bit_by_bit_those_of_plain_fit(mlp, record_dir, policy):
    def scaled():
        return LossScaleOptimizer(AdamW(0.01, weight_decay=0.1), dynamic_growth_steps=3)

    plain, guarded = mlp(scaled(), **GRAPH), mlp(scaled(), **GRAPH)
    guarded.set_weights(plain.get_weights())
    _fit(plain, mlp.x, mlp.y, epochs=2)
    with instrument(guarded, record_dir, on_nonfinite=policy):
        _fit(guarded, mlp.x, mlp.y, epochs=2)
    _assert_same(plain, guarded)


def test_compile_scales_the_loss_of_a_float16_model(record_dir, read):
    # float16 holds up to 65504: of the scaled gradient 36 * 2^15 is beyond it, 36 * 2^10 is not.
    policy = keras.DTypePolicy("mixed_float16")
    layer = keras.layers.Dense(1, kernel_initializer="zeros", name="line", dtype=policy)
    model = keras.Sequential([keras.Input((2,)), layer], name="model")
    model.dtype_policy = policy
    model.compile(SGD(1.0), "mean_squared_error")
    assert isinstance(model.optimizer, LossScaleOptimizer)
    data = np.float32([[2.0, 3.0]]), np.float32([[6.0]])
    with instrument(model, record_dir, clip=ONE):
        model.fit(*data, epochs=6, verbose=0)
    record, steps = read(record_dir)
    assert steps.loss_scale_skips.tolist() == [5]  # at 2^15 to 2^11: 36 * 2^11 is 73728
    assert steps.loss_scale.tolist() == [1024.0]
    np.testing.assert_allclose(steps.global_norm, [12 * np.sqrt(14)], rtol=2e-3)
    np.testing.assert_allclose(_flat(model), UNIT, rtol=2e-3)
    assert record.card.loss_scaled
    assert record.card.precision == "mixed_float16"


# An overflow: too great a scale


@every_way
def test_overflows_are_counted_apart_and_are_no_steps(line, record_dir, read, mode, policy):
    # Overflows at 2^125, 2^124 and 2^123; steps at 2^122, of which Keras doubles after two.
    optimizer = LossScaleOptimizer(SGD(0.0), initial_scale=2.0**125, dynamic_growth_steps=2)
    model = line(optimizer=optimizer, **mode)
    with instrument(model, record_dir, on_nonfinite=policy) as guard:
        x, y = (np.repeat(each, 10, axis=0) for each in (line.x, line.y))
        model.fit(x, y, batch_size=1, verbose=0)
    record, steps = read(record_dir)
    # 125- 124- 123- 122 122 123- 122 122 123- 122: a minus is an overflow
    assert steps.step.tolist() == [0, 1, 2, 3, 4]
    assert steps.applied.all()
    assert steps.loss_scale.tolist() == [2.0**122] * 5
    assert steps.loss_scale_skips.tolist() == [3, 0, 1, 0, 1]
    np.testing.assert_allclose(steps.global_norm, [line.norm] * 5, rtol=1e-6)
    assert not guard.stopped
    manifest, summary = record.manifest, record.summary
    assert (manifest.status, manifest.loss_scale_skips) == ("completed", 5)
    assert (manifest.observed_steps, manifest.planned_steps) == (5, 10)
    assert summary.loss_scale_skips == 5
    assert summary.nonfinite_gradient_steps == 0
    assert int(model.optimizer.iterations) == 5


def test_overflows_that_come_last_are_counted_too(line, record_dir, read):
    # Steps at 2^122 until Keras doubles it after two: the third of three batches overflows.
    optimizer = LossScaleOptimizer(SGD(0.0), initial_scale=2.0**122, dynamic_growth_steps=2)
    model = line(optimizer=optimizer)
    with instrument(model, record_dir):
        model.fit(line.x, line.y, epochs=3, verbose=0)
    record, steps = read(record_dir)
    assert steps.loss_scale_skips.tolist() == [0, 0]
    assert record.manifest.loss_scale_skips == record.summary.loss_scale_skips == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_a_training_of_overflows_alone_is_no_failure_of_ours(line, record_dir, read, policy):
    model = line(optimizer=LossScaleOptimizer(SGD(1.0), initial_scale=2.0**127))
    with instrument(model, record_dir, on_nonfinite=policy) as guard:
        model.fit(line.x, line.y, epochs=4, verbose=0)  # 2^127 to 2^124
    record, steps = read(record_dir)
    assert steps is None
    assert guard.steps == 0
    manifest = record.manifest
    assert (manifest.status, manifest.observed_steps, manifest.planned_steps) == ("completed", 0, 4)
    assert manifest.loss_scale_skips == record.summary.loss_scale_skips == 4
    assert record.card.variables[0].path == "model/line/kernel"
    assert _flat(model).tolist() == [0.0, 0.0, 0.0]


# A true fault


@pytest.mark.parametrize(("policy", "mode"), WAYS[:-1], ids=str)
def test_a_nan_is_a_step_that_was_not_applied_and_names_its_variables(
    mlp, record_dir, read, mode, policy
):
    # Keras leaves it out by itself, and takes it for an overflow: the scale is halved.
    x = mlp.x.copy()
    x[BAD] = np.nan

    def scaled():
        return LossScaleOptimizer(Adam(0.01), initial_scale=256.0)

    model, plain = mlp(scaled(), **mode), mlp(scaled(), **mode)
    plain.set_weights(model.get_weights())
    with instrument(model, record_dir, on_nonfinite=policy, statistics_every=100):
        _fit(model, x, mlp.y)
    record, steps = read(record_dir)
    assert steps.step.tolist() == list(range(8))
    assert np.flatnonzero(~steps.applied).tolist() == [2]
    assert np.flatnonzero(~np.isfinite(steps.global_norm)).tolist() == [2]
    assert not np.isfinite(steps.norms[2][0])
    assert steps.loss_scale.tolist() == [256.0] * 3 + [128.0] * 5
    assert steps.loss_scale_skips.tolist() == [0] * 8
    assert steps.statistics.step.tolist() == [0, 2]  # looked at at once
    assert steps.statistics.nonfinite[1][0] == 32
    by_path = {variable.path: variable for variable in record.summary.variables}
    assert by_path["mlp/hidden/kernel"].first_nonfinite_step == 2
    assert by_path["mlp/hidden/kernel"].final_weight_nonfinite == 0
    # As if the batch had not been, but for the scale.
    _fit(plain, *_without(mlp))
    exact = not mode.get("jit_compile")
    for a, b in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0 if exact else 1e-5, atol=0 if exact else 1e-7)
    assert int(model.optimizer.iterations) == 7


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_stop_ends_the_training_at_it(mlp, record_dir, read, mode):
    x = mlp.x.copy()
    x[BAD] = np.nan
    model = mlp(LossScaleOptimizer(Adam(0.01), initial_scale=256.0), **mode)
    plain = mlp(LossScaleOptimizer(Adam(0.01), initial_scale=256.0), **mode)
    plain.set_weights(model.get_weights())
    with instrument(model, record_dir, on_nonfinite="stop") as guard:
        history = _fit(model, x, mlp.y, epochs=9)
    _fit(plain, mlp.x[:16], mlp.y[:16])
    record, steps = read(record_dir)
    assert guard.stopped
    assert len(history.epoch) == 1
    assert steps.applied.tolist() == [True, True, False]
    assert record.manifest.status == "stopped"
    assert record.manifest.status_message.startswith("Stopped at step 2: ")
    assert "the gradient of mlp/hidden/kernel" in record.manifest.status_message
    assert int(model.optimizer.iterations) == 2
    for a, b in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_the_silent_nan_is_a_fault(mlp, record_dir, read):
    # A fused ReLU turns NaN into 0, so the loss is finite. The NaN feature spoils the gradient of
    # the kernel that it goes into, and of nothing else: no scale does that.
    x = mlp.x.copy()
    x[BAD, 2] = np.nan
    model = mlp(LossScaleOptimizer(Adam(0.01)), jit_compile=False)
    with instrument(model, record_dir, statistics_every=100):
        _fit(model, x, mlp.y)
    record, steps = read(record_dir)
    assert np.isfinite(steps.loss).all()
    assert np.flatnonzero(~steps.applied).tolist() == [2]
    assert np.isfinite(steps.norms[2]).tolist() == [False, True, True, True]
    assert steps.statistics.nonfinite[1].tolist() == [8, 0, 0, 0]
    assert record.manifest.loss_scale_skips == 0


def _root(y, y_pred):
    """Its value at 0 is 0, its gradient infinite."""
    return keras.ops.sqrt(y_pred)[:, 0]


@pytest.mark.parametrize("policy", POLICIES)
def test_an_infinity_under_a_scale_of_1_or_less_is_a_fault(line, record_dir, read, policy):
    # At scales 4 and 2 it may be the scale; at 1 it cannot be.
    model = line(optimizer=LossScaleOptimizer(SGD(1.0), initial_scale=4.0))
    model.compile(model.optimizer, _root)
    with instrument(model, record_dir, on_nonfinite=policy):
        model.fit(np.ones((5, 2), np.float32), np.ones((5, 1)), batch_size=1, verbose=0)
    record, steps = read(record_dir)
    expected = [1.0] if policy == "stop" else [1.0, 0.5, 0.25]
    assert steps.loss_scale.tolist() == expected
    assert steps.loss_scale_skips.tolist() == [2, 0, 0][: len(expected)]
    assert not steps.applied.any()
    assert steps.loss.tolist() == [0.0] * len(expected)
    assert not np.isfinite(steps.norms).any()
    assert record.manifest.loss_scale_skips == 2


def test_an_overflow_that_leaves_nan_alone_is_no_fault(record_dir, read):
    # In float16, what goes back through the gates of an LSTM overflows to infinities of both signs,
    # and each sum over the steps has some of either: all that the variables see is NaN.
    policy = keras.DTypePolicy("mixed_float16")
    layers = [
        keras.Input((8, 4)),
        keras.layers.LSTM(16, dtype=policy),
        keras.layers.Dense(10, "softmax", dtype="float32"),
    ]
    model = keras.Sequential(layers)
    optimizer = LossScaleOptimizer(SGD(0.01), initial_scale=2.0**28)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    random = np.random.default_rng(1)
    x, y = random.normal(size=(64, 8, 4)), random.integers(0, 10, 64)
    with instrument(model, record_dir, on_nonfinite="stop") as guard:
        model.fit(np.float32(x), y, batch_size=64, epochs=14, verbose=0)
    record, steps = read(record_dir)
    assert not guard.stopped
    assert steps.applied.all()
    assert steps.loss_scale_skips[0] > 0
    assert steps.loss_scale_skips[0] + len(steps) == 14
    assert record.summary.nonfinite_gradient_steps == 0


def test_a_finite_loss_too_great_to_be_scaled_is_no_fault(line, record_dir, read):
    # Loss 36 at scale 2^124 is infinite in float32, its gradient too: the scale is to blame.
    model = line(optimizer=LossScaleOptimizer(SGD(0.0), initial_scale=2.0**124))
    with instrument(model, record_dir, on_nonfinite="stop") as guard:
        model.fit(line.x, line.y, epochs=3, verbose=0)
    _, steps = read(record_dir)
    assert not guard.stopped
    assert steps.loss.tolist() == [36.0]
    assert steps.loss_scale_skips.tolist() == [2]


# Scaled without a LossScaleOptimizer


@every_way
def test_a_constant_factor_is_taken_out_before_the_clip(line, record_dir, read, mode, policy):
    model = line(optimizer=SGD(1.0, loss_scale_factor=8.0), **mode)
    with instrument(model, record_dir, clip=ONE, on_nonfinite=policy):
        model.fit(line.x, line.y, verbose=0)
    record, steps = read(record_dir)
    np.testing.assert_allclose(steps.loss, [36.0], rtol=1e-6)
    np.testing.assert_allclose(steps.global_norm, [line.norm], rtol=1e-6)
    np.testing.assert_allclose(_flat(model), UNIT, rtol=1e-6)
    assert steps.loss_scale is None
    assert record.manifest.loss_scale_skips == 0


@pytest.mark.parametrize("mode", [GRAPH, EAGER], ids=str)
def test_a_skipped_step_under_a_constant_factor_is_as_if_it_had_not_been(
    mlp, record_dir, read, mode
):
    def scaled():
        return AdamW(0.01, weight_decay=0.1, use_ema=True, loss_scale_factor=8.0)

    x = mlp.x.copy()
    x[BAD] = np.nan
    plain, guarded = mlp(scaled(), **mode), mlp(scaled(), **mode)
    guarded.set_weights(plain.get_weights())
    _fit(plain, *_without(mlp))
    with instrument(guarded, record_dir, on_nonfinite="skip"):
        _fit(guarded, x, mlp.y)
    _, steps = read(record_dir)
    assert np.flatnonzero(~steps.applied).tolist() == [2]
    assert guarded.optimizer.loss_scale_factor == 8.0
    _assert_same(plain, guarded)


def test_an_overflow_of_a_constant_factor_is_a_fault_since_nobody_lowers_it(line, record_dir, read):
    model = line(optimizer=SGD(1.0, loss_scale_factor=2.0**124))
    with instrument(model, record_dir, on_nonfinite="skip"):
        model.fit(line.x, line.y, verbose=0)
    _, steps = read(record_dir)
    assert steps.loss.tolist() == [36.0]
    assert steps.applied.tolist() == [False]
    assert np.isfinite(steps.norms).tolist() == [[False, True]]  # 12 * 2^124 = 2^127.6 is finite
