"""A gradient in 32 numbers, from which the cosine between two gradients can be estimated.

Entries are multiplied by pseudo-random signs and dealt out to buckets in pseudo-random order: then
the expected product of two sketches is the product of the two gradients, with a standard error of
about 1 / sqrt(32) = 0.18 of the product of their norms (Charikar, Chen and Farach-Colton, 2002,
Finding Frequent Items in Data Streams; there it is called a count sketch). Order and signs are the
same at every call, so sketches of different steps can be compared.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gradgate.gradients.sparse import Gradient

_MOST_ENTRIES = 4096  # of one gradient
_SEED = 0


def sketches_of(gradients: Sequence[Gradient], size: int = 32) -> tf.Tensor:
    """Returns a sketch of each gradient, float32 [v, size].

    Of a gradient with more than 4096 entries, about 4096 at equal distances are taken and scaled
    up to stand for all, so sketches of several variables, one after the other, are a sketch of
    all of them together. All 0 where the gradient is None, sparse or empty; NaN or infinite in
    some numbers where it is not finite.

    Args:
        gradients: One a variable, any float dtype, shapes known.
        size: Buckets; the standard error of a cosine is about 1 / sqrt(size).
    """
    zero = tf.zeros([size])
    rows = [
        zero
        if gradient is None or isinstance(gradient, tf.IndexedSlices)
        else _of_one(gradient, size)
        for gradient in gradients
    ]
    return tf.stack(rows) if rows else tf.zeros([0, size])


def _of_one(gradient: tf.Tensor, size: int) -> tf.Tensor:
    entries = gradient.shape.num_elements()
    if not entries:
        return tf.zeros([size])
    stride = _stride(entries, gradient.shape[-1] if len(gradient.shape) else 1)
    values = tf.reshape(gradient, [-1])[::stride] if stride > 1 else tf.reshape(gradient, [-1])
    values = tf.cast(values, tf.float32)
    count = -(-entries // stride)
    signs, order = _signs_and_order(-(-count // size) * size)
    signed = tf.pad(values * (math.sqrt(stride) * signs[:count]), [[0, order.size - count]])
    return tf.reduce_sum(tf.reshape(tf.gather(signed, order), [-1, size]), axis=0)


def _stride(entries: int, last: int) -> int:
    """Returns a distance that meets all columns: one that shares no factor with their number."""
    stride = max(1, -(-entries // _MOST_ENTRIES))
    while stride > 1 and math.gcd(stride, last) > 1:
        stride += 1
    return stride


def _signs_and_order(count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    # NumPy keeps the bits of a bit generator the same for ever, unlike what is drawn from them.
    bits = np.random.PCG64(_SEED).random_raw(count)
    signs = np.where(bits & 1, 1.0, -1.0).astype(np.float32)
    return signs, np.argsort(bits >> 1, kind="stable").astype(np.int32)
