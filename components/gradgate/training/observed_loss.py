"""What `compute_loss` shows: the inputs and labels of training batches."""

from collections.abc import Callable
from typing import Any

import keras

from gradgate.training.probe import Probe
from gradgate.training.scope import replica


def observe_loss(
    probe: Probe,
    model: keras.Model,
    compute_loss: Callable[..., Any],
    keep_inputs: Callable[[Any], None] | None,
) -> Callable[..., Any]:
    """Returns a `compute_loss` that shows inputs and labels of training batches to the probe.

    Args:
        probe: Of the model's optimizer.
        model: The model.
        compute_loss: Of the model.
        keep_inputs: Takes the inputs of a training batch.
    """
    # Keras's own adds `model.losses`, and with them the weight regularisers.
    adds_penalty = type(model).compute_loss is keras.Model.compute_loss

    def observed_compute_loss(
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002 - the signature is Keras's
    ) -> Any:
        if training:
            probe.penalty_is_in_loss |= adds_penalty
            if keep_inputs is not None and x is not None and replica() == 0:
                keep_inputs(x)
        if probe.labels is not None:
            if training:
                probe.labels.notice(y, y_pred, sample_weight)
            else:
                probe.labels.forget()
        return compute_loss(x, y, y_pred, sample_weight, training=training)

    return observed_compute_loss
