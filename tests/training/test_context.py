"""A training whose record belongs to a Trainer: attached by the training code, finished after."""

import types

import numpy as np
import pytest
import tensorflow as tf

from gradgate.contracts import DataSource, bind_tree
from gradgate.gradients import ClipByGlobalNorm
from gradgate.telemetry.sinks.tensorboard import TensorBoardSink
from gradgate.training import GuardSettings, TrainingContext, instrument


class Seeing:
    """A mirror that notes what it is told."""

    def __init__(self):
        self.calls = []

    def begin(self, card, *, training_uid, planned_steps):
        self.calls.append(("begin", training_uid, planned_steps))

    def learn(self, card):
        """What is known later is not what these tests ask for."""

    def write(self, batch):
        self.calls.append(("write", len(batch)))

    def end(self, manifest):
        self.calls.append(("end", manifest.observed_steps))


class Broken(Seeing):
    def write(self, batch):
        raise OSError("no room")


def _fn_args(context):
    return types.SimpleNamespace(gradgate=context, train_steps=1)


def test_tensorboard_shows_layers_that_are_first_looked_at_after_it_began(
    mlp, record_dir, tmp_path, caplog
):
    data = tf.data.Dataset.from_tensor_slices((np.ones((24, 4)), np.ones((24, 1)))).batch(4)
    sink = TensorBoardSink(tmp_path / "logs")
    context = TrainingContext(record_dir, GuardSettings(statistics_every=2), "t", sinks=(sink,))
    model = mlp()
    with instrument(model, context) as guard:
        model.train_on_batch(np.ones((4, 4)), np.ones((4, 1)))
        guard.flush()  # the first steps are told before there was any look
        model.fit(data, epochs=9, verbose=0)  # a unit is dead after 8 looks
    context.finish("completed")
    assert "dropping" not in caplog.text
    (file,) = (tmp_path / "logs").iterdir()
    assert b"activation_dead_fraction/" in file.read_bytes()


def test_the_trainer_says_how_and_where_and_finishes(mlp, record_dir, tmp_path, read):
    settings = GuardSettings(clip=ClipByGlobalNorm(max_norm=0.01), statistics_every=4)
    seeing = Seeing()
    context = TrainingContext(
        record_dir,
        settings,
        "training-1",
        sinks=(seeing,),
        mlflow_run_id="run-1",
        data=(DataSource(name="train", digest="sha256:0"),),
        planned_steps=8,
    )
    model = mlp()
    with instrument(model, _fn_args(context)) as guard:
        model.fit(mlp.x, mlp.y, batch_size=8, verbose=0)
    assert context.manifest is None
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "saved_model.pb").write_bytes(b"model")
    manifest = context.finish("completed", model_dir=tmp_path / "export")
    record, steps = read(record_dir)
    assert record.manifest == manifest
    assert manifest.model == bind_tree(tmp_path / "export")
    assert (manifest.training_uid, manifest.mlflow_run_id) == ("training-1", "run-1")
    assert (manifest.planned_steps, manifest.observed_steps) == (8, 8)
    assert manifest.data == (DataSource(name="train", digest="sha256:0"),)
    assert steps.clipped.all()
    assert guard.settings == settings
    assert seeing.calls[0] == ("begin", "training-1", 8)
    assert seeing.calls[-1] == ("end", 8)
    assert sum(call[1] for call in seeing.calls if call[0] == "write") == 8
    assert context.finish("failed") == manifest


def test_the_training_code_may_say_otherwise(mlp, record_dir):
    context = TrainingContext(record_dir, GuardSettings(statistics_every=4), "uid")
    guard = instrument(mlp(), context, statistics_every=9, on_nonfinite="skip")
    assert guard.settings == GuardSettings(statistics_every=9, on_nonfinite="skip")


def test_a_guard_that_was_left_open_is_closed(mlp, record_dir, read):
    context = TrainingContext(record_dir, GuardSettings(), "uid")
    model = mlp()
    instrument(model, context)
    model.fit(mlp.x, mlp.y, batch_size=8, verbose=0)
    context.finish("failed", "ValueError: bad luck")
    record, steps = read(record_dir)
    assert len(steps) == 8
    assert (record.manifest.status, record.manifest.status_message) == (
        "failed",
        "ValueError: bad luck",
    )
    assert "fit" not in vars(model)


def test_training_code_that_never_instruments_leaves_a_record_that_says_so(record_dir, read):
    TrainingContext(record_dir, GuardSettings(), "uid", planned_steps=5).finish("completed")
    record, steps = read(record_dir)
    assert steps is None
    assert not record.manifest.instrumented
    assert record.manifest.observed_steps == 0
    assert record.manifest.planned_steps == 5


def test_a_second_guard_in_one_training_is_refused(mlp, record_dir):
    context = TrainingContext(record_dir, GuardSettings(), "uid")
    first, second = mlp(), mlp()
    instrument(first, context)
    with pytest.raises(ValueError, match=r"^") as caught:
        instrument(second, context)
    assert str(caught.value) == (
        "instrument: the training uid has a guard already. One record is of one model: instrument"
        " only the model that will be exported."
    )
    assert "fit" not in vars(second)


def test_what_the_guard_knows_to_be_worse_wins(mlp, record_dir, read):
    context = TrainingContext(record_dir, GuardSettings(on_nonfinite="stop"), "uid")
    model = mlp()
    with instrument(model, context):
        model.fit(mlp.x * np.nan, mlp.y, verbose=0)
    manifest = context.finish("completed")
    assert manifest.status == "stopped"
    assert manifest.status_message.startswith("Stopped at step 0: ")


def test_a_mirror_that_fails_is_dropped_and_the_training_goes_on(mlp, record_dir, read, caplog):
    broken, seeing = Broken(), Seeing()
    context = TrainingContext(record_dir, GuardSettings(), "uid", sinks=(broken, seeing))
    model = mlp()
    with instrument(model, context):
        model.fit(mlp.x, mlp.y, batch_size=8, verbose=0)
    context.finish("completed")
    assert "dropping Broken" in caplog.text
    assert seeing.calls[-1] == ("end", 8)
    _, steps = read(record_dir)
    assert len(steps) == 8


def test_the_seed_holds_before_the_model_is_built(mlp, tmp_path):
    weights = []
    for name in ("a", "b"):
        TrainingContext(tmp_path / name, GuardSettings(seed=11), name)
        weights.append(mlp().get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
