"""Matrices as Arrow columns of lists, and back: the only place that knows Arrow's offsets."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def to_lists(
    matrix: NDArray[Any], rows: NDArray[Any], *, count: int, kind: pa.DataType
) -> pa.Array:
    """Returns `count` lists: of `matrix` [m, w] at the positions `rows` [m], null elsewhere.

    Raises:
        ValueError: If the matrix does not have one row for each position.
    """
    if matrix.ndim != 2 or len(matrix) != len(rows):
        raise ValueError(f"an array of shape {matrix.shape} does not have {len(rows)} rows")
    is_null = np.ones(count + 1, bool)
    is_null[rows] = False
    is_null[-1] = False  # the end of the last list, never null
    lengths = np.where(is_null[:-1], 0, matrix.shape[1])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets, mask=is_null), pa.array(matrix.reshape(-1), type=kind)
    )


def from_lists(table: pa.Table, name: str, width: int | None = None) -> NDArray[Any]:
    """Returns a column of lists as a matrix.

    Raises:
        ValueError: If a row or a value is empty, or the lists do not all have `width` values; None
            takes that of the first.
    """
    column = full(table, name)
    lengths = np.diff(column.offsets.to_numpy())
    if width is None:
        width = int(lengths[0]) if len(lengths) else 0
    if (lengths != width).any():
        raise ValueError(f"column {name} has rows of other than {width} values")
    values = column.flatten()
    if values.null_count:
        raise ValueError(f"column {name} has {values.null_count} empty values")
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(-1, width)


def from_scalars(table: pa.Table, name: str) -> NDArray[Any]:
    """Returns a column of numbers as a vector.

    Raises:
        ValueError: If a value is empty.
    """
    return np.asarray(full(table, name).to_numpy(zero_copy_only=False))


def full(table: pa.Table, name: str) -> pa.Array:
    """Returns a column in one piece.

    Raises:
        ValueError: If a value is empty.
    """
    column = whole(table, name)
    if column.null_count:
        raise ValueError(f"column {name} has {column.null_count} empty values")
    return column


def whole(table: pa.Table, name: str) -> pa.Array:
    """Returns a column in one piece, empty values and all."""
    column = table.column(name)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def is_measured(table: pa.Table, name: str) -> bool:
    """Whether a column is there and holds anything."""
    if table.schema.get_field_index(name) < 0:
        return False
    return bool(table.column(name).null_count < table.num_rows)
