"""When the activations are looked at: at the end of an epoch, and every so many steps."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gradgate.contracts import InputCard
from gradgate.telemetry.batch import ActivationBatch
from gradgate.training.activations.inputs import InputKeeper
from gradgate.training.activations.probe import ActivationProbe
from gradgate.training.architecture import layers_and_outputs
from gradgate.training.examples import describe_examples

_APART = 10  # times `statistics_every`: steps between two looks


class Looks:
    """Looks at the activations of a model, on rows that its training has just seen.

    Args:
        model: Built by the first look.
        statistics_every: Of the guard's settings; above 0.
    """

    def __init__(self, model: keras.Model, statistics_every: int) -> None:
        self._probe, self._keeper = ActivationProbe(model), InputKeeper()
        self._steps_apart = _APART * statistics_every
        self._looked_at, self._has_looked = 0, False
        self._model, self._inputs = model, ()  # type: tuple[keras.Model, tuple[InputCard, ...]]

    def keep(self, x: Any) -> None:
        """Takes the inputs of a training batch, inside of the step."""
        self._keeper.keep(x)

    def look(self, steps: int, *, is_epoch_end: bool) -> ActivationBatch | None:
        """Looks at the activations after so many steps, if it is time and there are rows."""
        is_due = is_epoch_end or steps - self._looked_at >= self._steps_apart
        rows = self._keeper.rows() if is_due else None
        if rows is not None and not self._inputs:
            self._inputs = self._described(rows)
        seen = None if rows is None else self._probe.look(rows)
        if seen is None:
            return None
        self._looked_at, self._has_looked = steps, True
        if not self._probe.cards:
            return None
        zero, dead, saturated, spread = (np.asarray(each, np.float32)[None] for each in seen)
        return ActivationBatch(
            step=np.array([steps - 1], np.int64),
            zero_fraction=zero,
            dead_fraction=dead,
            saturated_fraction=saturated,
            spread=spread,
        )

    def for_card(self) -> dict[str, Any]:
        """Returns what the looks add to the card of the training; empty before the first."""
        known: dict[str, Any] = {}
        if self._inputs:
            known |= {"inputs": self._inputs, "batch_size": self._keeper.batch_size or None}
        if self._has_looked:
            known |= {"activations": self._probe.cards, "depths": self._probe.depths}
        return known

    def _described(self, rows: Any) -> tuple[InputCard, ...]:
        """What the inputs look like, of the rows that are there for the look anyway."""
        layers, _ = layers_and_outputs(self._model)
        rows = tf.nest.map_structure(lambda array: array[: self._keeper.examples], rows)
        given = tuple(rows) if isinstance(rows, list) else rows
        return describe_examples(given, layers, source="examples of a training batch")

    def state(self) -> dict[str, NDArray[Any]]:
        """Returns what a resumed training needs to go on in the same way."""
        return {**self._probe.state(), "looked_at": np.array(self._looked_at)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Goes on from what `state` gave."""
        self._probe.restore(state)
        self._looked_at = int(state.get("looked_at", 0))
