"""What the judge is given: the record of one training, as the reader of the record hands it out.

The judge knows the shape of a record, not where it came from: the protocols below are those of
`gradgate.telemetry.batch`, read only, so that the judge runs where no reader is installed.
"""

# ruff: noqa: D102 - `gradgate.telemetry.batch` and `gradgate.contracts` describe the fields

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import Manifest, ModelCard, Summary

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]


class StatisticsBatch(Protocol):
    """Statistics of the sampled steps, see `gradgate.telemetry.batch.StatisticsBatch`.

    What may be None was not measured.
    """

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
    @property
    def weight_norm(self) -> Float32s | None: ...
    @property
    def update_ratio(self) -> Float32s | None: ...
    @property
    def adam_rms(self) -> Float32s | None: ...
    @property
    def data_norm(self) -> Float32s | None: ...
    @property
    def data_mean_abs(self) -> Float32s | None: ...
    @property
    def data_max_abs(self) -> Float32s | None: ...
    @property
    def data_zero_fraction(self) -> Float32s | None: ...
    @property
    def cosine(self) -> Float32s | None: ...
    @property
    def global_cosine(self) -> Float32s | None: ...


class ActivationBatch(Protocol):
    """Health of activations, see `gradgate.telemetry.batch.ActivationBatch`."""

    @property
    def step(self) -> Ints: ...
    @property
    def dead_fraction(self) -> Float32s: ...
    @property
    def saturated_fraction(self) -> Float32s: ...
    @property
    def spread(self) -> Float32s | None: ...


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
    def clipped_norm(self) -> Float32s: ...
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
    @property
    def loss_scale(self) -> Float32s | None: ...
    @property
    def replica_loss(self) -> Float32s | None: ...
    @property
    def replica_norm(self) -> Float32s | None: ...
    @property
    def loss_scale_skips(self) -> Ints | None: ...
    @property
    def activations(self) -> ActivationBatch | None: ...


class Record(Protocol):
    """A record that was opened and whose digests were checked.

    `optimizers` are the records of further optimizers of the same training, by name.
    """

    @property
    def manifest(self) -> Manifest: ...
    @property
    def card(self) -> ModelCard | None: ...
    @property
    def summary(self) -> Summary | None: ...
    @property
    def digest(self) -> str: ...
    @property
    def optimizers(self) -> Mapping[str, "Record"]: ...
    def batches(self) -> Iterable[StepBatch]: ...
    def stretches(self) -> Sequence["Stretch"]: ...


Stretch = Callable[[], Iterable[StepBatch]]
"""Gives the steps of one part of the record, anew at every call. It can be pickled."""

NO_CARD = ModelCard.model_construct(model_name="", variables=(), optimizer="", loss_measured=False)
"""The card of a training that was never instrumented: no variable, no loss."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a training reported about itself, or one optimizer of it.

    Attributes:
        record_digest: Digest of `manifest.json`, which holds those of the other files.
        batches: Gives the steps from the first to the last, anew at every call.
        stretches: Give the same, one after the other, one for each part of the manifest; None where
            the steps cannot be had one part at a time.
        name: Of the optimizer whose steps these are; empty where there is but one.
        optimizers: Of the further optimizers, each by its name.
    """

    manifest: Manifest
    card: ModelCard
    summary: Summary
    record_digest: str
    batches: Callable[[], Iterable[StepBatch]]
    stretches: tuple[Stretch, ...] | None = None
    name: str = ""
    optimizers: tuple[tuple[str, "Evidence"], ...] = ()

    @classmethod
    def of(cls, record: Record) -> "Evidence":
        """Returns the evidence in a record; card and summary are empty where it has none."""
        return cls(
            manifest=record.manifest,
            card=record.card or NO_CARD,
            summary=record.summary or Summary(),
            record_digest=record.digest,
            batches=record.batches,
            stretches=tuple(record.stretches()),
            name=record.manifest.optimizer_name,
            optimizers=tuple(
                (name, cls.of(further)) for name, further in record.optimizers.items()
            ),
        )

    def __getstate__(self) -> dict[str, object]:
        """Without the steps: who sends evidence to another process says there which to read."""
        kept = {"batches": _elsewhere, "stretches": None, "optimizers": ()}
        return {**self.__dict__, **kept}

    def each(self) -> tuple[tuple[str, "Evidence"], ...]:
        """Every optimizer's evidence by its name, this one first; no name where it is alone."""
        if not self.optimizers:
            return (("", self),)
        return ((self.name or "the first optimizer", self), *self.optimizers)


def _elsewhere() -> Iterable[StepBatch]:
    raise RuntimeError("Evidence that was sent to another process does not bring its steps.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordProblem:
    """Why there is no evidence: the code and message of the reader's error.

    Attributes:
        code: Such as `T-MISSING`, `T-UNFINALIZED`, `T-TRUNCATED`.
    """

    code: str
    message: str
