"""What a batch holds, feature by feature: NaN that comes in with the data is born in the input."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from gradgate.training.replaying.program import parts_of

_COLUMNS = 8  # named of one tensor; more are counted


@dataclasses.dataclass(frozen=True)
class InputHealth:
    """One tensor of a batch.

    Attributes:
        name: Where it stands in the batch, such as `x['age']`, `y` or `sample_weight`.
        shape, dtype: Of it.
        nonfinite: Entries that are NaN or infinite; 0 for what is no float.
        lowest, highest: Of the finite entries; None where there are none.
        columns: Places on the last axis that hold the non-finite ones, with their number, at most 8
            of them; none where the tensor has one axis.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    nonfinite: int
    lowest: float | None
    highest: float | None
    columns: tuple[tuple[int, int], ...] = ()


def inputs_of(batch: Any) -> tuple[InputHealth, ...]:
    """Describes a batch, `(x,)`, `(x, y)` or `(x, y, sample_weight)` or anything nested."""
    parts = dict(zip(("x", "y", "sample_weight"), parts_of(batch), strict=False))
    found: list[InputHealth] = []
    for name, part in parts.items():
        _describe(name, part, found)
    return tuple(found)


def _describe(name: str, value: Any, found: list[InputHealth]) -> None:
    if isinstance(value, dict):
        for key, each in value.items():
            _describe(f"{name}[{key!r}]", each, found)
    elif isinstance(value, (tuple, list)):
        for index, each in enumerate(value):
            _describe(f"{name}[{index}]", each, found)
    elif value is not None:
        found.append(_tensor(name, value))


def _tensor(name: str, value: Any) -> InputHealth:
    if isinstance(value, tf.RaggedTensor):
        value = value.flat_values
    elif isinstance(value, tf.SparseTensor):
        value = value.values
    array = np.asarray(value)
    kind = tf.as_dtype(array.dtype) if array.dtype != object else tf.string
    if not (kind.is_floating or kind.is_integer):
        return InputHealth(name, array.shape, kind.name, 0, None, None)
    numbers = array.astype(np.float64)
    bad = ~np.isfinite(numbers)
    finite = numbers[~bad]
    columns: tuple[tuple[int, int], ...] = ()
    if array.ndim > 1 and bad.any():
        counts = bad.reshape(-1, array.shape[-1]).sum(axis=0)
        worst = np.argsort(-counts, kind="stable")[: min(_COLUMNS, np.count_nonzero(counts))]
        columns = tuple((int(column), int(counts[column])) for column in sorted(worst))
    return InputHealth(
        name,
        array.shape,
        kind.name,
        int(bad.sum()),
        float(finite.min()) if finite.size else None,
        float(finite.max()) if finite.size else None,
        columns,
    )
