"""The columns of a part: a `StepBatch` as an Arrow table, and back.

One row a step. `norms` is a list of one value a variable, in the order of `ModelCard.variables`;
the `sampled_*` lists are null on a step that was not sampled, the `activation_*` lists on a step
after which no forward pass was made. Whatever was never measured is null throughout. Names and
types here are the record's schema, version `contracts.health.SCHEMA_VERSION`: a new column raises
the minor version, a changed one the major.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gradgate.telemetry.batch import (
    HISTOGRAM_BINS,
    ActivationBatch,
    Ints,
    StatisticsBatch,
    StepBatch,
)
from gradgate.telemetry.lists import (
    from_lists,
    from_scalars,
    is_measured,
    is_valid,
    to_lists,
    whole,
)

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
# Since version 1.1, and null where nobody measured them:
_STEP_SCALARS = {"loss_scale": pa.float32(), "loss_scale_skips": pa.int64()}
_STEP_LISTS = {
    "stage_norms": pa.float32(),
    "stage_fired": pa.bool_(),
    "replica_loss": pa.float32(),
    "replica_norm": pa.float32(),  # since version 1.2
}
_SAMPLED_SINCE = (
    "weight_norm",
    "update_ratio",
    "adam_rms",
    "data_norm",
    "data_mean_abs",
    "data_max_abs",
    "data_zero_fraction",
    "cosine",
)
_GLOBAL_COSINE = "sampled_global_cosine"
_ACTIVATIONS = ("zero_fraction", "dead_fraction", "saturated_fraction", "spread")
_FLOATS = pa.list_(pa.float32())
_REQUIRED = pa.schema(
    [pa.field(name, kind, nullable=False) for name, kind in _STEPS.items()]
    + [pa.field("norms", _FLOATS, nullable=False)]
    + [pa.field(f"sampled_{name}", pa.list_(kind)) for name, kind in _SAMPLED.items()]
    + [pa.field(_HISTOGRAM, pa.list_(pa.int64()))]
)
SCHEMA = pa.schema(
    [*_REQUIRED]
    + [pa.field(name, kind) for name, kind in _STEP_SCALARS.items()]
    + [pa.field(name, pa.list_(kind)) for name, kind in _STEP_LISTS.items()]
    + [pa.field(f"sampled_{name}", _FLOATS) for name in _SAMPLED_SINCE]
    + [pa.field(_GLOBAL_COSINE, pa.float32())]
    + [pa.field(f"activation_{name}", _FLOATS) for name in _ACTIVATIONS]
)


def to_table(batch: StepBatch) -> pa.Table:
    """Returns the batch as a table of `SCHEMA`, one row a step.

    Raises:
        ValueError: If arrays of the batch do not fit each other.
    """
    count, statistics, activations = len(batch), batch.statistics, batch.activations
    every, variables = np.arange(count), batch.norms.shape[1]
    sampled = _positions(batch.step, statistics.step)
    columns: dict[str, pa.Array] = {
        name: pa.array(getattr(batch, name), type=kind)
        for name, kind in (_STEPS | _STEP_SCALARS).items()
        if getattr(batch, name) is not None
    }
    lists: list[tuple[str, NDArray[Any] | None, Ints]] = [("norms", batch.norms, every)]
    lists += [(name, getattr(batch, name), every) for name in _STEP_LISTS]
    for name in (*_SAMPLED, *_SAMPLED_SINCE):
        values = getattr(statistics, name)
        if values is not None and values.shape[1:] != (variables,):
            raise ValueError(f"{name}: shape {values.shape}, expected one for each of {variables}")
        lists.append((f"sampled_{name}", values, sampled))
    if statistics.histogram is not None:
        flat = statistics.histogram.reshape(len(sampled), variables * HISTOGRAM_BINS)
        lists.append((_HISTOGRAM, flat, sampled))
    if statistics.global_cosine is not None:
        cosine, is_null = np.zeros(count, np.float32), np.ones(count, bool)
        cosine[sampled], is_null[sampled] = statistics.global_cosine, False
        columns[_GLOBAL_COSINE] = pa.array(cosine, mask=is_null)
    if activations is not None:
        probed = _positions(batch.step, activations.step)
        lists += [(f"activation_{x}", getattr(activations, x), probed) for x in _ACTIVATIONS]
    for name, matrix, rows in lists:
        if matrix is not None:
            kind = SCHEMA.field(name).type.value_type
            columns[name] = to_lists(matrix, rows, count=count, kind=kind)
    return pa.Table.from_arrays(
        [columns[x.name] if x.name in columns else pa.nulls(count, x.type) for x in SCHEMA],
        schema=SCHEMA,
    )


def from_table(table: pa.Table, variables: int, activations: int = 0) -> StepBatch:
    """Returns the steps of a table that `to_table` made; None for what was not measured.

    Raises:
        ValueError: If a column is missing or has another type, or a row does not have one value
            for each of the `variables` or of the layers whose `activations` were looked at.
    """
    _check_schema(table)
    scalars = {name: from_scalars(table, name) for name in _STEPS}
    scalars |= {
        name: from_scalars(table, name) for name in _STEP_SCALARS if is_measured(table, name)
    }
    lists = {name: from_lists(table, name) for name in _STEP_LISTS if is_measured(table, name)}
    return StepBatch(
        **scalars,
        **lists,
        norms=from_lists(table, "norms", variables),
        statistics=_statistics(table, scalars["step"], variables),
        activations=_activations(table, scalars["step"], activations),
    )


def _check_schema(table: pa.Table) -> None:
    for field in SCHEMA:
        if table.schema.get_field_index(field.name) < 0:
            if field.name in _REQUIRED.names:
                raise ValueError(f"column {field.name} is missing")
        elif table.schema.field(field.name).type != field.type:
            found = table.schema.field(field.name).type
            raise ValueError(f"column {field.name} has type {found}, expected {field.type}")


def _statistics(table: pa.Table, step: Ints, variables: int) -> StatisticsBatch:
    rows = is_valid(whole(table, "sampled_mean_abs"))
    fields = {
        name: from_lists(table, f"sampled_{name}", variables, rows=rows)
        for name in (*_SAMPLED, *_SAMPLED_SINCE)
        if name in _SAMPLED or is_measured(table, f"sampled_{name}")
    }
    if is_measured(table, _GLOBAL_COSINE):
        fields["global_cosine"] = from_scalars(table, _GLOBAL_COSINE, rows=rows)
    if not rows.any() or is_measured(table, _HISTOGRAM):
        flat = from_lists(table, _HISTOGRAM, variables * HISTOGRAM_BINS, rows=rows)
        fields["histogram"] = flat.reshape(-1, variables, HISTOGRAM_BINS)
    return StatisticsBatch(step=step[rows], **fields)


def _activations(table: pa.Table, step: Ints, layers: int) -> ActivationBatch | None:
    names = {name: f"activation_{name}" for name in _ACTIVATIONS}
    if not is_measured(table, names["zero_fraction"]):
        return None
    rows = is_valid(whole(table, names["zero_fraction"]))
    fields = {
        name: from_lists(table, column, layers, rows=rows)
        for name, column in names.items()
        if name != "spread" or is_measured(table, column)
    }
    return ActivationBatch(step=step[rows], **fields)


def _positions(steps: Ints, some: Ints) -> Ints:
    """Where `some` of the steps stand among `steps`."""
    rows = np.searchsorted(steps, some)
    if (rows >= len(steps)).any() or (steps[rows] != some).any():
        raise ValueError("statistics or activations are of a step that is not in the batch")
    return rows
