"""A condition that is almost never taken: what it costs when it is not, and what it gives."""

import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients.rarely import unless_rare


def _step(variable):
    def step(is_usual):
        (doubled,) = unless_rare(
            is_usual, lambda _: (tf.zeros([2]),), lambda value: (2.0 * value,), [variable]
        )
        variable.assign_add([1.0, 1.0], read_value=False)
        return doubled

    return step


@pytest.mark.parametrize("kind", ["eager", "graph", "XLA"])
def test_a_variable_has_the_value_that_it_has_there(kind):
    step = _step(tf.Variable([1.0, 2.0]))
    if kind != "eager":
        step = tf.function(step, jit_compile=kind == "XLA", autograph=False)
    is_usual = [True, False, False]
    given = [step(tf.constant(each)).numpy() for each in is_usual]
    np.testing.assert_array_equal(given, [[0, 0], [4, 6], [6, 8]])


def test_a_variable_is_not_read_when_all_is_as_usual():
    step = tf.function(_step(tf.Variable([1.0, 2.0])), autograph=False)
    graph = step.get_concrete_function(tf.TensorSpec([], tf.bool)).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert "StatelessIf" in kinds
    assert "ReadVariableOp" not in kinds
