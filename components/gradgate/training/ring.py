"""Rings of rows on the device, that the host reads now and then.

Writing a row is one scatter into a variable: no op that leaves the device, so it compiles under
XLA and runs in a loop on the device. Reading costs the host well under a millisecond.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


class Rows(NamedTuple):
    """Rows of consecutive steps."""

    first_step: int
    values: NDArray[np.float32]  # [n, width]
    lost: int  # steps before these that were overwritten before they were read


class Ring:
    """Holds the rows of the last `capacity` steps.

    Args:
        width: Numbers in a row.
        capacity: Rows that are held.
    """

    def __init__(self, *, width: int, capacity: int) -> None:
        self.capacity = capacity
        # One row more, for what is not to be kept: cheaper than a condition around the write.
        self._rows = tf.Variable(tf.zeros([capacity + 1, width]), trainable=False)
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._read = 0

    @property
    def device_bytes(self) -> int:
        """What it holds on the device."""
        return 4 * int(np.prod(self._rows.shape)) + 8

    def step(self) -> tf.Tensor:
        """Returns the step that is being taken, int64 []."""
        return self._steps.read_value()

    def put(self, row: tf.Tensor, step: tf.Tensor, *, unless: tf.Tensor | None = None) -> None:
        """Writes the row of this step, float32 [width], and moves on to the next step.

        Args:
            row: Float32 [width].
            step: What `step()` gave, int64 [].
            unless: Bool []; where it is true nothing is kept and the step is not counted.
        """
        position, advance = step % self.capacity, tf.constant(1, tf.int64)
        if unless is not None:
            position = tf.where(unless, tf.constant(self.capacity, tf.int64), position)
            advance = tf.where(unless, tf.constant(0, tf.int64), advance)
        # In place; `scatter_update` would return a copy of all rows.
        tf.raw_ops.ResourceScatterUpdate(resource=self._rows.handle, indices=position, updates=row)
        # After the row, that is, after the batch: when the data end, TensorFlow may have started
        # what does not depend on them, and a step would be counted that was never taken.
        with tf.control_dependencies([row]):
            self._steps.assign_add(advance, read_value=False)

    def steps_taken(self) -> int:
        """Returns the steps written so far, on the host."""
        return int(self._steps.numpy())

    def read(self) -> Rows:
        """Returns the rows that were not returned before, on the host."""
        steps = self.steps_taken()
        first = max(self._read, steps - self.capacity)
        lost, self._read = first - self._read, steps
        if first == steps:
            return Rows(first, np.empty((0, self._rows.shape[1]), np.float32), lost)
        return Rows(first, self._rows.numpy()[np.arange(first, steps) % self.capacity], lost)

    def start_at(self, step: int) -> None:
        """Lets the next row be that of `step`, on the host."""
        self._steps.assign(step)
        self._read = step


class SampleRing:
    """Holds the first `capacity` samples since the last read; later ones are not kept.

    The first steps of something odd say more than its last ones, so nothing is overwritten.

    With the number of samples goes a second one, which is the sampler's own: two in one variable
    cost a step no more than one.
    """

    def __init__(self, *, width: int, capacity: int) -> None:
        self.capacity = capacity
        self._rows = tf.Variable(tf.zeros([capacity + 1, width]), trainable=False)
        self._counts = tf.Variable([0, 0], dtype=tf.int32, trainable=False)

    @property
    def device_bytes(self) -> int:
        """What it holds on the device."""
        return 4 * int(np.prod(self._rows.shape)) + 8

    def counts(self) -> tf.Tensor:
        """Returns int32 [2]: samples held, so the place of the next one; the sampler's number."""
        return self._counts.read_value()

    def put(self, sample: tf.Tensor, place: tf.Tensor, counts: tf.Tensor) -> None:
        """Writes a sample, float32 [width].

        Args:
            sample: Float32 [width].
            place: Int32 []: the first of `counts()`, or `capacity`, where nothing is kept.
            counts: Int32 [2]: what `counts()` is to give from now on.
        """
        tf.raw_ops.ResourceScatterUpdate(resource=self._rows.handle, indices=place, updates=sample)
        self._counts.assign(counts, read_value=False)

    def read(self) -> NDArray[np.float32]:
        """Returns the samples that were not returned before, [n, width], on the host."""
        count, own = self._counts.numpy().tolist()
        if not count:
            return np.empty((0, self._rows.shape[1]), np.float32)
        samples: NDArray[np.float32] = self._rows.numpy()[:count]
        self._counts.assign([0, own])
        return samples

    def own_number(self) -> NDArray[np.int32]:
        """Returns the sampler's number, int32 [], on the host."""
        return np.array(self._counts.numpy()[1])

    def start_at(self, own_number: int) -> None:
        """Goes on empty, with this number of the sampler's, on the host."""
        self._counts.assign([0, own_number])
