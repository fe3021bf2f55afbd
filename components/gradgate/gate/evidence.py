"""What the judge is given: the record of one training, as the reader of the record hands it out.

The judge knows the shape of a record, not where it came from: the protocols below are those of
`gradgate.telemetry.batch`, read only, so that the judge runs where no reader is installed.
"""

# ruff: noqa: D102 - `gradgate.telemetry.batch` and `gradgate.contracts` describe the fields

import dataclasses
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import Manifest, ModelCard, Summary

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]


class StatisticsBatch(Protocol):
    """Statistics of the sampled steps, see `gradgate.telemetry.batch.StatisticsBatch`."""

    @property
    def step(self) -> Ints: ...
    @property
    def mean_abs(self) -> Float32s: ...
    @property
    def max_abs(self) -> Float32s: ...
    @property
    def zero_fraction(self) -> Float32s: ...
    @property
    def nonfinite(self) -> Ints: ...


class StepBatch(Protocol):
    """Consecutive optimizer steps, see `gradgate.telemetry.batch.StepBatch`."""

    @property
    def step(self) -> Ints: ...
    @property
    def epoch(self) -> Ints: ...
    @property
    def loss(self) -> Float32s: ...
    @property
    def global_norm(self) -> Float32s: ...
    @property
    def clip_scale(self) -> Float32s: ...
    @property
    def clipped(self) -> Bools: ...
    @property
    def applied(self) -> Bools: ...
    @property
    def norms(self) -> Float32s: ...
    @property
    def statistics(self) -> StatisticsBatch: ...


class Record(Protocol):
    """A record that was opened and whose digests were checked."""

    @property
    def manifest(self) -> Manifest: ...
    @property
    def card(self) -> ModelCard | None: ...
    @property
    def summary(self) -> Summary | None: ...
    @property
    def digest(self) -> str: ...
    def batches(self) -> Iterable[StepBatch]: ...


NO_CARD = ModelCard(model_name="", variables=(), optimizer="", loss_measured=False)
"""The card of a training that was never instrumented: no variable, no loss."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a training reported about itself.

    Attributes:
        record_digest: Digest of `manifest.json`, which holds those of the other files.
        batches: Gives the steps from the first to the last, anew at every call.
    """

    manifest: Manifest
    card: ModelCard
    summary: Summary
    record_digest: str
    batches: Callable[[], Iterable[StepBatch]]

    @classmethod
    def of(cls, record: Record) -> "Evidence":
        """Returns the evidence in a record; card and summary are empty where it has none."""
        return cls(
            manifest=record.manifest,
            card=record.card or NO_CARD,
            summary=record.summary or Summary(),
            record_digest=record.digest,
            batches=record.batches,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordProblem:
    """Why there is no evidence: the code and message of the reader's error.

    Attributes:
        code: Such as `T-MISSING`, `T-UNFINALIZED`, `T-TRUNCATED`.
    """

    code: str
    message: str
