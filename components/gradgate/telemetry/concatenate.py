"""Batches that follow each other as one batch."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from gradgate.telemetry.batch import ActivationBatch, StatisticsBatch, StepBatch

_Batch = TypeVar("_Batch", StepBatch, StatisticsBatch, ActivationBatch)
_NAMES = {
    kind: tuple(
        field.name
        for field in dataclasses.fields(kind)
        if field.name not in ("statistics", "activations")
    )
    for kind in (StepBatch, StatisticsBatch, ActivationBatch)
}
Layout = dict[str, tuple[int, ...] | None]


def layout(batch: StepBatch) -> Layout:
    """Returns what was measured, and how wide: batches that agree on it can be one batch.

    Statistics and activations are in it only when there are any.
    """
    found = _shapes(batch, "")
    if len(batch.statistics.step):
        found |= _shapes(batch.statistics, "statistics.")
    if batch.activations is not None and len(batch.activations.step):
        found |= _shapes(batch.activations, "activations.")
    return found


def concatenate(batches: Sequence[StepBatch]) -> StepBatch:
    """Returns one batch of batches that follow each other and agree on their layout.

    Its arrays are copies: whoever made the batches may use theirs again.
    """
    activations = [x.activations for x in batches if x.activations is not None]
    return dataclasses.replace(
        _join(batches),
        statistics=_join(_those_with_steps([x.statistics for x in batches])),
        activations=_join(_those_with_steps(activations)) if activations else None,
    )


def _those_with_steps(batches: Sequence[_Batch]) -> Sequence[_Batch]:
    return [batch for batch in batches if len(batch.step)] or batches[:1]


def _shapes(batch: Any, prefix: str) -> Layout:
    return {
        prefix + name: None if values is None else values.shape[1:]
        for name, values in _arrays(batch).items()
    }


def _join(batches: Sequence[_Batch]) -> _Batch:
    columns = [_arrays(batch) for batch in batches]
    joined: dict[str, Any] = {
        name: None if first is None else np.concatenate([column[name] for column in columns])
        for name, first in columns[0].items()
    }
    return dataclasses.replace(batches[0], **joined)


def _arrays(batch: Any) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in _NAMES[type(batch)]}
