"""The columns of a part: a `StepBatch` as an Arrow table, and back.

One row a step. `norms` is a list of one value a variable, in the order of `ModelCard.variables`;
the `sampled_*` lists are null on a step that was not sampled. Names and types here are the record's
schema, version `contracts.health.SCHEMA_VERSION`: a new column raises the minor version, a changed
one the major.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gradgate.telemetry.batch import HISTOGRAM_BINS, StatisticsBatch, StepBatch

_STEPS = {
    "step": pa.int64(),
    "epoch": pa.int64(),
    "seconds": pa.float64(),
    "loss": pa.float32(),
    "global_norm": pa.float32(),
    "clipped_norm": pa.float32(),
    "clip_scale": pa.float32(),
    "clipped": pa.bool_(),
    "applied": pa.bool_(),
}
_SAMPLED = {
    "mean_abs": pa.float32(),
    "max_abs": pa.float32(),
    "zero_fraction": pa.float32(),
    "nonfinite": pa.int64(),
}
_HISTOGRAM = "sampled_histogram"  # one list of v times HISTOGRAM_BINS, variable by variable
SCHEMA = pa.schema(
    [pa.field(name, kind, nullable=False) for name, kind in _STEPS.items()]
    + [pa.field("norms", pa.list_(pa.float32()), nullable=False)]
    + [pa.field(f"sampled_{name}", pa.list_(kind)) for name, kind in _SAMPLED.items()]
    + [pa.field(_HISTOGRAM, pa.list_(pa.int64()))]
)


def to_table(batch: StepBatch) -> pa.Table:
    """Returns the batch as a table of `SCHEMA`, one row a step."""
    columns = [pa.array(getattr(batch, name), type=kind) for name, kind in _STEPS.items()]
    columns.append(_lists(batch.norms, np.arange(len(batch)), len(batch), pa.float32()))
    rows = np.searchsorted(batch.step, batch.statistics.step)
    for name, kind in _SAMPLED.items():
        columns.append(_lists(getattr(batch.statistics, name), rows, len(batch), kind))
    histogram = batch.statistics.histogram
    if histogram is None:
        columns.append(pa.nulls(len(batch), pa.list_(pa.int64())))
    else:
        flat = histogram.reshape(len(rows), batch.norms.shape[1] * HISTOGRAM_BINS)
        columns.append(_lists(flat, rows, len(batch), pa.int64()))
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def from_table(table: pa.Table, variables: int) -> StepBatch:
    """Returns the steps of a table that `to_table` made.

    Raises:
        ValueError: If a column is missing or has another type, or a row does not have one value
            for each of the `variables`.
    """
    for field in SCHEMA:
        if table.schema.get_field_index(field.name) < 0:
            raise ValueError(f"column {field.name} is missing")
        if table.schema.field(field.name).type != field.type:
            found = table.schema.field(field.name).type
            raise ValueError(f"column {field.name} has type {found}, expected {field.type}")
    steps = {name: _flat(table, name) for name in _STEPS}
    sampled = _array(table, "sampled_mean_abs").is_valid().to_numpy(zero_copy_only=False)
    rows = table.filter(pa.array(sampled))
    statistics = StatisticsBatch(
        step=steps["step"][sampled],
        **{name: _matrix(rows, f"sampled_{name}", variables) for name in _SAMPLED},
        histogram=_histogram(rows, variables),
    )
    norms = _matrix(table, "norms", variables)
    return StepBatch(**steps, norms=norms, statistics=statistics)


def _lists(matrix: NDArray[Any], rows: NDArray[Any], count: int, kind: pa.DataType) -> pa.Array:
    """One list a row: those of `matrix` at `rows`, null elsewhere."""
    is_null = np.ones(count + 1, bool)
    is_null[rows] = False
    is_null[-1] = False  # the end of the last list, never null
    lengths = np.where(is_null[:-1], 0, matrix.shape[1])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets, mask=is_null), pa.array(matrix.reshape(-1), type=kind)
    )


def _histogram(rows: pa.Table, variables: int) -> NDArray[np.int64] | None:
    if rows.num_rows and rows.column(_HISTOGRAM).null_count == rows.num_rows:
        return None
    return _matrix(rows, _HISTOGRAM, variables * HISTOGRAM_BINS).reshape(
        -1, variables, HISTOGRAM_BINS
    )


def _flat(table: pa.Table, name: str) -> NDArray[Any]:
    return np.asarray(_full(table, name).to_numpy(zero_copy_only=False))


def _matrix(table: pa.Table, name: str, variables: int) -> NDArray[Any]:
    column = _full(table, name)
    if (np.diff(column.offsets.to_numpy()) != variables).any():
        raise ValueError(f"column {name} has rows of other than {variables} values")
    values = column.flatten()
    if values.null_count:
        raise ValueError(f"column {name} has {values.null_count} empty values")
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(-1, variables)


def _full(table: pa.Table, name: str) -> pa.Array:
    column = _array(table, name)
    if column.null_count:
        raise ValueError(f"column {name} has {column.null_count} empty values")
    return column


def _array(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
