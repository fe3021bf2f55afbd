"""A condition whose one side is almost never taken, at almost no cost when it is not.

`tf.cond` is lowered: both sides become part of the surrounding graph, every tensor that they use
passes through a switch, and the executor walks the side that is not taken too. In the small graph
of a training step that costs 40 microseconds, and a stateful `If` as much. A `StatelessIf`, which
is not lowered, costs 3 (measured: six gradients of an MLP, TensorFlow 2.16, CPU).
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Branch = Callable[..., tuple[tf.Tensor, ...]]


Traced = dict[Any, tuple[Any, Any]]


def unless_rare(
    is_usual: tf.Tensor,
    usual: Branch,
    rare: Branch,
    arguments: Sequence[Any],
    traced_before: Traced | None = None,
) -> tuple[tf.Tensor, ...]:
    """Returns `usual(*arguments)` where `is_usual`, else `rare(*arguments)`.

    Args:
        is_usual: Bool [].
        usual: Uses nothing but its arguments; no variables, no effects. Of a variable it gets None.
        rare: The same; returns tensors of the same dtypes and shapes. Of a variable it gets the
            value.
        arguments: Tensors, `IndexedSlices`, None or variables, which are read only when it is rare.
        traced_before: Keeps the traced branches of this call for arguments of the same kind: Keras
            traces a step twice, and the branches are most of the work.
    """
    if tf.executing_eagerly():
        if is_usual:
            return usual(*(None if _is_variable(each) else each for each in arguments))
        return rare(*(each.read_value() if _is_variable(each) else each for each in arguments))
    given, variables = _handles(arguments)
    flat = tf.nest.flatten(given, expand_composites=True)
    tensors = [tensor for tensor in flat if tensor is not None]

    def traced(branch: Branch, *, reads: bool) -> Any:
        def body(*given_tensors: tf.Tensor) -> tuple[tf.Tensor, ...]:
            left = iter(given_tensors)
            filled = [None if tensor is None else next(left) for tensor in flat]
            packed = tf.nest.pack_sequence_as(given, filled, expand_composites=True)
            for place, (dtype, shape) in variables.items():
                packed[place] = _value(packed[place], dtype, shape) if reads else None
            return branch(*packed)

        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]
        function = tf.function(body, autograph=False).get_concrete_function(*specs)
        assert not function.captured_inputs, "a branch uses nothing but its arguments"
        return function

    kinds = (
        *(None if each is None else (each.dtype, _shape(each)) for each in flat),
        *((place, dtype, tuple(shape)) for place, (dtype, shape) in variables.items()),
    )
    functions = None if traced_before is None else traced_before.get(kinds)
    if functions is None:
        functions = traced(usual, reads=False), traced(rare, reads=True)
        if traced_before is not None:
            traced_before[kinds] = functions
    usual_function, rare_function = functions
    return tuple(
        tf.raw_ops.StatelessIf(
            cond=is_usual,
            input=tensors,
            Tout=[output.dtype for output in usual_function.outputs],
            output_shapes=[output.shape for output in usual_function.outputs],
            then_branch=usual_function,
            else_branch=rare_function,
        )
    )


def _handles(arguments: Sequence[Any]) -> tuple[list[Any], dict[int, tuple[Any, Any]]]:
    """Returns arguments with the handles of variables, and dtype and shape of these, by place.

    A condition stands on one device, with all handles that it is given. So a variable on another
    one than the first is read here; TensorFlow then brings the value over.
    """
    given, variables, device = list(arguments), dict[int, tuple[Any, Any]](), None
    for place, each in enumerate(arguments):
        if not _is_variable(each):
            continue
        handle = each.handle
        device = device or handle.device
        if handle.device == device:
            given[place], variables[place] = handle, (each.dtype, each.shape)
        else:
            given[place] = each.read_value()
    return given, variables


def _value(handle: tf.Tensor, dtype: tf.DType, shape: tf.TensorShape) -> tf.Tensor:
    value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)
    return tf.ensure_shape(value, shape)


def _is_variable(value: Any) -> bool:
    return isinstance(value, tf.Variable)


def _shape(tensor: tf.Tensor) -> Any:
    return None if tensor.shape.rank is None else tuple(tensor.shape)
