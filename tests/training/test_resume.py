"""A training that was killed goes on with its record, and the record is that of a whole one.

Here nothing is killed: the files are copied at a moment, which is what a kill leaves, while the
training runs to its end and gives what to compare with. Real kills are in `killed_trainings.py`.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.gate import Evidence, judge, load_policy, read_policy
from gradgate.gradients import AutoClip, ClipByGlobalNorm, ZClip
from gradgate.training import instrument, reproducible

EPOCHS, BATCHES = 9, 8  # a unit is known to be dead after 8 epochs
FEW = 4
SGD = keras.optimizers.SGD
KILLS = 40


def assert_same(found, wanted):
    """Says in which column two records differ; wall time is no part of it."""
    (record, steps), (whole, whole_steps) = found, wanted
    _assert_same_columns(steps, whole_steps)
    _assert_same_columns(steps.statistics, whole_steps.statistics)
    assert (steps.activations is None) == (whole_steps.activations is None)
    if steps.activations is not None:
        _assert_same_columns(steps.activations, whole_steps.activations)
    assert record.summary == whole.summary  # with constant_loss, and digests of the final weights
    assert record.card == whole.card
    for name in ("planned_steps", "observed_steps", "lost_steps", "loss_scale_skips", "status"):
        assert getattr(record.manifest, name) == getattr(whole.manifest, name), name
    assert not (record.directory / "resume").exists()


def _assert_same_columns(found, wanted):
    for field in dataclasses.fields(wanted):
        one, other = getattr(found, field.name), getattr(wanted, field.name)
        if field.name not in ("seconds", "statistics", "activations"):
            assert (one is None) == (other is None), field.name
            np.testing.assert_array_equal(one, other, err_msg=field.name)


@pytest.fixture
def problems_of(request):
    """Returns what the gate's integrity checks find in a record; 8 steps are enough of them."""
    policy = load_policy(read_policy(request.config.rootpath / "pipeline/policies/default.yaml"))
    coverage = policy.coverage.model_copy(update={"min_steps": 8})
    policy = policy.model_copy(update={"coverage": coverage})

    def check(record):
        evidence, now = Evidence.of(record), "2099-01-01T00:00:00Z"
        verdict = judge(policy, evidence, model=None, as_of=now, training_only=True)
        return [check.code for check in verdict.integrity if check.status != "pass"]

    return check


class Kill(keras.callbacks.Callback):
    """Keeps what a kill at some moments would leave: a copy of all files as they are then.

    Args:
        folder: Of the training.
        before: Numbers of batches, and of epochs where it says so, from 0 on.
    """

    def __init__(self, folder, *, batches=(), after_epochs=()):
        super().__init__()
        self.folder, self.batches, self.epochs = folder, batches, after_epochs
        self.seen = 0

    def on_train_batch_begin(self, batch, logs=None):
        if self.seen in self.batches:
            copy(self.folder, at(self.folder, self.seen))
        self.seen += 1

    def on_epoch_end(self, epoch, logs=None):
        if epoch in self.epochs:
            copy(self.folder, at(self.folder, f"epoch {epoch}"))


def at(folder, moment):
    return folder.with_name(f"{folder.name} at {moment}")


def copy(source, target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target


# 64 rows, 8 batches; the 4th batch of each epoch has a NaN, so the optimizer counts 7 an epoch.
X = np.random.default_rng(3).normal(size=(64, 4)).astype(np.float32)
Y = (X[:, :1] > 0.3).astype(np.float32)
X_NAN = np.where(np.arange(64)[:, None] == 3 * BATCHES, np.float32(np.nan), X)
CLIPS = (
    ZClip(warmup=5, max_norm=None, z_threshold=0.5),
    AutoClip(percentile=30.0, history=10),
    ClipByGlobalNorm(max_norm=5.0),
)


def train(folder, *callbacks, resume=False, epochs=EPOCHS, **settings):
    """A program that an orchestrator starts again and again, with all that has a state."""
    reproducible(7)
    keras.utils.clear_session(free_memory=False)
    dense = keras.layers.Dense
    model = keras.Sequential(
        [keras.Input((4,)), dense(4, "relu", name="hidden"), dense(1, "sigmoid", name="output")],
        name="model",
    )
    model.compile(SGD(0.5, momentum=0.9), "binary_crossentropy")
    model.optimizer.build(model.trainable_variables)  # else the first step is traced twice
    settings = {"clip": CLIPS, "on_nonfinite": "skip", "statistics_every": 3} | settings
    backup = keras.callbacks.BackupAndRestore(folder / "backup")
    with instrument(model, folder / "record", resume=resume, **settings):
        model.fit(
            X_NAN,
            Y,
            batch_size=8,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[backup, *callbacks],
        )


def train_line(folder, *callbacks, resume=False, optimizer=None, data=(X, Y), **arguments):
    """The smallest such program: one layer, no statistics."""
    reproducible(7)
    keras.utils.clear_session(free_memory=False)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="line")], name="model")
    model.compile(optimizer or SGD(0.1, momentum=0.9), "mean_squared_error")
    model.optimizer.build(model.trainable_variables)
    fit = {"epochs": FEW, "batch_size": 8, "shuffle": False, "verbose": 0}
    save_freq = arguments.pop("save_freq", "epoch")
    backup = keras.callbacks.BackupAndRestore(folder / "backup", save_freq=save_freq)
    data = (data,) if isinstance(data, tf.data.Dataset) else data
    with instrument(model, folder / "record", resume=resume, statistics_every=0):
        model.fit(*data, **(fit | arguments), callbacks=[backup, *callbacks])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training from begin to end, with copies of its files at some moments."""
    folder = tmp_path_factory.mktemp("trained") / "whole"
    train(folder, Kill(folder, batches=(11, 21), after_epochs=(EPOCHS - 1,)))
    (copy(folder, at(folder, "the end of fit")) / "record/manifest.json").unlink()
    return folder


@pytest.fixture
def killed(whole, tmp_path):
    """Returns a copy of what a kill at a moment left."""
    return lambda moment: copy(at(whole, moment), tmp_path / "killed")


def test_the_whole_training_is_worth_comparing(whole, read):
    record, steps = read(whole / "record")
    assert np.flatnonzero(~steps.applied).tolist() == list(range(3, 72, 8))
    assert 10 < steps.clipped.sum() < 63
    assert (steps.stage_fired[8:].any(axis=0)).tolist() == [True, True, False]
    assert steps.statistics.step.tolist() == sorted({*range(0, 72, 3), *range(3, 72, 8)})
    assert np.isfinite(steps.statistics.global_cosine).sum() > 4
    assert steps.activations.step.tolist() == list(range(7, 72, 8))
    assert np.isfinite(steps.activations.dead_fraction[:, 0]).tolist() == [False] * 7 + [True] * 2
    assert record.summary.constant_loss is not None
    assert record.manifest.resumes == ()


@pytest.mark.parametrize(
    ("moment", "at_step", "reason"),
    [
        ("the end of fit", 0, "begun again, without a backup"),  # which Keras takes away then
        (21, 16, "restored from a backup"),
        ("epoch 8", 72, "restored from a backup"),  # nothing is left to do
    ],
)
def test_the_record_is_that_of_the_whole_training_and_the_restart_is_marked(
    whole, killed, read, problems_of, moment, at_step, reason
):
    folder = killed(moment)
    train(folder, resume=True)
    assert_same(read(folder / "record"), read(whole / "record"))
    manifest = read(folder / "record")[0].manifest
    assert [(resume.at_step, resume.reason) for resume in manifest.resumes] == [(at_step, reason)]
    assert manifest.planned_steps == manifest.observed_steps == EPOCHS * BATCHES
    assert problems_of(read(folder / "record")[0]) == []


def test_killed_again_both_restarts_are_marked(whole, killed, read):
    folder = killed(11)
    train(folder, Kill(folder, batches=(20,)), resume=True)  # 8 were done: the 28th batch of all
    again = at(folder, 20)
    train(again, resume=True)
    assert_same(read(again / "record"), read(whole / "record"))
    assert [each.at_step for each in read(again / "record")[0].manifest.resumes] == [8, 24]


def test_an_older_backup_takes_the_record_back_with_it(whole, killed, read):
    folder = killed(21)
    copy(at(whole, 11) / "backup", folder / "backup")
    train(folder, resume=True)
    assert_same(read(folder / "record"), read(whole / "record"))
    assert [each.at_step for each in read(folder / "record")[0].manifest.resumes] == [8]


def test_a_backup_that_is_not_of_this_record_is_refused(whole, killed):
    folder = killed(11)
    copy(at(whole, 21) / "backup", folder / "backup")  # 2 epochs of 7 applied steps
    before = {path: path.read_bytes() for path in (folder / "record").rglob("*.*")}
    with pytest.raises(ValueError, match="was restored at iteration 14, and the record in") as said:
        train(folder, resume=True)
    assert (
        "has no checkpoint there: the two do not belong together. Give the record of the training"
        " that wrote this backup, or a new directory."
    ) in str(said.value)
    for path, data in before.items():
        assert path.read_bytes() == data or path.name == "training.json", path


def test_without_resume_an_unfinished_record_is_left_alone(killed):
    folder = killed(11)
    with pytest.raises(FileExistsError, match="of a training that did not finish") as said:
        train(folder)
    assert (
        "Pass resume=True to gradgate.instrument to go on with it, name another directory, or"
        " remove this one."
    ) in str(said.value)


def test_a_finished_record_is_not_gone_on_with(whole):
    with pytest.raises(FileExistsError, match="holds a finished record") as said:
        train(whole, resume=True)
    assert "Each training needs a directory of its own: name another one" in str(said.value)


def test_a_restored_model_may_begin_a_new_record(tmp_path, read):
    train_line(tmp_path / "whole", Kill(tmp_path / "whole", batches=(11,)))
    killed = at(tmp_path / "whole", 11)
    shutil.rmtree(killed / "record")
    train_line(killed, resume=True)
    record, steps = read(killed / "record")
    assert steps.step.tolist() == list(range(3 * BATCHES))
    assert steps.epoch.tolist() == [1] * 8 + [2] * 8 + [3] * 8
    assert record.manifest.planned_steps == 3 * BATCHES
    assert record.manifest.resumes == ()


def test_a_backup_in_the_middle_of_an_epoch_lets_keras_take_that_epoch_again(tmp_path, read):
    # save_freq=3 saves after batches 3, 6 and 9; the last one is the first of the second epoch.
    # Keras then takes the second epoch from its begin: 9 steps, and 8 for each of 3 epochs.
    train_line(tmp_path / "whole", Kill(tmp_path / "whole", batches=(11,)), save_freq=3)
    killed = at(tmp_path / "whole", 11)
    train_line(killed, resume=True, save_freq=3)
    batches = [*range(8), 0, *[*range(8)] * 3]
    rows = np.concatenate([np.arange(8 * i, 8 * i + 8) for i in batches])
    train_line(tmp_path / "same", data=(X[rows], Y[rows]), epochs=1)
    (record, steps), (same, wanted) = read(killed / "record"), read(tmp_path / "same/record")
    assert [each.at_step for each in record.manifest.resumes] == [9]
    assert record.manifest.planned_steps == 33
    assert steps.step.tolist() == list(range(33))
    assert steps.epoch.tolist() == [0] * 8 + [1] * 9 + [2] * 8 + [3] * 8
    assert steps.loss.tolist() == wanted.loss.tolist()
    assert steps.global_norm.tolist() == wanted.global_norm.tolist()
    assert [each.last_step for each in record.summary.epochs] == [7, 16, 24, 32]
    no_epochs = {"epochs": ()}  # the other one took the same rows in one epoch
    assert record.summary.model_copy(update=no_epochs) == same.summary.model_copy(update=no_epochs)


@pytest.mark.parametrize("patience", [None, 3])
def test_data_of_unknown_size_are_planned_as_if_nothing_had_been(tmp_path, read, patience):
    def run(folder, *kill, resume=False):
        data = tf.data.Dataset.from_generator(
            lambda: iter([(X[i : i + 8], Y[i : i + 8]) for i in range(0, 64, 8)]),
            output_signature=(tf.TensorSpec([8, 4]), tf.TensorSpec([8, 1])),
        )
        early = keras.callbacks.EarlyStopping("loss", patience=patience or 99, min_delta=1e9)
        train_line(folder, early, *kill, resume=resume, data=data, batch_size=None, epochs=5)

    whole = tmp_path / "whole"
    run(whole, Kill(whole, batches=(11,)))
    run(at(whole, 11), resume=True)
    record, _ = read(at(whole, 11) / "record")
    # EarlyStopping counts anew: the best epoch is the first one it sees, then 3 without a better.
    assert record.manifest.planned_steps == record.manifest.observed_steps == 5 * BATCHES
    assert read(whole / "record")[0].manifest.planned_steps == (4 if patience else 5) * BATCHES


def test_steps_that_the_loss_scale_left_out_are_told_once(tmp_path, read):
    def scaled():
        # Gradients of about 1 overflow float32 (3.4e38) at a scale of 2^127 and 2^126, ...
        inner = SGD(0.01)
        return keras.optimizers.LossScaleOptimizer(
            inner, initial_scale=2.0**127, dynamic_growth_steps=6
        )

    whole = tmp_path / "whole"
    train_line(whole, Kill(whole, batches=(19,)), optimizer=scaled(), data=(X * 30, Y))
    train_line(at(whole, 19), resume=True, optimizer=scaled(), data=(X * 30, Y))
    assert_same(read(at(whole, 19) / "record"), read(whole / "record"))
    record, steps = read(at(whole, 19) / "record")
    skips = record.manifest.loss_scale_skips
    assert skips > steps.loss_scale_skips[: record.manifest.resumes[0].at_step].sum() > 0
    assert len(steps) + skips == record.manifest.planned_steps == FEW * BATCHES


def test_batches_of_a_step_that_was_not_taken_yet_are_not_forgotten(tmp_path, read):
    def averaging():
        return SGD(0.1, momentum=0.9, gradient_accumulation_steps=3)

    # 16 batches until the backup: 5 steps, and one batch of the 6th.
    whole, data = tmp_path / "whole", (X[:-8], Y[:-8])  # 7 batches an epoch, 28 in all: 9 steps
    train_line(whole, Kill(whole, batches=(16,)), optimizer=averaging(), data=data)
    train_line(at(whole, 16), resume=True, optimizer=averaging(), data=data)
    assert_same(read(at(whole, 16) / "record"), read(whole / "record"))
    record, steps = read(at(whole, 16) / "record")
    assert [each.at_step for each in record.manifest.resumes] == [4]  # 14 batches, 2 of the 5th
    assert record.manifest.planned_steps == len(steps) == 9


def _loop(folder, *, kills=(), resume=False, steps=24):
    """A hand-written loop that saves a checkpoint every 8 steps."""
    reproducible(7)
    keras.utils.clear_session(free_memory=False)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="line")], name="model")
    optimizer = SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)
    done = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, done=done)
    manager = tf.train.CheckpointManager(checkpoint, str(folder / "backup"), max_to_keep=2)
    guard = instrument(
        model,
        folder / "record",
        optimizers=optimizer,
        clip=AutoClip(percentile=50.0, history=10),
        statistics_every=5,
        planned_steps=steps,
        resume=resume,
    )
    with guard:

        @tf.function
        def step(x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x) - y) ** 2)
            guard.observe_loss(loss)
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)

        if resume and manager.latest_checkpoint:
            checkpoint.restore(manager.latest_checkpoint)
        for number in range(int(done), steps):
            if number in kills:
                copy(folder, at(folder, number))
            rows = slice(number % 8 * 8, number % 8 * 8 + 8)
            step(X[rows], Y[rows])
            done.assign_add(1)
            if (number + 1) % 8 == 0:
                guard.save_checkpoint()
                manager.save()


@pytest.mark.parametrize(("kill", "at_step"), [(5, 0), (13, 8)])
def test_a_loop_written_by_hand_goes_on_from_its_own_checkpoint(tmp_path, read, kill, at_step):
    whole = tmp_path / "whole"
    _loop(whole, kills=(kill,))
    _loop(at(whole, kill), resume=True)
    assert_same(read(at(whole, kill) / "record"), read(whole / "record"))
    record, steps = read(at(whole, kill) / "record")
    assert [each.at_step for each in record.manifest.resumes] == [at_step]
    assert steps.clipped.sum() > 5


class Gan(keras.Model):
    """A linear generator and critic; the critic takes two steps a batch."""

    def __init__(self):
        super().__init__(name="gan")
        self.generator, self.critic = (
            keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name=name)], name=name)
            for name in ("generator", "critic")
        )
        self.d_optimizer, self.g_optimizer = SGD(0.05, momentum=0.5), SGD(0.1)

    def train_step(self, real):
        z = real - 2.0
        for _ in range(2):
            with tf.GradientTape() as tape:
                fake = tf.reduce_mean(self.critic(self.generator(z)) ** 2)
                loss = self.d_optimizer.scale_loss(
                    fake + tf.reduce_mean((self.critic(real) - 1.0) ** 2)
                )
            variables = self.critic.trainable_variables
            self.d_optimizer.apply(tape.gradient(loss, variables), variables)
        with tf.GradientTape() as tape:
            fake = self.critic(self.generator(z))
            loss = self.g_optimizer.scale_loss(tf.reduce_mean((fake - 1.0) ** 2))
        variables = self.generator.trainable_variables
        self.g_optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


def _train_gan(folder, *callbacks, resume=False, build=True):
    reproducible(7)
    keras.utils.clear_session(free_memory=False)
    gan = Gan()
    gan.compile()
    gan.built = True
    if build:  # Keras restores no optimizer that is not
        gan.d_optimizer.build(gan.critic.trainable_variables)
        gan.g_optimizer.build(gan.generator.trainable_variables)
    backup = keras.callbacks.BackupAndRestore(folder / "backup")
    optimizers = {"critic": gan.d_optimizer, "generator": gan.g_optimizer}
    with instrument(
        gan, folder / "record", optimizers=optimizers, statistics_every=8, resume=resume
    ):
        fit = {"epochs": 3, "batch_size": 8, "shuffle": False, "verbose": 0}
        gan.fit(X[:, :1], **fit, callbacks=[backup, *callbacks])


def test_each_optimizer_of_a_gan_goes_on_with_its_own_series(tmp_path, read, problems_of):
    whole = tmp_path / "whole"
    _train_gan(whole, Kill(whole, batches=(11,)))
    killed = at(whole, 11)
    unbuilt = copy(killed, tmp_path / "unbuilt")
    _train_gan(killed, resume=True)
    assert_same(read(killed / "record"), read(whole / "record"))
    name = "record/optimizers/generator"
    assert_same(read(killed / name), read(whole / name))
    critic, generator = read(killed / "record")[0], read(killed / name)[0]
    assert [each.at_step for each in critic.manifest.resumes] == [16]
    assert [each.at_step for each in generator.manifest.resumes] == [8]
    assert critic.manifest.planned_steps == 48
    assert problems_of(critic) == []
    with pytest.raises(ValueError, match="goes on at epoch 1, but its optimizer SGD was not") as e:
        _train_gan(unbuilt, resume=True, build=False)
    assert "call optimizer.build(variables) before fit; or give a new directory" in str(e.value)


@pytest.fixture(scope="module")
def killed_trainings(tmp_path_factory):
    """The folder of a training that was killed many times, and what happened to it."""
    folder = tmp_path_factory.mktemp("killed")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("killed_trainings.py")), folder, str(KILLS)],
        env=os.environ | {"PYTHONPATH": str(root / "components")},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_killed_at_forty_random_moments_the_record_is_that_of_the_whole_training(
    killed_trainings, read, problems_of
):
    folder, happened = killed_trainings
    found, wanted = read(folder / "killed/record"), read(folder / "whole/record")
    assert_same(found, wanted)
    record, steps = found
    assert np.flatnonzero(~steps.applied)[:3].tolist() == [2, 6, 10]
    assert 20 < steps.clipped.sum() < 200
    assert record.manifest.planned_steps == record.manifest.observed_steps == 240
    assert happened["kills"] == KILLS
    # Every attempt that finished an epoch is marked, and so are some others, but the first is not
    # and the last was not killed.
    marks = record.manifest.resumes
    assert KILLS // 4 <= happened["begun"] <= len(marks) <= KILLS
    assert {mark.at_step % 4 for mark in marks} == {0}
    assert len({mark.at_step for mark in marks}) > 5
    assert problems_of(record) == []
