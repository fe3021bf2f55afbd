"""Pins what is relied upon of Keras. A Keras that differs fails here first, by name."""

import ast
import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.training import hooks, instrument
from gradgate.training.hooks import names

pytestmark = pytest.mark.half("both")  # what it leans on differs from stack to stack

OPTIMIZER = keras.optimizers.Optimizer
SCALING = keras.optimizers.LossScaleOptimizer


def _source(method):
    return inspect.getsource(inspect.unwrap(method))


def _parameters(method):
    return list(inspect.signature(method).parameters)


def test_this_keras_is_known():
    major, minor = (int(part) for part in keras.__version__.split(".")[:2])
    assert major == 3
    assert 12 <= minor <= 15, "read the optimizer and the trainer of this Keras, then widen this"


# Through these no name of Keras is reached: the last two are Python's, `os._exit` and the like.
OWN = ("self", "cls", "os", "sys")


def test_no_other_file_of_the_rooms_names_what_is_private_in_keras():
    """A name of our own is reached through `self`; one of Keras through anything else."""
    found = []
    for path in sorted(Path(names.__file__).parents[1].rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                own = isinstance(node.value, ast.Name) and node.value.id in OWN
                is_private = re.match(r"_[^_]|__internal__", node.attr) and not own
            else:
                is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
                is_private = is_text and re.fullmatch(r"_[a-z]+(_[a-z]+)+", node.value)
            if is_private and path != Path(names.__file__):
                found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert found == []


# What one step is made of.


def test_the_names_that_are_shadowed_exist_and_take_what_is_expected():
    step = ["self", "grads", "trainable_variables"]
    assert _parameters(getattr(OPTIMIZER, names.LOSS)) == ["self", "loss"]
    assert _parameters(getattr(OPTIMIZER, names.GRADIENTS)) == ["self", "grads_and_vars"]
    assert _parameters(getattr(OPTIMIZER, names.APPLY)) == step
    assert _parameters(getattr(OPTIMIZER, names.UPDATE)) == [*step, "learning_rate"]
    for name in names.ASSIGNS:
        assert _parameters(getattr(OPTIMIZER, name)) == ["self", "variable", "value"]
    assert _parameters(getattr(SCALING, names.FINITE)) == ["self", "grads"]
    assert _parameters(getattr(SCALING, names.APPLY)) == step
    assert _parameters(getattr(SCALING, names.LOSS)) == ["self", "loss"]


def test_keras_calls_them_on_the_instance():
    step = _source(keras.Model.train_step)
    assert f"self.optimizer.{names.LOSS}(loss)" in step
    assert "self.optimizer.apply_gradients(" in step
    assert f"self.{names.APPLY}(grads, trainable_variables)" in _source(OPTIMIZER.apply_gradients)
    update = _source(getattr(OPTIMIZER, names.UPDATE))
    assert f"self.{names.GRADIENTS}(grads_and_vars)" in update
    inner = _source(OPTIMIZER._backend_apply_gradients)
    # Once for a step of one batch, once for one of several.
    assert inner.count(f"self.{names.UPDATE}(") == 2


def test_gradients_are_summed_before_replicas_merge():
    update = _source(getattr(OPTIMIZER, names.UPDATE))
    assert update.index(names.GRADIENTS) < update.index("maybe_merge_call")
    assert "ReduceOp.SUM" in _source(getattr(OPTIMIZER, names.GRADIENTS))
    assert isinstance(names.no_merge_call(), bool)


def test_everything_that_a_step_changes_happens_inside_of_apply():
    source = _source(OPTIMIZER.apply)
    for part in ("_backend_apply_gradients", "variable.constraint", "_iterations.assign_add"):
        assert part in source
    # Gradients are unscaled there unless there is no factor: what `_Without` relies upon.
    assert "scale = self.loss_scale_factor" in source
    assert "if scale is not None:" in source
    inner = _source(OPTIMIZER._backend_apply_gradients)
    for part in ("_apply_weight_decay", names.UPDATE, "_moving_average"):
        assert part in inner


MULTI = getattr(keras.optimizers, "MultiOptimizer", None)  # takes no steps of its own
OPTIMIZERS = [
    value
    for value in vars(keras.optimizers).values()
    if isinstance(value, type)
    and issubclass(value, OPTIMIZER)
    and value not in (OPTIMIZER, SCALING, MULTI)
]


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_changes_its_variables_by_a_method_of_its_own(kind):
    own = kind.__mro__[: kind.__mro__.index(OPTIMIZER)]
    source = "".join(
        _source(function)
        for each in own
        for name, function in vars(each).items()
        if inspect.isfunction(function) and name not in ("build", "__init__", "_apply_weight_decay")
    )
    assert any(f"self.{name}(" in source for name in names.ASSIGNS)
    assert not re.search(r"\bvariable\.(assign|scatter)", source)


def test_every_optimizer_is_known():
    for kind in OPTIMIZERS:
        names.check_keras(kind())
        names.check_keras(SCALING(kind()))
        assert not names.takes_no_steps(kind())


# What is read.


def test_a_loss_scale_optimizer_asks_its_instance_whether_gradients_are_finite():
    assert f"self.{names.FINITE}(grads)" in _source(SCALING._common_apply)
    # With several replicas, of each one of them; and it believes the first.
    assert f"self.{names.FINITE}, args=(grads,)" in _source(SCALING._tf_apply)
    inner = keras.optimizers.SGD()
    assert names.inner_optimizer(SCALING(inner)) is inner
    assert names.inner_optimizer(inner) is inner


def test_the_scale_is_a_variable_from_the_first_step_on():
    optimizer = SCALING(keras.optimizers.SGD(), initial_scale=8.0)
    optimizer.build([keras.Variable([1.0])])
    assert float(optimizer.dynamic_scale) == 8.0


@pytest.mark.parametrize("wrap", [lambda inner: inner, SCALING])
def test_steps_are_counted_where_a_checkpoint_restores_them(wrap):
    optimizer, variable = wrap(keras.optimizers.SGD()), keras.Variable([1.0])
    optimizer.build([variable])
    assert names.steps_taken(optimizer) == 0
    optimizer.apply([tf.constant([1.0])], [variable])
    assert names.steps_taken(optimizer) == 1
    assert [one is variable for one in names.trained_variables(optimizer)] == [True]
    counter = names.inner_optimizer(optimizer).iterations
    assert any(counter is each for each in optimizer.variables)


def test_a_model_has_an_optimizer_once_it_is_compiled():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert names.compiled_optimizer(model) is None
    model.compile("sgd")
    assert names.compiled_optimizer(model) is model.optimizer


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


def test_what_is_regularised_is_known_by_the_variable():
    dense = keras.layers.Dense(1, kernel_regularizer="l2")
    dense.build((None, 2))
    assert isinstance(dense.kernel.regularizer, keras.regularizers.L2)
    assert dense.bias.regularizer is None
    assert "self.losses" in _source(keras.Model.compute_loss)


def test_a_model_is_listed_before_its_layers():
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model = keras.Sequential([keras.Input((2,)), inner])
    layers = names.layers_of(model)
    assert layers.index(model) < layers.index(inner) < layers.index(inner.layers[0])


def test_the_losses_of_the_call_before_are_cleared_on_the_instance():
    assert f"self.{names.CLEAR_LOSSES}()" in _source(keras.layers.Layer)


def test_a_mask_is_seen_on_what_a_model_gives():
    words = np.int32([[1, 0]])
    for mask_zero in (True, False):
        output = keras.layers.Embedding(2, 1, mask_zero=mask_zero)(words)
        assert names.has_mask(output) is mask_zero


def test_a_variable_of_one_replica_knows_that_of_all():
    variable = keras.Variable([1.0])
    inside = names.tf_variable(variable)
    assert inside is names.tf_variable(variable)
    assert names.container_of(inside) is inside  # there is one replica
    assert names.tf_variable(inside) is inside


# What is put in their place.


class Passing:
    """An observer that lets everything pass, and notes what it saw."""

    variables = 1

    def __init__(self):
        self.seen = []

    def __getattr__(self, name):
        def note(*args, **kwargs):
            self.seen.append(name)

        return note

    def of_replica(self, pairs):
        return None

    def see_gradients(self, pairs, of_replicas):
        self.seen.append("see_gradients")
        return [gradient for gradient, _ in pairs], tf.constant(True)

    def see_scaled(self, pairs, is_finite):
        self.seen.append("see_scaled")
        return is_finite

    def of_update(self):
        return tf.zeros([1])


STEP = ["note_loss", "see_gradients", "note_update", "write"]


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("scaling", [True, False])
def test_what_is_attached_is_seen_in_order_and_detached(conditional, scaling):
    inner = keras.optimizers.SGD(1.0)
    optimizer = SCALING(inner, initial_scale=4.0) if scaling else inner
    variable, observer = keras.Variable([5.0]), Passing()
    optimizer.build([variable])
    before = [set(vars(each)) for each in (optimizer, inner)]
    hooks.attach(optimizer, observer, conditional=conditional)
    assert hooks.is_attached(optimizer)
    scale = optimizer.scale_loss(tf.constant(1.0))
    optimizer.apply([tf.constant([2.0]) * scale], [variable])
    assert observer.seen == ([STEP[0], "see_scaled", *STEP[1:]] if scaling else STEP)
    assert variable.numpy() == [3.0]
    hooks.detach(optimizer)
    assert not hooks.is_attached(optimizer)
    assert [set(vars(each)) for each in (optimizer, inner)] == before
    optimizer.apply([tf.constant([2.0]) * scale], [variable])
    assert variable.numpy() == [1.0]
    assert len(observer.seen) == len(STEP) + scaling


# A Keras that is not known.


def _unknown(name, method, base=keras.optimizers.SGD):
    return type("Unknown", (base,), {name: method})


UNKNOWN = {
    names.LOSS: lambda self, loss, step: loss,
    names.APPLY: lambda self, grads_and_vars: None,
    names.GRADIENTS: lambda self, grads: grads,
    names.UPDATE: lambda self, grads, trainable_variables: None,
    **{name: lambda self, variable: None for name in names.ASSIGNS},
}


def _refusal(model, record_dir, optimizer):
    model.compile(optimizer, "mean_squared_error")
    before = set(vars(optimizer))
    with pytest.raises(ValueError, match="so nothing would be measured") as caught:
        instrument(model, record_dir)
    assert set(vars(optimizer)) == before
    assert not record_dir.exists()
    return str(caught.value)


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_method_that_takes_other_arguments_is_refused_by_name(line, record_dir, name):
    found = _parameters(UNKNOWN[name])
    text = _refusal(line(), record_dir, _unknown(name, UNKNOWN[name])())
    assert text == (
        f"instrument: Keras {keras.__version__} takes other arguments ({found}) in Unknown.{name},"
        " where the steps are observed, so nothing would be measured. It is not"
        f" Keras's own: give it the arguments of that, {_parameters(getattr(OPTIMIZER, name))}."
    )


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_method_that_is_missing_is_refused_by_name(line, record_dir, name):
    text = _refusal(line(), record_dir, _unknown(name, None)())
    assert f"instrument: Keras {keras.__version__} has no Unknown.{name}, where" in text
    assert text.endswith("Keras 3.12 to 3.15 are tested: install one of these.")


@pytest.mark.parametrize("name", [names.GRADIENTS, names.UPDATE])
def test_so_is_that_of_an_optimizer_whose_loss_is_scaled(line, record_dir, name):
    optimizer = SCALING(_unknown(name, UNKNOWN[name])())
    assert f"in Unknown.{name}, where" in _refusal(line(), record_dir, optimizer)


@pytest.mark.parametrize("name", [names.LOSS, names.APPLY, names.FINITE])
def test_and_that_of_the_scaling_itself(line, record_dir, name):
    optimizer = _unknown(name, None, base=SCALING)(keras.optimizers.SGD())
    assert f"has no Unknown.{name}, where" in _refusal(line(), record_dir, optimizer)


# How the layers of a model are joined.


def test_a_model_that_is_a_graph_tells_its_calls_in_order():
    x = keras.Input((2,))
    first, second = keras.layers.Dense(2), keras.layers.Dense(1)
    functional = keras.Model(x, second(first(x)))
    sequential = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    graph = names.graph_of(functional)
    calls = names.calls_of(graph)
    assert [call.operation for call in calls][1:] == [first, second]
    assert [call.is_input for call in calls] == [True, False, False]
    assert calls[2].input_tensors[0] is calls[1].outputs[0]
    assert graph.inputs[0] is calls[0].outputs[0]
    assert graph.outputs[0] is calls[2].outputs[0]
    assert len(names.calls_of(names.graph_of(sequential))) == 2


def test_what_has_a_call_of_its_own_is_no_graph_and_tells_what_it_holds_in_order():
    class Own(keras.Model):
        def __init__(self, **more):
            super().__init__(**more)
            self.first, self.second = keras.layers.Dense(1), keras.layers.Dense(1)

        def call(self, x):
            return self.second(self.first(x))

    class Changed(keras.Sequential):
        def call(self, x):
            return super().call(x) * 2

    own = Own()
    assert names.graph_of(own) is None
    assert names.parts_of(own) == [own.first, own.second]
    assert names.graph_of(Changed([keras.Input((2,)), keras.layers.Dense(1)])) is None
    assert names.graph_of(keras.Sequential([keras.layers.Dense(1)])) is None  # not built yet
    assert names.graph_of(keras.layers.Dense(1)) is None
