"""One step of an optimizer, observed: aggregated, seen, and applied or left out."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from gradgate.training.hooks import names
from gradgate.training.hooks.observer import Observer, Pairs
from gradgate.training.hooks.shadow import Without
from gradgate.training.scope import replica


class ObservedStep:
    """The observed methods of one optimizer, and what they share.

    Args:
        optimizer: Takes the steps.
        observer: Sees them.
        conditional: Whether the observer may say that a step is to be left out.
    """

    def __init__(self, optimizer: Any, observer: Observer, *, conditional: bool) -> None:
        self._optimizer, self._observer, self._conditional = optimizer, observer, conditional
        self._apply, self._update = optimizer.apply, getattr(optimizer, names.UPDATE)
        self._aggregate = getattr(optimizer, names.GRADIENTS)
        self._is_decided = False  # inside of an `apply` whose gradients were seen already
        self._deciding: set[int] = set()  # the same, by replica: some change threads on the way

    def aggregate(self, grads_and_vars: Pairs) -> Pairs:
        """In the place of GRADIENTS."""
        pairs = list(grads_and_vars)
        if self._was_seen():
            return pairs
        reduced, of_replicas = self._sum(pairs)
        gradients, _ = self._observer.see_gradients(reduced, of_replicas)
        return [
            (gradient, variable) for gradient, (_, variable) in zip(gradients, reduced, strict=True)
        ]

    def update(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        """In the place of UPDATE."""
        self._update(grads, trainable_variables, learning_rate)
        if not self._was_seen():
            self._observer.write(self._observer.of_update())

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """In the place of APPLY: the step is seen before anything of it is done.

        So before weight decay, and before what an optimizer of somebody's own does in its `apply`.
        """
        variables, gradients = prepared(self._optimizer, grads, trainable_variables)
        pairs = list(zip(gradients, map(names.tf_variable, variables), strict=True))
        reduced, of_replicas = self._sum(pairs)
        used, is_used = self._observer.see_gradients(reduced, of_replicas)

        def use(used: Sequence[Any]) -> tf.Tensor:
            self._apply(used, variables)
            return self._observer.of_update()

        if self._conditional:
            norms = self._where(is_used, used, use)
        else:
            here = replica()
            self._deciding.add(here)
            try:
                with self._unscaled():
                    norms = use(used)
            finally:
                self._deciding.discard(here)
        self._observer.write(norms)

    def accumulate(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """In the place of APPLY, when several batches make a step."""
        self._observer.note_batch()
        self._apply(grads, trainable_variables)

    def accumulate_if(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """In the place of APPLY, when a batch may be left out of those that make a step.

        Left out as if it had not been: the next one takes its place. A batch that got into the
        sum could not be taken out of it again.
        """
        variables, gradients = prepared(self._optimizer, grads, trainable_variables)
        pairs = list(zip(gradients, map(names.tf_variable, variables), strict=True))

        def use() -> int:
            self._observer.note_batch()
            with self._unscaled():
                self._apply(gradients, variables)
            return 0

        def leave_out() -> int:
            self._observer.write_batch(pairs)
            return 0

        tf.cond(self._observer.see_batch(pairs), use, leave_out)

    def _was_seen(self) -> bool:
        return self._is_decided or replica() in self._deciding

    def _sum(self, pairs: Pairs) -> tuple[list[Any], tf.Tensor | None]:
        """Sums gradients, and what is told of each replica, over replicas, in one go.

        Without those that are None: Keras 3.15 breaks when it is to warn of them here.
        """
        of_replicas = self._observer.of_replica(pairs)
        given = [pair for pair in pairs if pair[0] is not None]
        if of_replicas is None:
            summed = list(self._aggregate(given)) if given else []
        else:
            *summed, (of_replicas, _) = self._aggregate([*given, (of_replicas, pairs[0][1])])
        left = iter(summed)
        return [pair if pair[0] is None else next(left) for pair in pairs], of_replicas

    def _where(
        self, is_used: tf.Tensor, used: list[Any], use: Callable[[list[Any]], tf.Tensor]
    ) -> tf.Tensor:
        """Returns `use(used)` where `is_used`; else does nothing, and returns NaN."""

        def chosen(is_used: tf.Tensor, use: Callable[[], tf.Tensor]) -> tf.Tensor:
            self._is_decided = True
            try:
                with self._unscaled():
                    return tf.cond(is_used, use, lambda: self._nothing)
            finally:
                self._is_decided = False

        def across(strategy: Any, is_used: Any, used: Any) -> tf.Tensor:
            def use_all() -> tf.Tensor:
                norms = strategy.extended.call_for_each_replica(use, args=(used,))
                return strategy.experimental_local_results(norms)[0]

            return chosen(strategy.experimental_local_results(is_used)[0], use_all)

        if names.no_merge_call():
            return chosen(is_used, lambda: use(used))
        # A condition whose branch merges replicas, be it one, must stand outside of them.
        context = tf.distribute.get_replica_context()
        return context.merge_call(across, args=(is_used, used))

    @property
    def _nothing(self) -> tf.Tensor:
        return tf.fill([self._observer.update_width], float("nan"))

    def _unscaled(self) -> Without:
        """Gradients are unscaled already, so Keras must not do it again."""
        return Without(self._optimizer, "loss_scale_factor")


def prepared(optimizer: Any, grads: Sequence[Any], variables: Any) -> tuple[list[Any], list[Any]]:
    """Builds the optimizer, and returns its variables and the unscaled gradients."""
    grads = list(grads)
    if variables is None or not grads:
        variables = names.trained_variables(optimizer)  # what Keras itself assumes
    variables = list(variables)
    if not optimizer.built:  # no variable may be made inside of a condition
        with keras.name_scope(optimizer.name, caller=optimizer):
            optimizer.build(variables)
    scale = optimizer.loss_scale_factor
    if scale is not None:
        grads = [None if grad is None else grad / scale for grad in grads]
    return variables, grads
