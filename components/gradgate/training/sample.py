"""A sample: the full statistics of one step, as one row of numbers in the order of `Layout`."""

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gradgate.gradients import (
    histograms_of,
    sketches_of,
    statistics_of,
    sum_duplicate_rows,
)
from gradgate.gradients.sparse import Gradient, values_of
from gradgate.telemetry.batch import HISTOGRAM_BINS, HISTOGRAM_LOWEST, HISTOGRAM_PER_DECADE
from gradgate.training.layout import SKETCH

Regularizer = Callable[[Any], Any]


def sample_of(
    gradients: Sequence[Gradient],
    weights: Sequence[tf.Tensor],
    regularizers: Sequence[Regularizer | None] = (),
) -> tf.Tensor:
    """Returns fields and histograms, float32 [n].

    Args:
        gradients: One for each of the v variables.
        weights: Values of the variables before the step.
        regularizers: One a variable, to take out of its gradient for the fields `data_*`; empty
            leaves those fields out.
    """
    pairs = zip(gradients, weights, strict=True)
    numbers = tf.stack([_fields_of(gradient, weight) for gradient, weight in pairs], axis=1)
    # No slice from the end: it lets Grappler's shape inference fail, and then much of Grappler.
    numbers, histograms = tf.split(numbers, [-1, HISTOGRAM_BINS])
    parts = [numbers]
    if regularizers:
        data = [
            _without(gradient, weight, regularizer)
            for gradient, weight, regularizer in zip(gradients, weights, regularizers, strict=True)
        ]
        parts.append(tf.stack([_data_fields_of(gradient) for gradient in data], axis=1))
    return tf.reshape(tf.concat([*parts, histograms], axis=0), [-1])


def sketch_of(gradients: Sequence[Gradient]) -> tf.Tensor:
    """Returns the sketches, float32 [v SKETCH]."""
    return tf.reshape(tf.stack([_sketch_of(gradient) for gradient in gradients], axis=1), [-1])


def change_norm(new: Gradient, old: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the norm of what is added to a variable, or of what replacing it changes, []."""
    return tf.constant(0.0) if new is None else _change_norm(new, old)


def adam_rms(gradient: Gradient, moment: tf.Tensor | None, bias: tf.Tensor, epsilon: float) -> Any:
    """Returns the RMS of a gradient by Adam's second moment, float32 []; NaN without one.

    `sqrt(mean(g^2 / max(v / bias, epsilon^2)))`, which is 1 where squares are what they were.

    Source: Wortsman et al. (2023), Stable and low-precision training for large-scale
    vision-language models, https://arxiv.org/abs/2304.13013, RMS_t of StableAdamW.

    Args:
        gradient: As the optimizer got it.
        moment: Its second moment v after the step, of the same shape.
        bias: Float32 [], `1 - beta_2^t` after t steps.
        epsilon: Of the optimizer.
    """
    if gradient is None or moment is None:
        return tf.constant(np.nan, tf.float32)
    return _adam_rms(gradient, moment, bias, tf.constant(epsilon, tf.float32))


# A model has many variables of few shapes. Each of these is traced once a shape, and stands in the
# graph of a step as a call: building the same ops for each of 200 variables would take a minute.


@tf.function(autograph=False)
def _fields_of(gradient: Gradient, weight: tf.Tensor) -> tf.Tensor:
    (histogram,) = tf.unstack(
        histograms_of(
            [gradient],
            lowest=HISTOGRAM_LOWEST,
            per_decade=HISTOGRAM_PER_DECADE,
            bins=HISTOGRAM_BINS,
        )
    )
    return tf.concat([*statistics_of([gradient]), _norm(weight)[None], histogram], axis=0)


@tf.function(autograph=False)
def _data_fields_of(gradient: Gradient) -> tf.Tensor:
    if gradient is None:
        return tf.zeros([4])
    norm = _norm(values_of(sum_duplicate_rows(gradient)))
    return tf.concat([norm[None], *statistics_of([gradient])[:3]], axis=0)


@tf.function(autograph=False)
def _sketch_of(gradient: Gradient) -> tf.Tensor:
    return sketches_of([gradient], size=SKETCH)[0]


@tf.function(autograph=False)
def _change_norm(new: Gradient, old: tf.Tensor | None) -> tf.Tensor:
    return _norm(values_of(sum_duplicate_rows(new)) if old is None else new - old)


@tf.function(autograph=False)
def _adam_rms(
    gradient: Gradient, moment: tf.Tensor, bias: tf.Tensor, epsilon: tf.Tensor
) -> tf.Tensor:
    gradient = sum_duplicate_rows(gradient)
    entries = tf.cast(tf.size(moment), tf.float32)
    if isinstance(gradient, tf.IndexedSlices):  # what is not there is 0
        moment = tf.gather(moment, gradient.indices)
    expected = tf.sqrt(tf.cast(moment, tf.float32) / bias)
    ratio = tf.cast(values_of(gradient), tf.float32) / tf.maximum(expected, epsilon)
    return _norm(ratio) / tf.sqrt(entries)


def _norm(values: tf.Tensor) -> tf.Tensor:
    """Returns the norm, float32 []; one beyond about 1e19 is infinite."""
    return tf.sqrt(2.0 * tf.nn.l2_loss(tf.cast(values, tf.float32)))


def _without(gradient: Gradient, weight: tf.Tensor, regularizer: Regularizer | None) -> Gradient:
    """Returns the data-loss gradient: the whole one less that of the regulariser.

    By a tape of its own over the weight alone, so the training's graph knows nothing of it.
    """
    if gradient is None or regularizer is None:
        return gradient
    of_penalty = _gradient_of(regularizer, weight)
    dense = tf.convert_to_tensor(gradient)
    return dense if of_penalty is None else dense - tf.cast(of_penalty, dense.dtype)


def _gradient_of(regularizer: Regularizer, weight: tf.Tensor) -> tf.Tensor | None:
    with tf.GradientTape() as tape:
        tape.watch(weight)
        penalty = regularizer(weight)
    return tape.gradient(penalty, weight)


def that_can_be_taken_out(regularizer: Regularizer, variable: Any) -> Regularizer | None:
    """Returns a regulariser that a sample can use; None where its gradient cannot be known.

    It must be a function of the weight alone: no variables, and no chance.

    Args:
        regularizer: Of the variable.
        variable: Has a shape and a dtype.
    """
    try:
        # Keras's L1 holds its factor as a tensor, and a sample uses nothing but its arguments.
        plain = copy.copy(regularizer)
        for name, value in getattr(plain, "__dict__", {}).items():
            if tf.is_tensor(value) and not isinstance(value, tf.Variable):
                vars(plain)[name] = value.numpy()
        gradient_of = functools.partial(_gradient_of, plain)
        traced = tf.function(gradient_of, autograph=False).get_concrete_function(
            tf.TensorSpec(variable.shape, variable.dtype)
        )
    except Exception:  # noqa: BLE001 - whatever somebody's regulariser does, the training goes on
        return None
    draws = any(op.op_def.is_stateful for op in traced.graph.get_operations())
    return None if draws or traced.captured_inputs else plain
