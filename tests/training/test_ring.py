"""Rows outlive the ring under `fit`; where nobody reads, what is lost is counted."""

import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients.report import Weight
from gradgate.training import GuardSettings, TrainingContext, instrument
from gradgate.training.batches import Decoder
from gradgate.training.layout import Layout
from gradgate.training.meter import Meter
from gradgate.training.ring import Ring, SampleRing
from gradgate.training.sampler import MOST_ANOMALIES


def _context(directory, **settings):
    return TrainingContext(directory, GuardSettings(**settings), "training")


@pytest.mark.parametrize("steps_per_execution", [1, 3, 20])
def test_more_steps_than_the_ring_holds_in_one_epoch_lose_nothing(
    mlp, record_dir, read, steps_per_execution
):
    context = _context(record_dir, ring_steps=8, statistics_every=10)
    model = mlp(steps_per_execution=steps_per_execution)
    with instrument(model, context):
        model.fit(mlp.x, mlp.y, batch_size=1, verbose=0)
    context.finish("completed")
    record, steps = read(record_dir)
    assert steps.step.tolist() == list(range(64))
    assert steps.statistics.step.tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert record.manifest.lost_steps == 0


def test_a_loop_that_takes_several_steps_a_batch_is_read_in_time(mlp, record_dir, read):
    context = _context(record_dir, ring_steps=16)
    model = mlp()
    once = model.train_step

    def train_step(data):
        for _ in range(3):
            logs = once(data)
        return logs

    model.train_step = train_step
    with instrument(model, context):
        model.fit(mlp.x, mlp.y, batch_size=1, verbose=0)
    context.finish("completed")
    record, steps = read(record_dir)
    assert len(steps) == 3 * 64
    assert record.manifest.lost_steps == 0


def test_a_compiled_loop_that_never_reads_loses_steps_and_the_record_says_how_many(
    line, record_dir, read
):
    context = _context(record_dir, ring_steps=8)
    model = line()
    guard = instrument(model, context)

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            loss = model.optimizer.scale_loss(tf.reduce_mean((model(line.x) - line.y) ** 2))
        variables = model.trainable_variables
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    for _ in range(20):
        train()
    guard.close()
    context.finish("completed")
    record, steps = read(record_dir)
    assert record.manifest.lost_steps == 12
    assert steps.step.tolist() == list(range(12, 20))


def test_an_eager_loop_is_read_without_being_asked(line, record_dir, read):
    context = _context(record_dir, ring_steps=8)
    model = line()
    with instrument(model, context):
        for _ in range(20):
            with tf.GradientTape() as tape:
                loss = model.optimizer.scale_loss(tf.reduce_mean((model(line.x) - line.y) ** 2))
            variables = model.trainable_variables
            model.optimizer.apply(tape.gradient(loss, variables), variables)
    context.finish("completed")
    record, steps = read(record_dir)
    assert len(steps) == 20
    assert record.manifest.lost_steps == 0


def test_a_ring_gives_each_row_once_and_says_what_it_lost():
    ring = Ring(width=1, capacity=4)

    def put(count):
        for _ in range(count):
            step = ring.step()
            ring.put(tf.cast(step, tf.float32)[None], step)

    put(3)
    assert ring.read()[0] == 0
    put(2)
    rows = ring.read()
    assert (rows.first_step, rows.values[:, 0].tolist(), rows.lost) == (3, [3.0, 4.0], 0)
    put(7)
    rows = ring.read()
    assert (rows.first_step, rows.values[:, 0].tolist(), rows.lost) == (8, [8, 9, 10, 11], 3)
    assert len(ring.read().values) == 0


def test_a_row_that_is_not_to_be_kept_is_neither_kept_nor_counted():
    ring = Ring(width=1, capacity=4)
    for is_over in (False, True, True, False):
        ring.put(tf.constant([float(is_over)]), ring.step(), unless=tf.constant(is_over))
    assert ring.read().values[:, 0].tolist() == [0.0, 0.0]


def test_statistics_are_bounded_and_the_schedule_is_kept():
    layout = Layout(variables=1)
    meter = Meter(layout=layout, settings=GuardSettings(statistics_every=50), ring_steps=128)
    weights = [Weight(tf.zeros([1]))]
    for _ in range(101):
        _, _, seen = meter.look([tf.constant([np.nan])], weights=weights, loss=tf.constant(1.0))
        meter.write(seen, tf.zeros([1]))
    batch = Decoder(layout).batch(*meter.read(), epoch=0, seconds=0.0)
    assert batch.statistics.step.tolist() == [*range(MOST_ANOMALIES), 49, 50, 99, 100]


def test_norms_that_leap_all_the_time_are_no_longer_odd_but_nan_is():
    layout = Layout(variables=1)
    settings = GuardSettings(statistics_every=50)
    weights = [Weight(tf.zeros([1]))]

    def train(meter, gradients):
        for gradient in gradients:
            _, _, seen = meter.look(
                [tf.constant([gradient])], weights=weights, loss=tf.constant(1.0)
            )
            meter.write(seen, tf.ones([1]))
        return Decoder(layout).batch(*meter.read(), epoch=0, seconds=0.0)

    leaping = [1.0] * 20 + [1e3, 1.0, 1.0, 1.0] * 45  # 200 steps, 45 spikes
    meter = Meter(layout=layout, settings=settings, ring_steps=256)
    batch = train(meter, leaping)
    scheduled, spikes = [0, 50, 100, 150], range(20, 200, 4)
    found = [step for step in batch.statistics.step.tolist() if step not in scheduled]
    # 16, and one more for each of the samples at 50, 100 and 150.
    assert found == [step for step in spikes if step <= 84] + [100 + 4, 152]
    assert set(scheduled) <= set(batch.statistics.step.tolist())
    assert np.isfinite(batch.norms).all()

    resumed = Meter(layout=layout, settings=settings, ring_steps=256)
    resumed.restore(200, meter.state())
    for each in (meter, resumed):
        batch = train(each, [1.0, 1e3, np.nan, 1e3, *[1.0] * 46, 1.0, 1e3])
        assert batch.statistics.step.tolist() == [200, 201, 202, 250, 251]


def test_samples_are_given_once_and_the_first_are_kept():
    ring = SampleRing(width=1, capacity=2)
    for value in range(4):
        counts = ring.counts()
        held = tf.minimum(counts[0] + 1, 2)
        ring.put(tf.constant([float(value)]), counts[0], tf.stack([held, value]))
    assert ring.read()[:, 0].tolist() == [0.0, 1.0]
    assert len(ring.read()) == 0
    assert ring.counts().numpy().tolist() == [0, 3]
    ring.put(tf.constant([7.0]), ring.counts()[0], ring.counts() + 1)
    assert ring.read()[:, 0].tolist() == [7.0]
