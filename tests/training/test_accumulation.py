"""Gradients of several batches make one step: one row for it, with the mean loss, clipped once.

By hand, for `line` from zero, whose loss is (w.x + b - y)^2:

    batch 0: x = [2, 3], y = 6:  loss 36, dL/dw = -2 * 6 * x = [-24, -36], dL/db = -12
    batch 1: x = [1, -1], y = 2: loss 4,  dL/dw = -2 * 2 * x = [-4, 4],    dL/db = -4
    mean:                        loss 20, g = [-14, -16, -8], norm sqrt(196 + 256 + 64)
"""

import keras
import numpy as np
import pytest
from keras.optimizers import SGD, Adam, AdamW, LossScaleOptimizer

from gradgate.gradients import AutoClip, Centralize, ClipByGlobalNorm, ClipByValue
from gradgate.training import instrument

ONE = ClipByGlobalNorm(max_norm=1.0)
NORM = np.sqrt(516)
CLIPPED = np.array([14, 16, 8]) / NORM  # the weights after one step of SGD, rate 1, limit 1
X, Y = np.float32([[2, 3], [1, -1]]), np.float32([[6], [2]])
GRAPH, EAGER = {"jit_compile": False}, {"run_eagerly": True}
MODES = [GRAPH, {"jit_compile": True}, EAGER, {"jit_compile": False, "steps_per_execution": 4}]
POLICIES = ["record", "skip", "stop"]
WAYS = [("skip", mode) for mode in MODES] + [("record", GRAPH), ("stop", GRAPH)]
every_way = pytest.mark.parametrize(("policy", "mode"), WAYS, ids=str)
BAD = slice(16, 24)  # batch 2 of 8: the first one of step 1
CHAIN = (Centralize(), ClipByValue(max_abs=0.05), AutoClip(percentile=50.0, history=4))


def _flat(model):
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


def _fit(model, x, y, **how):
    return model.fit(x, y, **{"batch_size": 8, "shuffle": False, "verbose": 0, **how})


def _one_by_one(model, x=X, y=Y, **how):
    return _fit(model, x, y, batch_size=1, **how)


def _assert_same(one, other, *, exact=True):
    for a, b in zip(
        [*one.weights, *one.optimizer.variables],
        [*other.weights, *other.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=0 if exact else 1e-5, atol=0 if exact else 1e-7)


def _bad(mlp):
    x = mlp.x.copy()
    x[BAD] = np.nan
    return x


def _without(mlp):
    return np.delete(mlp.x, BAD, axis=0), np.delete(mlp.y, BAD, axis=0)


# Order


@every_way
def test_the_mean_over_the_batches_is_measured_and_clipped_once(
    line, record_dir, read, policy, mode
):
    model = line(optimizer=SGD(1.0, gradient_accumulation_steps=2), **mode)
    with instrument(model, record_dir, clip=ONE, on_nonfinite=policy):
        _one_by_one(model)
    record, steps = read(record_dir)
    np.testing.assert_allclose(steps.loss, [20.0], rtol=1e-6)
    np.testing.assert_allclose(steps.norms, [[np.sqrt(14**2 + 16**2), 8.0]], rtol=1e-6)
    np.testing.assert_allclose(steps.global_norm, [NORM], rtol=1e-6)
    np.testing.assert_allclose(steps.clipped_norm, [1.0], rtol=1e-6)
    assert steps.clipped.tolist() == [True]
    np.testing.assert_allclose(_flat(model), CLIPPED, rtol=1e-6)
    assert record.manifest.planned_steps == record.manifest.observed_steps == 1
    assert int(model.optimizer._iterations) == 2  # Keras counts batches there


def test_the_update_ratio_is_that_of_the_step(line, record_dir, read):
    # From w = [2, 0], b = 0: errors 4 - 6 = -2 and 2 - 2 = 0, so
    #   g_0 = -4 * [2, 3, 1], g_1 = 0, mean -2 * [2, 3, 1], of which SGD adds 0.1.
    model = line(optimizer=SGD(0.1, gradient_accumulation_steps=2))
    model.set_weights([np.float32([[2.0], [0.0]]), np.float32([0.0])])
    with instrument(model, record_dir):
        _one_by_one(model)
    _, steps = read(record_dir)
    expected = [[0.2 * np.sqrt(13) / 2, np.nan]]
    np.testing.assert_allclose(steps.statistics.update_ratio, expected, rtol=1e-6)
    np.testing.assert_allclose(steps.statistics.weight_norm, [[2.0, 0.0]], rtol=1e-6)


def test_labels_of_every_batch_are_counted(line, record_dir, read):
    model = line(optimizer=SGD(0.0, gradient_accumulation_steps=2))
    with instrument(model, record_dir):
        _one_by_one(model)
    record, _ = read(record_dir)
    assert record.summary.constant_loss == pytest.approx(4.0)  # the variance of 6 and 2


@pytest.mark.parametrize("policy", POLICIES)
def test_without_a_clip_the_weights_are_bit_by_bit_those_of_plain_fit(
    mlp, record_dir, read, policy
):
    def accumulating():
        return AdamW(0.01, weight_decay=0.1, gradient_accumulation_steps=2)

    plain, guarded = mlp(accumulating(), **GRAPH), mlp(accumulating(), **GRAPH)
    guarded.set_weights(plain.get_weights())
    history = _fit(plain, mlp.x, mlp.y)
    with instrument(guarded, record_dir, on_nonfinite=policy):
        other = _fit(guarded, mlp.x, mlp.y)
    _, steps = read(record_dir)
    assert steps.step.tolist() == [0, 1, 2, 3]
    _assert_same(plain, guarded)
    np.testing.assert_allclose(history.history["loss"], other.history["loss"], rtol=1e-6)
    np.testing.assert_allclose(steps.loss.mean(), history.history["loss"][0], rtol=1e-5)


def test_two_batches_with_a_clip_are_one_batch_twice_as_large(mlp, record_dir, tmp_path, read):
    def momentum(**accumulating):
        return SGD(0.1, momentum=0.9, **accumulating)

    whole, halves = mlp(momentum()), mlp(momentum(gradient_accumulation_steps=2))
    halves.set_weights(whole.get_weights())
    for model, folder, rows in [(whole, record_dir, 16), (halves, tmp_path / "halves", 8)]:
        with instrument(model, folder, clip=CHAIN):
            _fit(model, mlp.x, mlp.y, batch_size=rows, epochs=2)
    _, steps = read(record_dir)
    _, others = read(tmp_path / "halves")
    for name in ("loss", "global_norm", "clipped_norm", "clip_scale", "norms", "stage_norms"):
        one, other = getattr(steps, name), getattr(others, name)
        np.testing.assert_allclose(one, other, rtol=1e-4, err_msg=name)
    assert steps.clipped.tolist() == others.clipped.tolist()
    for a, b in zip(whole.get_weights(), halves.get_weights(), strict=True):
        assert np.linalg.norm(a - b) <= 1e-5 * np.linalg.norm(a)


def test_a_step_that_is_not_full_waits_for_the_next_fit(line, record_dir, read):
    # Three batches make a step and a half; three more make three in all.
    model = line(optimizer=SGD(0.0, gradient_accumulation_steps=2))
    x, y = np.repeat(X, 2, axis=0)[:3], np.repeat(Y, 2, axis=0)[:3]  # losses 36, 36, 4
    with instrument(model, record_dir):
        _one_by_one(model, x, y)
        _one_by_one(model, x, y)
    record, steps = read(record_dir)
    np.testing.assert_allclose(steps.loss, [36.0, 20.0, 20.0], rtol=1e-6)
    assert record.manifest.planned_steps == 3


def test_a_fit_of_fewer_batches_than_a_step_is_no_failure(line, record_dir, read):
    model = line(optimizer=SGD(1.0, gradient_accumulation_steps=4))
    with instrument(model, record_dir) as guard:
        _one_by_one(model)
    record, steps = read(record_dir)
    assert steps is None
    assert guard.steps == 0
    assert record.manifest.status == "completed"


# A batch that is not finite


def test_record_writes_down_the_step_that_it_spoils(mlp, record_dir, read):
    model = mlp(Adam(0.01, gradient_accumulation_steps=2), **GRAPH)
    with instrument(model, record_dir):
        _fit(model, _bad(mlp), mlp.y)
    record, steps = read(record_dir)
    assert steps.applied.all()
    assert np.flatnonzero(~np.isfinite(steps.global_norm))[0] == 1
    by_path = {variable.path: variable for variable in record.summary.variables}
    assert by_path["mlp/hidden/kernel"].first_nonfinite_step == 1


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_skipped_batch_is_as_if_it_had_not_been(mlp, record_dir, read, mode):
    # The next batch takes its place, so 7 batches make 3 steps and a half, as without it.
    def accumulating():
        return AdamW(0.01, weight_decay=0.1, use_ema=True, gradient_accumulation_steps=2)

    plain, guarded = mlp(accumulating(), **mode), mlp(accumulating(), **mode)
    guarded.set_weights(plain.get_weights())
    _fit(plain, *_without(mlp))
    with instrument(guarded, record_dir, on_nonfinite="skip", statistics_every=100):
        _fit(guarded, _bad(mlp), mlp.y)
    record, steps = read(record_dir)
    # Batches 0 1 | 2, left out, with a row of its own | 3 4 | 5 6 | 7 waits.
    assert steps.step.tolist() == [0, 1, 2, 3]
    assert steps.applied.tolist() == [True, False, True, True]
    assert not np.isfinite(steps.norms[1][0])
    assert np.isfinite(steps.loss[[0, 2, 3]]).all()
    assert steps.statistics.step.tolist() == [0, 1]
    assert steps.statistics.nonfinite[1][0] == 32
    assert int(guarded.optimizer._iterations) == 7
    assert record.summary.skipped_steps == 1
    _assert_same(plain, guarded, exact=not mode.get("jit_compile"))


def test_a_skipped_second_batch_leaves_the_first_one_in_the_sum(line, record_dir, read):
    # Batch 0, a NaN, batch 1: the step is that of batches 0 and 1.
    model = line(optimizer=SGD(1.0, gradient_accumulation_steps=2))
    x, y = np.insert(X, 1, np.nan, axis=0), np.insert(Y, 1, 0.0, axis=0)
    with instrument(model, record_dir, clip=ONE, on_nonfinite="skip"):
        _one_by_one(model, x, y)
    _, steps = read(record_dir)
    assert steps.applied.tolist() == [False, True]
    np.testing.assert_allclose(steps.loss, [np.nan, 20.0], rtol=1e-6)
    np.testing.assert_allclose(steps.global_norm, [np.nan, NORM], rtol=1e-6)
    np.testing.assert_allclose(_flat(model), CLIPPED, rtol=1e-6)


@pytest.mark.parametrize("mode", [GRAPH, EAGER, MODES[-1]], ids=str)
def test_stop_ends_the_training_at_the_batch(mlp, record_dir, read, mode):
    def accumulating():
        return Adam(0.01, gradient_accumulation_steps=2)

    plain, model = mlp(accumulating(), **mode), mlp(accumulating(), **mode)
    model.set_weights(plain.get_weights())
    _fit(plain, mlp.x[:16], mlp.y[:16])
    with instrument(model, record_dir, on_nonfinite="stop") as guard:
        history = _fit(model, _bad(mlp), mlp.y, epochs=9)
    record, steps = read(record_dir)
    assert guard.stopped
    assert len(history.epoch) == 1
    assert steps.applied.tolist() == [True, False]
    assert record.manifest.status == "stopped"
    assert record.manifest.status_message.startswith("Stopped at step 1: ")
    assert "the gradient of mlp/hidden/kernel" in record.manifest.status_message
    _assert_same(plain, model)


# A scaled loss, too


@pytest.mark.parametrize(("policy", "mode"), [*WAYS[-2:], WAYS[1], WAYS[3]], ids=str)
def test_a_scaled_loss_changes_no_number_but_the_scale(line, record_dir, read, policy, mode):
    inner = SGD(1.0, gradient_accumulation_steps=2)
    model = line(optimizer=LossScaleOptimizer(inner, initial_scale=1024.0), **mode)
    with instrument(model, record_dir, clip=ONE, on_nonfinite=policy):
        _one_by_one(model)
    record, steps = read(record_dir)
    np.testing.assert_allclose(steps.loss, [20.0], rtol=1e-6)
    np.testing.assert_allclose(steps.global_norm, [NORM], rtol=1e-6)
    np.testing.assert_allclose(_flat(model), CLIPPED, rtol=1e-6)
    assert steps.loss_scale.tolist() == [1024.0]
    assert record.manifest.planned_steps == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_a_constant_factor_is_taken_out_once(line, record_dir, read, policy):
    model = line(optimizer=SGD(1.0, loss_scale_factor=8.0, gradient_accumulation_steps=2))
    with instrument(model, record_dir, clip=ONE, on_nonfinite=policy):
        _one_by_one(model)
    _, steps = read(record_dir)
    np.testing.assert_allclose(steps.loss, [20.0], rtol=1e-6)
    np.testing.assert_allclose(steps.global_norm, [NORM], rtol=1e-6)
    np.testing.assert_allclose(_flat(model), CLIPPED, rtol=1e-6)


@pytest.mark.parametrize("policy", POLICIES)
def test_batches_that_overflow_are_left_out_and_counted(line, record_dir, read, policy):
    # Batch 0 overflows down to scale 2^123, where 36 * 2^123 is beyond 2^128; batch 1, of 4, at
    # 2^126 only. From 2^124, in turn: 0-, 1 at 2^123, 0-, 1 at 2^122: a step of batch 1 twice,
    # and then 0 1 at 2^122: the step of both.
    inner = SGD(0.0, gradient_accumulation_steps=2)
    model = line(optimizer=LossScaleOptimizer(inner, initial_scale=2.0**124))
    with instrument(model, record_dir, on_nonfinite=policy) as guard:
        _one_by_one(model, np.tile(X, (3, 1)), np.tile(Y, (3, 1)))
    record, steps = read(record_dir)
    assert not guard.stopped
    np.testing.assert_allclose(steps.loss, [4.0, 20.0], rtol=1e-6)
    np.testing.assert_allclose(steps.global_norm, [np.sqrt(48), NORM], rtol=1e-6)
    assert steps.applied.all()
    assert steps.loss_scale.tolist() == [2.0**122] * 2
    assert steps.loss_scale_skips.tolist() == [2, 0]
    assert record.manifest.loss_scale_skips == 2


@pytest.mark.parametrize("policy", ["record", "skip"])
def test_a_true_nan_under_loss_scaling_is_left_out_with_a_row(mlp, record_dir, read, policy):
    def accumulating():
        inner = AdamW(0.01, weight_decay=0.1, gradient_accumulation_steps=2)
        return LossScaleOptimizer(inner, initial_scale=256.0)

    plain, guarded = mlp(accumulating(), **GRAPH), mlp(accumulating(), **GRAPH)
    guarded.set_weights(plain.get_weights())
    _fit(plain, *_without(mlp))
    with instrument(guarded, record_dir, on_nonfinite=policy):
        _fit(guarded, _bad(mlp), mlp.y)
    record, steps = read(record_dir)
    assert steps.applied.tolist() == [True, False, True, True]
    assert steps.loss_scale.tolist() == [256.0, 256.0, 128.0, 128.0]
    assert record.manifest.loss_scale_skips == 0
    for a, b in zip(plain.get_weights(), guarded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_stop_under_loss_scaling_too(mlp, record_dir, read):
    inner = Adam(0.01, gradient_accumulation_steps=2)
    model = mlp(LossScaleOptimizer(inner, initial_scale=256.0), **GRAPH)
    with instrument(model, record_dir, on_nonfinite="stop") as guard:
        _fit(model, _bad(mlp), mlp.y)
    record, steps = read(record_dir)
    assert guard.stopped
    assert steps.applied.tolist() == [True, False]
    assert record.manifest.status == "stopped"
    assert np.isfinite(_flat(model)).all()


# Sparse gradients: Keras adds them up densely


@pytest.mark.parametrize("policy", POLICIES)
def test_gradients_of_an_embedding_are_added_up_as_in_keras(record_dir, read, policy):
    def make():
        keras.utils.set_random_seed(5)
        layers = [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(5, 4),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
        model = keras.Sequential(layers)
        model.compile(Adam(gradient_accumulation_steps=2), "mean_squared_error", jit_compile=False)
        return model

    x = np.random.default_rng(3).integers(0, 4, (32, 3))
    y = np.float32(x[:, :1] > 1)
    plain, guarded = make(), make()
    _fit(plain, x, y)
    with instrument(guarded, record_dir, on_nonfinite=policy):
        _fit(guarded, x, y)
    _, steps = read(record_dir)
    assert len(steps) == 2
    _assert_same(plain, guarded)
