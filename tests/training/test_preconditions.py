"""What this version would measure wrongly is refused, in words that say what to change."""

import keras
import pytest
import tensorflow as tf

from gradgate.gradients import ClipByGlobalNorm
from gradgate.training import instrument


def _refusal(model, record_dir, kind=ValueError):
    with pytest.raises(kind, match=r"^") as caught:
        instrument(model, record_dir)
    assert not record_dir.exists()
    return str(caught.value)


def test_a_model_that_is_not_compiled(record_dir):
    model = keras.Sequential([keras.layers.Dense(1)], name="mine")
    assert _refusal(model, record_dir) == (
        "instrument: the model 'mine' is not compiled, so it has no optimizer to observe."
        " Call model.compile(optimizer=..., loss=...) first; for a hand-written loop, pass"
        " optimizers=..."
    )


def test_what_is_no_keras_model(record_dir):
    assert _refusal(object(), record_dir, TypeError) == (
        "instrument: expected a keras.Model of Keras 3, got builtins.object."
        " Under TFX, `tf.keras` is Keras 2: import keras."
    )


@pytest.mark.parametrize(
    ("limit", "instead"),
    [
        ({"clipnorm": 1.0}, "clip=ClipByNorm(max_norm=1.0)"),
        ({"global_clipnorm": 2.0}, "clip=ClipByGlobalNorm(max_norm=2.0)"),
        ({"clipvalue": 0.5}, "clip=ClipByValue(max_abs=0.5)"),
    ],
)
def test_an_optimizer_that_clips_too(mlp, record_dir, limit, instead):
    ((name, value),) = limit.items()
    assert _refusal(mlp(keras.optimizers.Adam(**limit)), record_dir) == (
        f"instrument: the optimizer clips too ({name}={value}), so the health record would not"
        f" see it. Remove it and pass {instead}."
    )


def test_what_is_no_optimizer(mlp, record_dir):
    with pytest.raises(TypeError, match=r"^") as caught:
        instrument(mlp(), record_dir, optimizers={"adam": "adam"})
    assert str(caught.value) == ("instrument: expected an optimizer of Keras 3, got builtins.str.")
    assert not record_dir.exists()


def test_one_optimizer_under_two_names(mlp, record_dir):
    model = mlp()
    with pytest.raises(ValueError, match="the same optimizer has two names"):
        instrument(model, record_dir, optimizers={"a": model.optimizer, "b": model.optimizer})


def test_a_strategy_that_is_not_known(mlp, record_dir):
    model = mlp()
    with tf.distribute.experimental.CentralStorageStrategy(["CPU:0"]).scope():
        assert _refusal(model, record_dir) == (
            "instrument: the model trains under CentralStorageStrategy, which is not measured."
            " Known are MirroredStrategy, MultiWorkerMirroredStrategy, OneDeviceStrategy, and none."
        )


def test_a_model_that_is_instrumented_already(mlp, record_dir, tmp_path):
    model = mlp()
    instrument(model, tmp_path / "first")
    assert _refusal(model, record_dir) == (
        "instrument: this model is instrumented already. Close that guard first"
        " (guard.close(), or leave its `with` block); one guard sees all of its steps."
    )


def test_a_model_that_was_compiled_again_is_noticed_at_fit(mlp, record_dir):
    model = mlp()
    instrument(model, record_dir)
    model.compile("sgd", "binary_crossentropy")
    with pytest.raises(ValueError, match=r"^") as caught:
        model.fit(mlp.x, mlp.y, verbose=0)
    assert str(caught.value) == (
        "gradgate: the model 'mlp' was compiled again after it was instrumented, so its new"
        " optimizer (SGD) is not observed. Call instrument after the last compile()."
    )


def test_a_target_that_is_no_place(mlp):
    with pytest.raises(TypeError, match=r"^") as caught:
        instrument(mlp(), 3)
    assert str(caught.value) == (
        "instrument: expected a directory for the record, or what gradgate's Trainer passes to"
        " run_fn, got int. In a TFX pipeline, swap the stock Trainer for gradgate's."
    )


def test_a_directory_that_holds_a_record(mlp, record_dir):
    instrument(mlp(), record_dir).close()
    with pytest.raises(FileExistsError, match="holds a finished record"):
        instrument(mlp(), record_dir)


def test_a_setting_that_cannot_be_leaves_the_model_as_it_was(mlp, record_dir):
    model = mlp()
    with pytest.raises(ValueError, match="Did you mean 'skip'"):
        instrument(model, record_dir, on_nonfinite="skp", clip=ClipByGlobalNorm(max_norm=1.0))
    assert not record_dir.exists()
    instrument(model, record_dir).close()
