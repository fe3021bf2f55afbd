"""Which graph is being traced: what can be used in it, and how to step out of it."""

import concurrent.futures
from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf

Made = TypeVar("Made")


def is_reachable(value: Any) -> bool:
    """Says whether the code that is traced now, or run eagerly, can use a value.

    A symbolic tensor can be used in the graph it was made in, and in graphs inside of that one:
    the loss noted in one `tf.function` is out of reach in the next.
    """
    graph = getattr(value, "graph", None) if tf.is_symbolic_tensor(value) else None
    if graph is None:
        return True
    here = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    while here is not None:
        if here is graph:
            return True
        here = getattr(here, "outer_graph", None)
    return False


def outside_of_traces(make: Callable[[], Made]) -> Made:
    """Returns what `make` gives, called where no function is being traced.

    A variable that is made inside of a trace, even in `tf.init_scope`, lets TensorFlow trace the
    function a second time. What is traced is a matter of the thread, so this uses one of its own.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(make).result()
