"""The numbers of one look, in the graph: zeros, saturation, spread, and units that are 0."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from gradgate.training.activations.forward import Forward
from gradgate.training.activations.kinds import Watched
from gradgate.training.scope import is_reachable


class Numbers(NamedTuple):
    """Of the a layers that are looked at."""

    zero_fraction: tf.Tensor  # float32 [a]; NaN where nothing was seen
    saturated_fraction: tf.Tensor  # float32 [a]; NaN where that is not known
    spread: tf.Tensor  # float32 [a]; NaN where nothing was seen
    is_zero: tf.Tensor  # bool [u], units of all layers, one layer after the other


def measure(watched: Sequence[Watched], forward: Forward) -> tuple[Numbers, list[int]]:
    """Returns the numbers of a forward pass, and how many units of `is_zero` each layer has.

    The saturation of what the model itself gives out is not told: there it is confidence.
    """
    zeros, saturated, spread, is_zero = [], [], [], []
    for each, outputs in zip(watched, forward.activations, strict=True):
        seen = [output for output in outputs if _can_be_measured(output)]
        rows = [_as_rows(output) for output in seen]
        is_last = any(output is given for output in seen for given in forward.outputs)
        zeros.append(_fraction([values == 0 for values in rows]))
        saturated.append(_fraction([] if is_last else _saturated(each, rows)))
        spread.append(_spread(rows))
        is_zero.append(_zero_units(each, rows, calls=forward.calls[id(each.layer)]))
    numbers = Numbers(
        tf.stack(zeros) if zeros else tf.zeros([0]),
        tf.stack(saturated) if saturated else tf.zeros([0]),
        tf.stack(spread) if spread else tf.zeros([0]),
        tf.concat([*is_zero, tf.zeros([0], tf.bool)], axis=0),
    )
    return numbers, [int(units.shape[0]) for units in is_zero]


def _can_be_measured(output: Any) -> bool:
    return (
        isinstance(output, tf.Tensor)
        and output.dtype.is_floating
        and output.shape.rank is not None
        and output.shape.rank > 0
        and output.shape[-1] is not None
        and is_reachable(output)
    )


def _as_rows(output: tf.Tensor) -> tf.Tensor:
    """Returns float32 [n, units]."""
    units = output.shape[-1] if output.shape.rank > 1 else 1
    return tf.reshape(tf.cast(output, tf.float32), [-1, units])


def _fraction(conditions: Sequence[tf.Tensor]) -> tf.Tensor:
    if not conditions:
        return tf.constant(np.nan, tf.float32)
    counts = [tf.math.count_nonzero(condition) for condition in conditions]
    sizes = [tf.size(condition, tf.int64) for condition in conditions]
    return tf.cast(tf.add_n(counts) / tf.add_n(sizes), tf.float32)


def _spread(rows: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns float32 [], the standard deviation of all outputs; inf where one is not finite."""
    if not rows:
        return tf.constant(np.nan, tf.float32)
    values = tf.concat([tf.reshape(each, [-1]) for each in rows], axis=0)
    spread = tf.math.reduce_std(values)
    return tf.where(tf.math.is_finite(spread), spread, np.inf)


def _saturated(watched: Watched, rows: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    if watched.kind.saturated_outside is None:
        return []
    low, high = watched.kind.saturated_outside
    return [(values < low) | (values > high) for values in rows]


def _zero_units(watched: Watched, rows: Sequence[tf.Tensor], *, calls: int) -> tf.Tensor:
    """Returns bool [units], whether a unit was 0 on all examples; none if it cannot be dead.

    A layer with weights has the same units in each call. A ReLU that a model uses again and again
    stands for other units each time, as does an activation that a block uses twice in one call.
    """
    if not rows or not watched.kind.has_zero_side:
        return tf.zeros([0], tf.bool)
    each = [tf.reduce_all(values == 0, axis=0) for values in rows]
    if (
        watched.layer.weights
        and len(each) == calls
        and len({units.shape[0] for units in each}) == 1
    ):
        return tf.reduce_all(tf.stack(each), axis=0)
    return tf.concat(each, axis=0)
