"""Every step reaches the record, however the training ends; where it cannot, the record says so."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.gate import Evidence, judge, load_policy, read_policy
from gradgate.training import GuardSettings, TrainingContext, instrument

ROWS = 61  # batches of 1: a prime number, so no multiple of any steps_per_execution
GRAPH, XLA, EAGER = {"jit_compile": False}, {"jit_compile": True}, {"run_eagerly": True}
every_mode = pytest.mark.parametrize(
    "mode",
    [
        *(GRAPH | {"steps_per_execution": steps} for steps in (1, 7, 50)),
        *(XLA | {"steps_per_execution": steps} for steps in (1, 7)),
        EAGER | {"steps_per_execution": 7},
    ],
    ids=str,
)


@pytest.fixture
def data():
    random = np.random.default_rng(5)
    x = random.normal(size=(ROWS, 2)).astype(np.float32)
    return x, x[:, :1]


@pytest.fixture
def coverage_of(request):
    """Returns what the gate says of the coverage of a record."""
    policy = load_policy(read_policy(request.config.rootpath / "pipeline/policies/default.yaml"))

    def check(record):
        evidence, now = Evidence.of(record), "2099-01-01T00:00:00Z"
        verdict = judge(policy, evidence, model=None, as_of=now, training_only=True)
        (found,) = [check for check in verdict.integrity if check.code == "T-COVERAGE"]
        others = [check for check in verdict.integrity if check.code != "T-COVERAGE"]
        assert all(check.status == "pass" for check in others)
        return found

    return check


@every_mode
def test_every_step_of_every_epoch_is_there_at_its_end(line, record_dir, read, data, mode):
    x, y = data
    model, seen = line(**mode), []

    class Seen(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(guard.steps)

    with instrument(model, record_dir, statistics_every=0) as guard:
        model.fit(x, y, batch_size=1, epochs=2, shuffle=False, verbose=0, callbacks=[Seen()])
    record, steps = read(record_dir)
    assert seen == [ROWS, 2 * ROWS]  # the guard's callback comes first
    assert steps.step.tolist() == list(range(2 * ROWS))
    assert steps.epoch.tolist() == [0] * ROWS + [1] * ROWS
    # At weights of 0 and without learning, the loss is y^2 and the gradient -2 y (x, 1).
    np.testing.assert_allclose(steps.loss, np.tile(y[:, 0] ** 2, 2), rtol=1e-5, atol=1e-12)
    by_hand = 2 * np.abs(y[:, 0]) * np.sqrt((x**2).sum(1) + 1)
    np.testing.assert_allclose(steps.global_norm, np.tile(by_hand, 2), rtol=1e-5)
    manifest = record.manifest
    assert (manifest.planned_steps, manifest.observed_steps, manifest.lost_steps) == (122, 122, 0)


@every_mode
def test_a_stop_leaves_the_steps_up_to_the_one_that_stopped_it(line, record_dir, read, data, mode):
    x, y = data
    x[30] = np.nan
    model = line(**mode)
    with instrument(model, record_dir, on_nonfinite="stop", statistics_every=0):
        model.fit(x, y, batch_size=1, epochs=3, shuffle=False, verbose=0)
    record, steps = read(record_dir)
    assert steps.step.tolist() == list(range(31))
    assert np.flatnonzero(~steps.applied).tolist() == [30]
    assert int(model.optimizer.iterations) == 30
    assert record.manifest.status == "stopped"
    assert record.manifest.status_message.startswith("Stopped at step 30: ")
    assert record.manifest.planned_steps == 3 * ROWS


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
@pytest.mark.parametrize("steps_per_execution", [1, 7])
def test_what_a_callback_raises_leaves_all_finished_steps(
    line, record_dir, read, data, hook, steps_per_execution
):
    class Failing(keras.callbacks.Callback):
        def fail(self, batch, logs=None):
            if batch >= 35:
                raise RuntimeError("the disk of somebody else is full")

    setattr(Failing, hook, Failing.fail)
    model = line(steps_per_execution=steps_per_execution)
    with (
        pytest.raises(RuntimeError, match="somebody else"),
        instrument(model, record_dir, statistics_every=0),
    ):
        model.fit(*data, batch_size=1, verbose=0, callbacks=[Failing()])
    record, steps = read(record_dir)
    # Batch 35 begins after 35 steps; with 7 a call, steps 35 to 41 have ended when batch 41 does,
    # which is the number that Keras gives to the end of a call.
    done = {("on_train_batch_begin", 1): 35, ("on_train_batch_end", 1): 36,
            ("on_train_batch_begin", 7): 35, ("on_train_batch_end", 7): 42}  # fmt: skip
    assert steps.step.tolist() == list(range(done[hook, steps_per_execution]))
    assert record.manifest.status == "failed"
    assert "RuntimeError: the disk of somebody else is full" in record.manifest.status_message


@pytest.mark.parametrize("steps_per_execution", [1, 7])
def test_what_the_data_raise_leaves_all_finished_steps(
    line, record_dir, read, data, steps_per_execution
):
    x, y = data

    def rows():
        for i in range(ROWS):
            if i == 38:
                raise OSError("cannot read the next shard")
            yield x[i : i + 1], y[i : i + 1]

    signature = (tf.TensorSpec([1, 2]), tf.TensorSpec([1, 1]))
    dataset = tf.data.Dataset.from_generator(rows, output_signature=signature)
    model = line(steps_per_execution=steps_per_execution)
    with (
        pytest.raises(tf.errors.OpError, match="cannot read the next shard"),
        instrument(model, record_dir, statistics_every=0),
    ):
        model.fit(dataset, verbose=0)
    record, steps = read(record_dir)
    # With 7 a call, the call that began with row 35 took 3 steps before it failed.
    assert steps.step.tolist() == list(range(38))
    assert record.manifest.status == "failed"


def _compiled_loop(model, guard, x):
    @tf.function
    def train(steps):
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(model(x) ** 2)
            guard.observe_loss(loss)
            variables = model.trainable_variables
            model.optimizer.apply(tape.gradient(loss, variables), variables)

    return train


def _context(directory, **settings):
    return TrainingContext(directory, GuardSettings(**settings), "training")


def test_a_loop_that_nobody_reads_in_time_loses_steps_and_record_and_gate_say_how_many(
    line, record_dir, read, coverage_of
):
    context, model = _context(record_dir, ring_steps=16), line()
    model.optimizer.build(model.trainable_variables)
    with instrument(model, context) as guard:
        _compiled_loop(model, guard, line.x)(tf.constant(2000))
    context.finish("completed")
    record, steps = read(record_dir)
    assert steps.step.tolist() == list(range(1984, 2000))
    assert (record.manifest.observed_steps, record.manifest.lost_steps) == (16, 1984)
    found = coverage_of(record)
    assert found.status == "fail"
    assert "1984 steps in a row are missing" in found.message


def test_a_loop_that_reads_too_late_once_has_a_gap_there(line, record_dir, read, coverage_of):
    context, model = _context(record_dir, ring_steps=16), line()
    model.optimizer.build(model.trainable_variables)
    with instrument(model, context, planned_steps=90) as guard:
        train = _compiled_loop(model, guard, line.x)
        for count in (16, 16, 20, 16, 16, 6):
            train(tf.constant(count))
            guard.flush()
        assert (guard.steps, guard.lost_steps) == (90, 4)
    context.finish("completed")
    record, steps = read(record_dir)
    assert steps.step.tolist() == [*range(32), *range(36, 90)]
    # Each sample stands at its own step, though some of those between were lost.
    assert steps.statistics.step.tolist() == [0, 50]
    assert record.manifest.lost_steps == 4
    assert "86 of 90 planned steps" in coverage_of(record).message


def test_of_many_odd_steps_the_first_are_looked_at_closely_and_the_schedule_is_kept(
    line, record_dir, read
):
    context = _context(record_dir, ring_steps=128, statistics_every=40)
    model = line()
    model.optimizer.build(model.trainable_variables)
    x = np.float32([[np.nan, 1.0]])
    with instrument(model, context) as guard:
        _compiled_loop(model, guard, x)(tf.constant(128))
    context.finish("completed")
    _, steps = read(record_dir)
    # 32 samples are for what is odd; 0, 40, 80, 120 and the steps before them are on schedule.
    # (A step before one is odd too here, so it has a full sample and not just a sketch.)
    odd, scheduled = range(32), (0, 39, 40, 79, 80, 119, 120)
    assert steps.statistics.step.tolist() == sorted({*odd, *scheduled})
    assert (steps.statistics.nonfinite[:, 0] > 0).all()


@pytest.mark.parametrize("steps_per_execution", [1, 50])
def test_in_fit_no_scheduled_sample_is_lost_though_every_step_is_odd(
    line, record_dir, read, data, steps_per_execution
):
    x, y = (np.tile(each, (5, 1)) for each in data)
    x[:, 0] = np.nan
    context = _context(record_dir, ring_steps=64, statistics_every=20)
    model = line(steps_per_execution=steps_per_execution)
    with instrument(model, context):
        model.fit(x, y, batch_size=1, verbose=0)
    context.finish("completed")
    _, steps = read(record_dir)
    assert len(steps) == 5 * ROWS
    assert set(range(0, 5 * ROWS, 20)) <= set(steps.statistics.step.tolist())


class TestDeviceBytes:
    """What is held on the device, in bytes, for v variables and a ring of K steps.

    rows      4 (K + 1) (v + 5 + more) + 8
    samples   4 (S + 1) (70 v + data) + 4 v + 4, with S = min(2 ceil(K / every), K) + 32

    A row has the norms, five scalars, and `more`: 2 r with r > 1 replicas, 2 with a scaled loss,
    2 t with t > 1 transforms. A sample has 5 fields, 32 bins, 32 buckets and the update's norm;
    `data` is 4 v where the data-loss gradient is looked at besides. K is `ring_steps`, or twice
    `steps_per_execution` if that is more.
    """

    def bytes_of(self, model, directory, x, **settings):
        context = _context(directory, **settings)
        with instrument(model, context):
            model.fit(x, x[:, :1], batch_size=1, verbose=0)
            meter = context.guard.trails[0].probe.meter
            tensors = [
                *vars(meter._ring).values(),
                *(() if meter._sampler is None else vars(meter._sampler).values()),
                *(() if meter._sampler is None else vars(meter._sampler._ring).values()),
            ]
            held = sum(
                each.dtype.size * int(np.prod(each.shape))
                for each in tensors
                if isinstance(each, tf.Variable)
            )
            card = context.guard.card()
        assert held == card.device_bytes
        return held

    def test_of_rows_alone(self, line, record_dir):
        # v = 2, K = 10: 4 * 11 * 7 + 8
        found = self.bytes_of(line(), record_dir, line.x, statistics_every=0, ring_steps=10)
        assert found == 316

    def test_of_rows_and_samples(self, mlp, record_dir):
        # v = 4, K = 512, every 50: rows 4 * 513 * 9 + 8 = 18476; S = 2 * 11 + 32 = 54; Adam keeps a
        # second moment, so samples 4 * 55 * (280 + 4) + 16 + 8 = 62504
        assert self.bytes_of(mlp(), record_dir, mlp.x[:2]) == 18476 + 62504

    def test_of_many_steps_a_call(self, line, record_dir):
        # K = 2 * 20: 4 * 41 * 7 + 8
        model = line(steps_per_execution=20)
        found = self.bytes_of(model, record_dir, line.x, statistics_every=0, ring_steps=10)
        assert found == 1156
