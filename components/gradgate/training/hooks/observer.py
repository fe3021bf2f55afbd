"""What sees every step."""

from collections.abc import Sequence
from typing import Any, Protocol

import tensorflow as tf

Pairs = Sequence[tuple[Any, tf.Variable]]


class Observer(Protocol):
    """What sees every step. All but `note_update` are called for each replica in its context.

    Attributes:
        update_width: How many numbers it takes of an update.
    """

    @property
    def update_width(self) -> int: ...  # noqa: D102 - see above

    def note_loss(self, loss: Any) -> None:
        """Takes the loss of the batch whose gradients come next, before it is scaled."""

    def note_batch(self) -> None:
        """A batch is accumulated; the step comes later, or now."""

    def of_replica(self, pairs: Pairs) -> tf.Tensor | None:
        """Returns what is to be summed beside this replica's gradients, float32 [2r], or None.

        Its loss and the norm of its gradients, each at its place; None with one replica.
        """

    def see_gradients(
        self, pairs: Pairs, of_replicas: tf.Tensor | None
    ) -> tuple[list[Any], tf.Tensor]:
        """Takes the aggregated gradients; returns those to use, and bool [], whether to.

        Args:
            pairs: The gradients.
            of_replicas: The sum of what `of_replica` gave.
        """

    def note_update(self, variable: Any, value: Any, *, replaces: bool) -> None:
        """Takes what is about to be added to any variable, or what is to replace it."""

    def of_update(self) -> tf.Tensor:
        """Returns numbers of the updates noted in this graph, float32 [update_width]."""

    def write(self, of_update: tf.Tensor) -> None:
        """Writes the row of the step whose gradients were seen."""

    def see_batch(self, pairs: Pairs) -> tf.Tensor:
        """Returns bool [], whether the gradients of one of several batches may be added up."""

    def write_batch(self, pairs: Pairs) -> None:
        """Writes the row of a batch that may not."""

    def see_scaled(self, pairs: Pairs, is_finite: tf.Tensor) -> tf.Tensor:
        """Takes scaled gradients, and if they are finite; returns if those of all replicas are."""
