"""Pins what is relied upon of Keras. A Keras that differs fails here first, by name."""

import inspect

import keras
import pytest

from gradgate.training import keras_hooks


def _source(method):
    return inspect.getsource(inspect.unwrap(method))


def _parameters(method):
    return list(inspect.signature(method).parameters)


OPTIMIZER = keras.optimizers.Optimizer


def test_this_keras_is_known():
    major, minor = (int(part) for part in keras.__version__.split(".")[:2])
    assert major == 3
    assert 8 <= minor <= 15, "read the optimizer and the trainer of this Keras, then widen this"


def test_the_names_that_are_shadowed_exist_and_take_what_is_expected():
    assert _parameters(getattr(OPTIMIZER, keras_hooks.LOSS)) == ["self", "loss"]
    assert _parameters(getattr(OPTIMIZER, keras_hooks.GRADIENTS)) == ["self", "grads_and_vars"]
    assert _parameters(getattr(OPTIMIZER, keras_hooks.APPLY)) == [
        "self",
        "grads",
        "trainable_variables",
    ]


def test_keras_calls_them_on_the_instance():
    step = _source(keras.Model.train_step)
    assert f"self.optimizer.{keras_hooks.LOSS}(loss)" in step
    assert "self.optimizer.apply_gradients(" in step
    assert f"self.{keras_hooks.APPLY}(grads, trainable_variables)" in _source(
        OPTIMIZER.apply_gradients
    )
    assert f"self.{keras_hooks.GRADIENTS}(grads_and_vars)" in _source(
        OPTIMIZER._backend_update_step
    )


def test_everything_that_a_step_changes_happens_inside_of_apply():
    source = _source(OPTIMIZER.apply)
    for part in ("_backend_apply_gradients", "variable.constraint", "_iterations.assign_add"):
        assert part in source
    inner = _source(OPTIMIZER._backend_apply_gradients)
    for part in ("_apply_weight_decay", "_backend_update_step", "_moving_average"):
        assert part in inner


def test_the_loss_is_computed_on_the_instance():
    assert "self.compute_loss(" in _source(keras.Model._compute_loss)
    assert _parameters(keras.Model.compute_loss) == [
        "self",
        "x",
        "y",
        "y_pred",
        "sample_weight",
        "training",
    ]


def test_other_private_names_that_are_read_exist():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert model in keras_hooks.layers_of(model)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    assert optimizer._trainable_variables == model.trainable_variables


@pytest.mark.parametrize("conditional", [True, False])
def test_what_is_attached_is_seen_and_detached(conditional):
    optimizer = keras.optimizers.SGD()
    keras_hooks.attach(
        optimizer, on_loss=print, on_gradients=lambda pairs: pairs, conditional=conditional
    )
    assert keras_hooks.is_attached(optimizer)
    keras_hooks.detach(optimizer)
    assert not keras_hooks.is_attached(optimizer)
    assert not {"scale_loss", "apply", "_all_reduce_sum_gradients"} & set(vars(optimizer))
