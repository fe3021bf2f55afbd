"""Matrices as Arrow columns of lists, and back: the only place that knows Arrow's offsets."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_NUMPY: Final = {"halffloat": "float16", "float": "float32", "double": "float64"}
"""Where Arrow's name of a type is not NumPy's."""


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


def from_lists(
    table: pa.Table, name: str, width: int | None = None, *, rows: NDArray[np.bool_] | None = None
) -> NDArray[Any]:
    """Returns a column of lists as a matrix.

    Args:
        table: Where the column is.
        name: Of the column.
        width: How many values a list has; None takes that of the first.
        rows: Which rows to take, bool [n]; None takes all.

    Raises:
        ValueError: If a row that is taken, or a value in it, is empty, or the lists do not all have
            `width` values.
    """
    column = whole(table, name)
    _refuse_empty(name, is_valid(column), rows)
    offsets = to_vector(column.offsets)
    starts, ends = offsets[:-1], offsets[1:]
    if rows is not None:
        starts, ends = starts[rows], ends[rows]
    if width is None:
        width = int(ends[0] - starts[0]) if len(starts) else 0
    if (ends - starts != width).any():
        raise ValueError(f"column {name} has rows of other than {width} values")
    if column.values.null_count:
        raise ValueError(f"column {name} has {column.values.null_count} empty values")
    values = to_vector(column.values)
    if len(starts) and ends[-1] - starts[0] == len(starts) * width:  # they follow each other
        return values[starts[0] : ends[-1]].reshape(-1, width)
    return np.asarray(values[starts[:, None] + np.arange(width)])


def from_scalars(
    table: pa.Table, name: str, *, rows: NDArray[np.bool_] | None = None
) -> NDArray[Any]:
    """Returns a column of numbers as a vector; `rows` as of `from_lists`.

    Raises:
        ValueError: If a value that is taken is empty.
    """
    column = whole(table, name)
    _refuse_empty(name, is_valid(column), rows)
    return to_vector(column) if rows is None else to_vector(column)[rows]


def to_vector(array: pa.Array) -> NDArray[Any]:
    """Returns numbers or booleans as a vector; what stands where one is empty means nothing.

    Arrow's own `to_numpy`, like all that it computes, imports pandas where that is installed: for
    a second, which whoever judges one record has better use for.
    """
    data = array.buffers()[1]
    kind = _dtype(array.type)
    if data is None or not len(array):
        return np.empty(0, kind)
    if kind == np.bool_:
        return _bits(data, array)
    return np.frombuffer(data, kind, len(array), array.offset * kind.itemsize)


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    """As `to_pandas_dtype` says it, which imports pandas up to Arrow 18 at least."""
    if pa.types.is_null(kind):
        return np.dtype(object)
    try:
        return np.dtype(_NUMPY.get(str(kind), str(kind)))
    except TypeError:
        raise ValueError(f"{kind} is no type of numbers") from None


def is_valid(array: pa.Array) -> NDArray[np.bool_]:
    """Returns whether each row is there, bool [n]."""
    bitmap = array.buffers()[0]
    return np.ones(len(array), bool) if bitmap is None else _bits(bitmap, array)


def whole(table: pa.Table, name: str) -> pa.Array:
    """Returns a column in one piece, empty values and all."""
    column = table.column(name)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def is_measured(table: pa.Table, name: str) -> bool:
    """Whether a column is there and holds anything."""
    if table.schema.get_field_index(name) < 0:
        return False
    return bool(table.column(name).null_count < table.num_rows)


def _refuse_empty(name: str, is_there: NDArray[np.bool_], rows: NDArray[np.bool_] | None) -> None:
    empty = int(np.count_nonzero(~is_there if rows is None else ~is_there[rows]))
    if empty:
        raise ValueError(f"column {name} has {empty} empty values")


def _bits(data: pa.Buffer, array: pa.Array) -> NDArray[np.bool_]:
    first = array.offset
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return bits[first : first + len(array)].astype(bool)
