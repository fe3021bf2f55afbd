"""One step of a LossScaleOptimizer, observed: too great a scale, or a fault?"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from gradgate.training.hooks import names
from gradgate.training.hooks.observer import Observer
from gradgate.training.hooks.step import prepared
from gradgate.training.scope import replica


class ObservedScaledStep:
    """The observed methods of a LossScaleOptimizer.

    Keras looks at the gradients of one replica only, where the others may have overflowed.
    """

    def __init__(self, optimizer: Any, observer: Observer) -> None:
        self._optimizer, self._observer = optimizer, observer
        self._apply, self._check_finite = optimizer.apply, optimizer.check_finite
        self._is_finite: dict[int, tf.Tensor] = {}  # by replica

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """In the place of APPLY."""
        variables, gradients = prepared(self._optimizer, grads, trainable_variables)
        pairs = list(zip(gradients, map(names.tf_variable, variables), strict=True))
        is_finite = self._check_finite(gradients)
        self._is_finite[replica()] = self._observer.see_scaled(pairs, is_finite)
        self._apply(gradients, variables)

    def check_finite(self, grads: Any) -> Any:  # noqa: ARG002 - Keras's signature
        """In the place of FINITE."""
        return self._is_finite[replica()]
