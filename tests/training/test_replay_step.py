"""A recorded step is taken again as it was, and the operation is named that first gave NaN."""

import importlib
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism

from gradgate.gradients import ClipByGlobalNorm
from gradgate.telemetry.reader import open_record
from gradgate.training import instrument, reproducible
from gradgate.training.replaying import Program, ReplayError, program_of, replay_step
from tests.training import replayed_programs as programs

SEED = 11


def record_of(program, folder, *, epochs=3, callbacks=(), **guarded):
    reproducible(SEED)
    model, batches = program()
    with instrument(model, folder, **guarded):
        model.fit(batches, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return open_record(folder)


def replayed(record, program, step=None, **given):
    reproducible(SEED)
    return replay_step(record, program_of(program(), name=program.__name__), step, **given)


def line_of(text):
    lines = Path(programs.__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_shuffled_epochs_with_dropout_are_the_recorded_ones_bit_for_bit(record_dir):
    found = replayed(record_of(programs.sound, record_dir), programs.sound, 16)
    assert (found.step, found.epoch, found.birth) == (16, 2, None)
    assert (found.likeness.steps, found.likeness.exact) == (17, True)
    assert found.row.statistics.mean_abs.shape == (1, 4)


@pytest.mark.parametrize("name", ["{epoch}.weights.h5", "{epoch}.keras"])
def test_the_last_checkpoint_before_the_step_is_the_start(record_dir, tmp_path, name):
    path = tmp_path / "saved" / name
    saver = keras.callbacks.ModelCheckpoint(path, save_weights_only=name.endswith("h5"))
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "cut-off.keras").write_bytes(b"PK")
    record = record_of(programs.sound, record_dir, callbacks=[saver])
    found = replayed(record, programs.sound, 16, checkpoints=tmp_path / "saved")
    assert (found.start.step, found.start.path.name) == (12, name.format(epoch=2))
    assert (found.likeness.steps, found.likeness.exact) == (5, True)


def test_a_missing_value_came_in_with_the_data_in_its_column(record_dir):
    found = replayed(record_of(programs.missing_value, record_dir), programs.missing_value)
    assert found.likeness.exact
    x, y = found.inputs
    assert (x.name, x.nonfinite, x.columns) == ("x", 1, ((programs.BAD_COLUMN, 1),))
    assert (y.name, y.nonfinite, y.shape) == ("y", 0, (8, 1))
    assert (found.birth.operation, found.birth.place.layer) == ("MatMul", "first")
    assert found.birth.source is None, "the line is Keras's own"


def test_a_gradient_is_traced_to_the_line_of_what_it_is_the_gradient_of(record_dir):
    birth = replayed(record_of(programs.root, record_dir, epochs=1), programs.root).birth
    assert (birth.operation, birth.place.layer, birth.place.is_gradient) == (
        "SqrtGrad",
        "root",
        True,
    )
    line = line_of("the line that a replay names")
    assert birth.source.endswith(f"replayed_programs.py:{line} in call")
    root, above = birth.operands
    assert (root.lowest, root.shape) == (0.0, (8, 8))
    assert root.zeros > 0
    assert np.isfinite([above.lowest, above.highest]).all()


@pytest.mark.half("first")
def test_an_operation_of_the_forward_pass_is_named_with_what_went_in(record_dir):
    birth = replayed(record_of(programs.logarithm, record_dir, epochs=1), programs.logarithm).birth
    assert (birth.operation, birth.values, birth.place.is_gradient) == ("Log", "-Inf", False)
    assert birth.operands[0].lowest == 0.0


def test_an_operation_inside_of_a_loop_is_named_by_its_recurrent_layer(record_dir):
    birth = replayed(record_of(programs.recurrent, record_dir, epochs=1), programs.recurrent).birth
    assert birth.place.layer == "memory"
    assert "Log" in birth.operation


@pytest.mark.half("first")
def test_weights_that_were_bad_before_the_step_are_named_instead(record_dir):
    record = record_of(programs.missing_value, record_dir)
    first = replayed(record, programs.missing_value).step
    found = replayed(record, programs.missing_value, first + 1)
    assert "first/kernel" in " ".join(found.nonfinite_weights)
    assert found.birth is None


@pytest.mark.half("second")
def test_clips_and_skipped_steps_are_those_of_the_training(record_dir):
    record = record_of(
        programs.missing_value, record_dir, clip=ClipByGlobalNorm(max_norm=0.1), on_nonfinite="skip"
    )
    assert replayed(record, programs.missing_value, 14).likeness.exact


@pytest.mark.half("first")
def test_a_loop_by_hand_is_replayed_by_its_own_step(record_dir):
    def program():
        model, batches = programs.root()

        @tf.function
        def step(batch):
            x, y = batch
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.scale_loss(loss)
            model.optimizer.apply(gradients, model.trainable_variables)

        return Program(model=model, data=batches, step=step)

    reproducible(SEED)
    made = program()
    with instrument(made.model, record_dir) as guard:
        for batch in made.data:
            made.step(batch)
        guard.flush()
    found = replayed(open_record(record_dir), program)
    assert (found.birth.operation, found.birth.place.layer) == ("SqrtGrad", "root")


@pytest.mark.half("second")
def test_what_is_not_the_recorded_training_is_said(record_dir):
    found = replayed(record_of(programs.sound, record_dir, epochs=1), programs.other_data, 2)
    assert (found.likeness.holds, found.likeness.differs_at) == (False, 0)


@pytest.mark.parametrize(
    ("program", "step", "error", "message"),
    [
        ("sound", None, ReplayError, "every step of the record was finite. Say which one"),
        ("sound", 99, ReplayError, "there is no step 99 in the record; it has 0 to 11"),
        ("fewer_data", 3, ReplayError, "the data of epoch 0 ended before step 2 of the record"),
        ("arrays", 3, TypeError, "must be a tf.data.Dataset of batches, or a function from an ep"),
        ("nothing", 3, TypeError, r"nothing must return \(model, dataset\) or a"),
    ],
)
def test_what_cannot_be_replayed_is_refused(record_dir, program, step, error, message):
    record = record_of(programs.sound, record_dir, epochs=2)
    with pytest.raises(error, match=message):
        replayed(record, getattr(programs, program), step)


@pytest.mark.half("first")
def test_a_folder_of_checkpoints_that_is_none_is_refused(record_dir, tmp_path):
    record = record_of(programs.sound, record_dir, epochs=1)
    with pytest.raises(FileNotFoundError, match="there is no folder of checkpoints"):
        replayed(record, programs.sound, 2, checkpoints=tmp_path / "none")


def test_what_stands_against_the_same_weights_is_in_the_record(record_dir, tmp_path):
    made = record_of(programs.sound, record_dir, epochs=1).card
    assert (made.seed, made.nondeterminism) == (SEED, ())
    model, batches = programs.sound()
    with instrument(model, tmp_path / "late", seed=SEED + 1):
        model.fit(batches, epochs=1, verbose=0)
    late = open_record(tmp_path / "late").card
    assert late.seed == SEED + 1
    assert "the seed was set after the model's weights were drawn" in " ".join(late.nondeterminism)


@pytest.mark.half("second")
def test_no_seed_and_ops_that_add_in_any_order_are_in_the_record(record_dir, monkeypatch):
    seed = importlib.import_module("gradgate.training.seed")
    monkeypatch.setattr(seed, "_last", [])
    disable_op_determinism()
    model, batches = programs.sound()
    with instrument(model, record_dir):
        model.fit(batches, epochs=1, verbose=0)
    card = open_record(record_dir).card
    assert card.seed is None
    assert [reason.split(":")[0] for reason in card.nondeterminism] == [
        "no seed was set before the model was made",
        "TensorFlow's operations may add in any order",
    ]
