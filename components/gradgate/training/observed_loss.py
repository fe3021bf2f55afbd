"""What `compute_loss` shows: the inputs and labels of training batches."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from gradgate.training.probe import Probe
from gradgate.training.scope import as_written, replica


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

    signature = inspect.signature(compute_loss)

    @as_written
    def note(given: Mapping[str, Any]) -> None:
        # One of a model's own may leave `training` out. What it shows in an evaluation is then
        # noted too, and dropped for the next training batch, which comes before the next step.
        if given.get("training", True):
            probe.penalty_is_in_loss |= adds_penalty
            if keep_inputs is not None and given.get("x") is not None and replica() == 0:
                keep_inputs(given["x"])
        if probe.labels is not None:
            if given.get("training", True):
                probe.labels.notice(given.get("y"), given.get("y_pred"), given.get("sample_weight"))
            else:
                probe.labels.forget()

    @functools.wraps(compute_loss)
    def observed_compute_loss(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            given = {}  # the call below says what is wrong with it
        if given:
            note(given)
        return compute_loss(*args, **kwargs)

    return observed_compute_loss
