"""Adopting the step alone, as docs/adopt.md says: instrument, fit, export, bind, check."""

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.half("second")]

PROGRAM = """
import keras, numpy as np
import gradgate
x = np.random.default_rng(0).normal(size=(512, 4)).astype("float32")
y = (x.sum(1) > 0).astype("float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"),
                          keras.layers.Dense(1, "sigmoid")])
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy")
clip = gradgate.ClipByGlobalNorm(max_norm=1.0)
with gradgate.instrument(model, "record", clip=clip, seed=1) as guard:
    model.fit(x, y, batch_size=16, epochs=8, verbose=0)
    model.export("exported", verbose=False)
    guard.bind("exported")
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with `record` and `exported`."""
    folder = tmp_path_factory.mktemp("no-tfx")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=folder, env=environment, check=True)
    return folder


def check(folder, *arguments):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-m", "gradgate", "check", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_training_and_its_model_are_judged(trained):
    done = check(trained, "record", "--model", "exported")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("OK")


def test_the_training_alone_is_judged_and_nothing_blessed(trained):
    done = check(trained, "record", "--training-only")
    assert done.returncode == 0, done.stdout
    assert "not blessed" in done.stdout


def test_the_exported_model_still_loads(trained):
    import numpy as np
    import tensorflow as tf

    model = tf.saved_model.load(str(trained / "exported"))
    assert model.serve(np.zeros((2, 4), np.float32)).shape == (2, 1)


def test_a_model_that_was_exported_before_the_training_is_refused(tmp_path):
    export = 'model.export("exported", verbose=False)\n'
    program = PROGRAM.replace(f"    {export}", "")
    program = program.replace("with gradgate.instrument", f"{export}with gradgate.instrument")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    done = check(tmp_path, "record", "--model", "exported")
    assert done.returncode == 12, done.stdout
    assert "does not hold the weights that the training ended with" in done.stdout
