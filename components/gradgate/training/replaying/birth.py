"""The operation that first gave a value that is not finite, out of values that are.

TensorFlow's own check looks at the outputs of every operation of a graph, in the order of the data,
also of those inside of loops; so the one that it names had nothing but checked inputs.
Source: `tf.debugging.enable_check_numerics`.
"""

import dataclasses
import re
import threading
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from gradgate.training.replaying.graph_names import Place, place_of, user_line
from gradgate.training.replaying.program import Program
from gradgate.training.replaying.state import State

_NODE = re.compile(r"([^\s{}]+)/CheckNumericsV2")
_KIND = re.compile(r"Tensor had (.+?) values")
_FRAME = re.compile(r'File "(.+?)", line (\d+), in (\S+)')
_SWITCH = threading.Lock()  # the check is on for the whole process, or off


@dataclasses.dataclass(frozen=True)
class Operand:
    """What went into the operation, as it was in this step.

    Attributes:
        name: TensorFlow's, of the operation that made it.
        shape: Of it.
        lowest, highest: Of all its entries.
        zeros: Entries that are exactly 0, in [0, 1] of all.
    """

    name: str
    shape: tuple[int, ...]
    lowest: float
    highest: float
    zeros: float


@dataclasses.dataclass(frozen=True)
class Birth:
    """Where the first value that is not finite came from.

    Attributes:
        operation: TensorFlow's type of it, such as `Log`, or `SqrtGrad` for the gradient of `Sqrt`.
        node: Its name in the graph.
        place: Layer or other part of the step, and whether it is in the gradient.
        values: What came out: `NaN`, `+Inf`, `-Inf`, or several.
        source: `file:line in function` of whoever's code made it (of a gradient: made what it is
            the gradient of); None where only a library's did.
        operands: Float inputs; none of what is inside of a loop.
    """

    operation: str
    node: str
    place: Place
    values: str
    source: str | None
    operands: tuple[Operand, ...]


def find_birth(program: Program, batch: Any, before: State) -> Birth | None:
    """Takes a step, and says where the first value that is not finite came from.

    Args:
        program: Whose step; it is traced anew.
        batch: Tensors, nested.
        before: What the step begins with.

    Returns:
        None if every value was finite.
    """
    step, model = program.bare_step(), program.model
    traced: list[Any] = []
    before.restore()

    def watched(batch: Any) -> None:
        traced.append(tf.compat.v1.get_default_graph())
        step(batch)

    with _SWITCH:
        tf.debugging.enable_check_numerics()
        try:
            tf.function(watched, autograph=False, jit_compile=False)(batch)
            return None
        except tf.errors.InvalidArgumentError as error:
            message = str(error.message)
        finally:
            tf.debugging.disable_check_numerics()
    before.restore()
    node = _NODE.search(message)
    if node is None:  # not the check's, but the step's own
        raise tf.errors.InvalidArgumentError(None, None, message)
    values = _KIND.search(message)
    operation = _operation(traced[-1], node[1])
    frames = [(file, int(line), name) for file, line, name in _FRAME.findall(message)]
    return Birth(
        operation=node[1].rpartition("/")[2] if operation is None else operation.type,
        node=node[1],
        place=place_of(node[1], model),
        values="not finite" if values is None else values[1],
        source=user_line(operation, frames),
        operands=() if operation is None else _operands(step, batch, operation),
    )


def _operation(graph: Any, node: str) -> Any:
    """The operation of a name, if it is in the step itself and not in a loop of it."""
    try:
        return graph.get_operation_by_name(node)
    except (KeyError, ValueError):
        return None


def _operands(step: Callable[[Any], Any], batch: Any, operation: Any) -> tuple[Operand, ...]:
    """Takes the step without the check, to see what went into an operation of it."""
    known: list[tuple[str, tuple[int, ...]]] = []
    wanted = [
        each.op.name.removesuffix("/CheckNumericsV2")
        for each in operation.inputs
        if each.dtype.is_floating
    ]

    def looking(batch: Any) -> list[Any]:
        step(batch)
        graph = tf.compat.v1.get_default_graph()
        found = []
        for name in wanted:
            made = _operation(graph, name)
            outputs = [] if made is None else [out for out in made.outputs if out.dtype.is_floating]
            if len(outputs) == 1:
                value = tf.cast(outputs[0], tf.float64)
                zeros = tf.reduce_mean(tf.cast(tf.equal(value, 0), tf.float64))
                known.append((name, tuple(outputs[0].shape)))
                found += [tf.reduce_min(value), tf.reduce_max(value), zeros]
        return found

    numbers = [float(one) for one in tf.function(looking, autograph=False)(batch)]
    triples = zip(*[iter(numbers)] * 3, strict=True)
    return tuple(Operand(*one, *each) for one, each in zip(known, triples, strict=True))
