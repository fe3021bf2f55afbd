"""Saving, exporting, copying and loading an instrumented model gives what a plain one gives."""

import copy
import io
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.training import instrument, reproducible

NAME = b"gradgate"


def _model():
    model = keras.Sequential(
        [
            keras.Input((4,), name="features"),
            keras.layers.Dense(8, "relu", kernel_regularizer="l2", name="hidden"),
            keras.layers.Dropout(0.2, seed=1, name="dropout"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(1, "sigmoid", name="output"),
        ],
        name="mlp",
    )
    optimizer = keras.optimizers.Adam(0.01, name="adam")
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return model


X = np.random.default_rng(3).normal(size=(64, 4)).astype(np.float32)
Y = (X[:, :1] > 0.3).astype(np.float32)


def _save_all(model, folder, when):
    model.save(folder / f"{when}.keras")
    keras.saving.save_model(model, folder / f"{when}, by function.keras")
    model.save_weights(folder / f"{when}.weights.h5")
    model.export(folder / f"{when}.saved", verbose=False)
    tf.train.Checkpoint(model=model).write(folder / f"{when}.checkpoint")


def _train(folder, record=None):
    """Trains, and saves in all ways: in the middle of it, and after it."""
    folder.mkdir()
    keras.utils.clear_session(free_memory=False)
    reproducible(5)
    model = _model()
    callback = keras.callbacks.ModelCheckpoint(folder / "callback.keras")
    guard = None if record is None else instrument(model, record, statistics_every=1)
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0, callbacks=[callback])
    _save_all(model, folder, "while")
    model.fit(X, Y, batch_size=16, epochs=1, verbose=0)
    if guard is not None:
        guard.close()
    _save_all(model, folder, "after")
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Returns the folders of a plain and of an instrumented training, and both models."""
    root = tmp_path_factory.mktemp("saved")
    plain = _train(root / "plain")
    guarded = _train(root / "guarded", root / "record")
    return root / "plain", root / "guarded", plain, guarded


def _files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


ARCHIVES = [f"{when}{how}.keras" for when in ("while", "after") for how in ("", ", by function")]
ARCHIVES.append("callback.keras")


def _members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _config(members):
    """Returns the config, without the addresses by which it says what is shared."""
    text = members["config.json"].decode()
    return json.loads(re.sub(r'"shared_object_id": \d+', '"shared_object_id": 0', text))


def _datasets(content):
    found = {}
    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


def _assert_same_arrays(one, other):
    assert sorted(one) == sorted(other)
    assert one
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_the_same_files_are_written(saved):
    plain, guarded, *_ = saved
    assert _files(plain) == _files(guarded)
    assert {f"{when}.saved/saved_model.pb" for when in ("while", "after")} <= set(_files(plain))


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_holds_the_same_config_and_the_same_weights(saved, name):
    plain, guarded = (_members(folder / name) for folder in saved[:2])
    assert list(plain) == list(guarded)
    assert _config(plain) == _config(guarded)
    # Optimizer state and metrics among them.
    one, other = (_datasets(each["model.weights.h5"]) for each in (plain, guarded))
    assert any(key.startswith("optimizer/") for key in one)
    _assert_same_arrays(one, other)


@pytest.mark.parametrize("when", ["while", "after"])
def test_saved_weights_and_checkpoints_are_the_same(saved, when):
    plain, guarded = ((folder / f"{when}.weights.h5").read_bytes() for folder in saved[:2])
    _assert_same_arrays(_datasets(plain), _datasets(guarded))
    plain, guarded = (str(folder / f"{when}.checkpoint") for folder in saved[:2])
    assert tf.train.list_variables(plain) == tf.train.list_variables(guarded)


def test_nothing_of_us_is_in_any_file(saved):
    _, guarded, *_ = saved
    for path in guarded.rglob("*"):
        if path.suffix == ".keras":
            for name, content in _members(path).items():
                assert NAME not in content.lower(), f"{path.name}: {name}"
        elif path.is_file() and path.suffix != ".npz":
            assert NAME not in path.read_bytes().lower(), path


def test_an_exported_model_has_the_same_signatures_and_variables(saved):
    for when in ("while", "after"):
        plain, guarded = (tf.saved_model.load(folder / f"{when}.saved") for folder in saved[:2])
        signatures = [
            {name: str(each.structured_input_signature) for name, each in model.signatures.items()}
            for model in (plain, guarded)
        ]
        assert signatures[0] == signatures[1]
        # Keras numbers the variables in no fixed order.
        one, other = (
            sorted(
                shape
                for name, shape in tf.train.list_variables(
                    f"{folder}/{when}.saved/variables/variables"
                )
                if name.endswith("VARIABLE_VALUE")
            )
            for folder in saved[:2]
        )
        assert one == other
        assert one


def test_all_of_it_loads_where_we_are_not(saved):
    script = Path(__file__).with_name("loads_without_us.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    folders = [str(folder) for folder in saved[:2]]
    subprocess.run([sys.executable, script, *folders], check=True, env=environment)
    arrays = []
    for folder in saved[:2]:
        with np.load(folder / "arrays.npz") as loaded:
            arrays.append(dict(loaded))
        (folder / "arrays.npz").unlink()
    for name in ("while.keras predicts", "after.keras goes on", "while.saved serves"):
        assert name in arrays[0]
    _assert_same_arrays(*arrays)


def test_the_optimizer_ends_in_the_same_state(saved):
    *_, plain, guarded = saved
    assert plain.optimizer.get_config() == guarded.optimizer.get_config()
    assert [v.path for v in plain.optimizer.variables] == [
        v.path for v in guarded.optimizer.variables
    ]
    for one, other in zip(plain.optimizer.variables, guarded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    assert int(guarded.optimizer.iterations) == 12


# While it is instrumented.


@pytest.fixture
def guarded(tmp_path):
    model = _model()
    with instrument(model, tmp_path / "record") as guard:
        model.fit(X, Y, batch_size=32, verbose=0)
        yield model, guard


def _is_plain(model):
    ours = {"fit", "compute_loss", "save", "save_weights"}
    hooked = {name for name, value in vars(model.optimizer).items() if callable(value)}
    return not ours & set(vars(model)) and not hooked & set(dir(keras.optimizers.Optimizer))


def test_configs_say_nothing_of_the_guard(guarded):
    model, _ = guarded
    plain = _model()
    assert model.get_config() == plain.get_config()
    assert model.get_compile_config() == plain.get_compile_config()
    assert model.optimizer.get_config() == plain.optimizer.get_config()
    assert keras.saving.serialize_keras_object(model.optimizer) == (
        keras.saving.serialize_keras_object(plain.optimizer)
    )


COPIES = {
    "clone_model": keras.models.clone_model,
    "from_config": lambda model: type(model).from_config(model.get_config()),
    "to_json": lambda model: keras.models.model_from_json(model.to_json()),
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_a_plain_model(guarded, name):
    model, guard = guarded
    twin = COPIES[name](model)
    if name in ("deepcopy", "pickle"):
        for one, other in zip(model.weights, twin.weights, strict=True):
            np.testing.assert_array_equal(one, other)
        assert int(twin.optimizer.iterations) == int(model.optimizer.iterations) == 2
    else:
        twin.compile(keras.optimizers.Adam(), "binary_crossentropy")
    assert _is_plain(twin)
    assert not _is_plain(model)
    seen = guard.flush()
    twin.fit(X, Y, batch_size=32, verbose=0)
    assert guard.flush() == seen
    model.fit(X, Y, batch_size=32, verbose=0)
    assert guard.flush() == seen + 2


def test_weights_are_loaded_into_an_instrumented_model(guarded, tmp_path):
    model, _ = guarded
    model.save_weights(tmp_path / "model.weights.h5")
    before = model.get_weights()
    model.fit(X, Y, batch_size=32, verbose=0)
    model.load_weights(tmp_path / "model.weights.h5")
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_arguments_of_saving_reach_keras(guarded, tmp_path):
    model, _ = guarded
    path = tmp_path / "model.keras"
    model.save(filepath=path.with_suffix(""), overwrite=True, zipped=False)
    assert path.with_suffix("").is_dir()
    with pytest.raises(ValueError, match="Invalid filepath extension"):
        model.save(tmp_path / "other")


def test_the_mark_of_a_bound_model_is_all_that_is_added(guarded, tmp_path):
    model, guard = guarded
    model.export(tmp_path / "model", verbose=False)
    before = {name: (tmp_path / "model" / name).read_bytes() for name in _files(tmp_path / "model")}
    guard.bind(tmp_path / "model")
    after = {name: (tmp_path / "model" / name).read_bytes() for name in _files(tmp_path / "model")}
    mark = after.pop("assets.extra/gradgate.json")
    assert after == before
    assert list(json.loads(mark)) == ["training_uid"]
    loaded = tf.saved_model.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.serve(X), model.predict(X, verbose=0), rtol=1e-6)


def test_a_loaded_model_can_be_instrumented_in_its_turn(guarded, tmp_path):
    model, _ = guarded
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    with instrument(loaded, tmp_path / "second") as guard:
        loaded.fit(X, Y, batch_size=32, verbose=0)
        assert guard.steps == 2
    assert int(loaded.optimizer.iterations) == 4
