"""The loss of the batch whose gradients come next, as each replica noted it."""

from typing import Any

import tensorflow as tf

from gradgate.training.scope import is_reachable, replica


class NotedLosses:
    """Losses between the forward pass and the step, while one step is traced.

    Attributes:
        are_measured: Whether every step traced so far knew its loss.
    """

    def __init__(self) -> None:
        self.are_measured = True
        self._losses: dict[int, Any] = {}  # by replica: some optimizers change threads

    def note(self, loss: Any) -> None:
        """Takes the loss of this replica, float []."""
        self._losses[replica()] = loss

    def peek(self) -> tf.Tensor | None:
        """Returns the loss of this replica, float32 []; None when it is not known.

        Raises:
            ValueError: If it is not one number.
        """
        loss = self._losses.get(replica())
        if loss is None or not is_reachable(loss):
            return None
        loss = tf.convert_to_tensor(loss)
        if loss.shape.rank != 0:
            raise ValueError(
                f"gradgate: the loss of a step must be one number, got shape {loss.shape}."
                " Reduce it first, for example with keras.ops.mean."
            )
        return tf.cast(loss, tf.float32)

    def take(self) -> tf.Tensor | None:
        """Returns the same, which is then no longer known; None is noted as not measured."""
        loss = self.peek()
        self._losses.pop(replica(), None)
        self.are_measured &= loss is not None
        return loss
