"""Whether a tensor that was noted earlier can be used here."""

from typing import Any

import tensorflow as tf


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
