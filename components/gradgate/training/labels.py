"""The loss of the best constant prediction on the training labels that were seen.

A model that does no better has learned nothing from its inputs. For cross-entropy that loss is the
entropy of the label distribution, for the mean squared error it is the variance of the labels; in
the units of the loss, natural logarithms. For other losses it is None.

Labels are counted where gradients are applied, so those of an evaluation never enter. As in Keras,
a sum over weighted examples is divided by the number of examples and not by that of weights.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradgate.training.hooks import names
from gradgate.training.scope import is_reachable, outside_of_traces, replica

_KINDS = {
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
    "mean_squared_error": keras.losses.MeanSquaredError,
}
_MOST_COLUMNS = 1 << 16
_UNSET = np.float64("nan")


class LabelStatistics:
    """Counts the labels of the training batches, on the device.

    Args:
        kind: Name of the loss, a key of `_KINDS`.
        smoothing: Label smoothing of that loss.
    """

    def __init__(self, *, kind: str, smoothing: float = 0.0) -> None:
        self._kind, self._smoothing = kind, smoothing
        self._sums: tf.Variable | None = None  # see `_sum`
        self._shift: tf.Variable | None = None  # see `_shifted`
        self._restored: Mapping[str, np.ndarray] = {}
        self._is_weighted = False
        self._pending: dict[int, tuple[Any, Any, int]] = {}  # by replica
        self._is_known = True

    @classmethod
    def of(cls, model: keras.Model) -> "LabelStatistics | None":
        """Returns a counter for the loss that a model was compiled with, None if it has none."""
        if type(model).compute_loss is not keras.Model.compute_loss:
            return None
        loss = model.loss
        if isinstance(loss, (list, tuple)) and len(loss) == 1:
            loss = loss[0]
        if isinstance(loss, str):
            loss = keras.losses.get(loss)
        if (model.get_compile_config() or {}).get("loss_weights") is not None:
            return None
        for kind, loss_class in _KINDS.items():
            if loss is getattr(keras.losses, kind):
                return cls(kind=kind)
            if type(loss) is loss_class:
                return cls._of_object(kind, loss.get_config())
        return None

    @classmethod
    def _of_object(cls, kind: str, config: dict[str, Any]) -> "LabelStatistics | None":
        if (
            config.get("reduction", "sum_over_batch_size") != "sum_over_batch_size"
            or config.get("ignore_class") is not None
            or config.get("axis", -1) != -1
        ):
            return None
        return cls(kind=kind, smoothing=config.get("label_smoothing") or 0.0)

    def notice(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Takes note of a batch whose gradients may be applied next."""
        columns = self._columns(y, y_pred, sample_weight)
        self.forget()
        if columns is not None:
            self._pending[replica()] = (y, sample_weight, columns)
        self._is_known &= columns is not None

    def forget(self) -> None:
        """Drops the note: the batch was not for training."""
        self._pending.pop(replica(), None)

    def count(self) -> None:
        """Counts the labels that were noticed last, in the graph that applies the gradients."""
        pending = self._pending.pop(replica(), None)
        if pending is None or not is_reachable(pending[0]):
            self._is_known = False  # a step whose labels are not known spoils the whole
            return
        columns = pending[2]
        if self._kind == "mean_squared_error" and self._shift is None:
            self._shift = self._made("label_shift", np.full([columns], _UNSET))
        if self._shift is not None and self._shift.shape != (columns,):
            self._is_known = False
            return
        row = self._sum(*pending)
        if self._sums is None:
            self._sums = self._made("label_sums", np.zeros(row.shape))
        if self._sums.shape != row.shape:
            self._is_known = False
            return
        self._sums.assign_add(row, read_value=False)

    def _made(self, name: str, empty: np.ndarray) -> tf.Variable:
        kept = self._restored.get(name, empty)
        start = kept if kept.shape == empty.shape else empty
        return outside_of_traces(lambda: tf.Variable(start, trainable=False))

    def state(self) -> dict[str, np.ndarray]:
        """Returns what was counted, for a resumed training; on the host."""
        named = {"label_sums": self._sums, "label_shift": self._shift}
        kept = {name: each.numpy() for name, each in named.items() if each is not None}
        known = {"labels_known": self._is_known, "labels_weighted": self._is_weighted}
        return kept | {name: np.array(each) for name, each in known.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on counting from what `state` gave; before the first step is traced."""
        self._restored = state
        self._is_known &= bool(state.get("labels_known", True))
        self._is_weighted = bool(state.get("labels_weighted", False))

    def constant_loss(self) -> float | None:
        """Returns the loss of the best constant prediction, on the host; None if not known."""
        counted = self.state().get("label_sums", self._restored.get("label_sums"))
        if counted is None or not self._is_known:
            return None
        rows, weight, sums = self._split(counted)
        if not (np.isfinite(sums).all() and rows > 0 and weight > 0):
            return None
        return float(weight / rows * self._constant_loss(sums / weight))

    def _constant_loss(self, means: np.ndarray) -> float:
        if self._kind == "mean_squared_error":
            mean, mean_square = np.split(means, 2)
            return float(np.mean(np.maximum(mean_square - mean**2, 0.0)))
        if self._kind == "binary_crossentropy":
            p = means * (1 - self._smoothing) + self._smoothing / 2
            return float(np.mean(_entropy(p) + _entropy(1 - p)))
        means = means * (1 - self._smoothing) + self._smoothing / len(means)
        total = means.sum()
        return float(np.sum(_entropy(means / total)) * total) if total > 0 else 0.0

    def _columns(self, y: Any, y_pred: Any, sample_weight: Any) -> int | None:
        """Returns the width of a target, k; None for labels that are not understood."""
        shape, labels = getattr(y_pred, "shape", None), getattr(y, "shape", None)
        if shape is None or labels is None or names.has_mask(y_pred):
            return None
        shape, labels = tuple(shape), tuple(labels)
        if sample_weight is not None:
            weights = tuple(getattr(sample_weight, "shape", ()))
            if len(shape) > 2 or len(weights) not in (1, 2) or (*weights, 1)[1] != 1:
                return None
        if self._kind == "sparse_categorical_crossentropy":
            is_indices = labels in (shape[:-1], (*shape[:-1], 1))
            columns = shape[-1] if is_indices else None
        elif len(labels) == len(shape) > 1:
            columns = shape[-1] if labels[-1] == shape[-1] else None
        else:
            columns = 1 if (*shape, 1)[max(len(labels), 1)] == 1 else None
        return columns if columns is not None and columns <= _MOST_COLUMNS else None

    # The row of a batch, float64: first how many rows and, if there are weights, their sum; then
    # the k weighted sums of the labels, and for the variance those of their squares. Counts of
    # classes add up to the number of rows by themselves. Few ops: this is in every step.

    def _sum(self, y: Any, sample_weight: Any, columns: int) -> tf.Tensor:
        self._is_weighted = sample_weight is not None
        weight = None
        if self._is_weighted:
            weight = tf.cast(tf.reshape(sample_weight, [-1]), tf.float64)
        if self._kind == "sparse_categorical_crossentropy":
            label = tf.reshape(y, [-1])
            label = label if label.dtype.is_integer else tf.cast(label, tf.int64)
            each = tf.ones_like(label, tf.float64) if weight is None else weight
            counts = tf.math.unsorted_segment_sum(each, label, columns)
            return counts if weight is None else tf.concat([_size(label)[None], counts], axis=0)
        target = self._shifted(tf.cast(tf.reshape(y, [-1, columns]), tf.float64))
        weighted = target if weight is None else target * weight[:, None]
        head = [_size(target[:, 0])] + ([] if weight is None else [tf.reduce_sum(weight)])
        sums = [tf.reduce_sum(weighted, axis=0)]
        if self._kind == "mean_squared_error":
            sums.append(tf.reduce_sum(weighted * target, axis=0))
        return tf.concat([tf.stack(head), *sums], axis=0)

    def _shifted(self, target: tf.Tensor) -> tf.Tensor:
        """Returns the targets less the first one seen, as a variance far from 0 needs.

        The difference of two squares near 1e16 has no digits left, even in float64.
        """
        if self._shift is None:
            return target
        first = tf.reduce_mean(target[:1], axis=0)  # NaN of an empty batch: still unset
        shift = tf.where(tf.math.is_nan(self._shift), first, self._shift)
        self._shift.assign(shift, read_value=False)
        return target - shift

    def _split(self, row: np.ndarray) -> tuple[float, float, np.ndarray]:
        """Returns the number of rows, the sum of their weights, and the sums."""
        if self._kind == "sparse_categorical_crossentropy":
            sums = row[1:] if self._is_weighted else row
            return (row[0] if self._is_weighted else sums.sum()), sums.sum(), sums
        if self._is_weighted:
            return row[0], row[1], row[2:]
        return row[0], row[0], row[1:]


def _size(vector: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.size(vector), tf.float64)


def _entropy(p: np.ndarray) -> np.ndarray:
    return -p * np.log(np.where(p > 0, p, 1.0))  # 0 log 0 is 0
