"""What a guard changes is on the instances alone, and gone when it is closed."""

import copy

import keras
import numpy as np
import pytest

from gradgate.training import instrument
from gradgate.training.hooks.names import APPLY, ASSIGNS, GRADIENTS, LOSS, UPDATE

ALWAYS = {APPLY, LOSS, GRADIENTS, UPDATE, *ASSIGNS, "fit", "compute_loss", "save", "save_weights"}


def _shadowed(model):
    functions = {name for name in ALWAYS | {APPLY} if name in vars(model.optimizer)}
    return functions | {name for name in ALWAYS if name in vars(model)}


@pytest.mark.parametrize("on_nonfinite", ["record", "skip", "stop"])
@pytest.mark.parametrize("end", ["close", "detach", "with"])
def test_nothing_is_left(mlp, record_dir, end, on_nonfinite):
    model = mlp()
    before = _shadowed(model)
    guard = instrument(model, record_dir, on_nonfinite=on_nonfinite)
    assert _shadowed(model) == ALWAYS
    if end == "with":
        with guard:
            pass
    else:
        getattr(guard, end)()
    assert _shadowed(model) == before == set()
    model.fit(mlp.x, mlp.y, verbose=0)
    assert guard.flush() == 0


def test_a_training_after_the_guard_is_not_recorded(mlp, record_dir, read):
    model = mlp()
    with instrument(model, record_dir):
        model.fit(mlp.x, mlp.y, batch_size=32, verbose=0)
    model.fit(mlp.x, mlp.y, batch_size=32, verbose=0)
    _, steps = read(record_dir)
    assert len(steps) == 2


def test_a_training_before_the_guard_does_not_hide_those_after(mlp, record_dir, read):
    model = mlp()
    model.fit(mlp.x, mlp.y, batch_size=32, verbose=0)
    with instrument(model, record_dir):
        model.fit(mlp.x, mlp.y, batch_size=32, verbose=0)
    _, steps = read(record_dir)
    assert steps.step.tolist() == [0, 1]


def test_an_instrumented_model_saves_copies_and_exports_as_a_plain_one(
    mlp, record_dir, tmp_path, read
):
    model = mlp()
    with instrument(model, record_dir) as guard:
        model.fit(mlp.x, mlp.y, verbose=0)
        model.save(tmp_path / "model.keras")
        model.export(tmp_path / "exported", verbose=False)
        twin = copy.deepcopy(model.optimizer)
        assert _shadowed(model)
        assert not {LOSS, GRADIENTS, APPLY} & set(vars(twin))
        bound = guard.bind(tmp_path / "exported")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(mlp.x, verbose=0), model.predict(mlp.x, verbose=0))
    record, _ = read(record_dir)
    assert record.manifest.model == bound


def test_an_exception_passes_through_and_the_record_says_so(mlp, record_dir, read):
    model = mlp()

    def train():
        with instrument(model, record_dir):
            model.fit(mlp.x, mlp.y, batch_size=32, verbose=0)
            raise RuntimeError("full moon")

    with pytest.raises(RuntimeError, match="full moon"):
        train()
    record, steps = read(record_dir)
    assert record.manifest.status == "failed"
    assert record.manifest.status_message == "RuntimeError: full moon"
    assert len(steps) == 2
    assert _shadowed(model) == set()


def test_closing_twice_does_no_harm(mlp, record_dir):
    model = mlp()
    guard = instrument(model, record_dir)
    model.fit(mlp.x, mlp.y, verbose=0)
    assert guard.close() == guard.close()


def test_binding_after_the_end_is_refused(mlp, record_dir, tmp_path):
    guard = instrument(mlp(), record_dir)
    guard.close()
    with pytest.raises(ValueError, match=r"the record is finished, so .* cannot be named in it"):
        guard.bind(tmp_path)


def test_zero_steps_are_a_record_that_says_so(mlp, record_dir, read):
    instrument(mlp(), record_dir).close()
    record, steps = read(record_dir)
    assert steps is None
    assert record.manifest.instrumented
    assert record.manifest.observed_steps == 0
    assert len(record.card.variables) == 4
