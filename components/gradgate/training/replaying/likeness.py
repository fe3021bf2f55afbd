"""How alike a replay is to what was recorded: the proof that it is the same training."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from gradgate.telemetry.batch import StepBatch

_CLOSE = 1e-3  # relative; kernels that add in another order stay far below, other batches do not


@dataclasses.dataclass(frozen=True)
class Likeness:
    """Loss and global norm of replayed steps against the record's.

    Attributes:
        steps: How many were compared.
        exact: Whether every number is the same, bit for bit.
        difference: The greatest relative one; inf where only one of the two is finite.
        differs_at: The first step whose numbers are not the same to 1e-3; None if all are.
    """

    steps: int
    exact: bool
    difference: float
    differs_at: int | None

    @property
    def holds(self) -> bool:
        """Whether this is the training that was recorded."""
        return self.differs_at is None


def numbers(rows: StepBatch) -> NDArray[np.float32]:
    """Returns what is compared of each step, float32 [n, 2]: loss and global norm."""
    return np.stack([rows.loss, rows.global_norm], axis=1)


def likeness(
    steps: NDArray[np.int64], recorded: NDArray[np.float32], replayed: NDArray[np.float32]
) -> Likeness:
    """Compares two series of the same steps.

    Args:
        steps: int64 [n].
        recorded: float32 [n, k], k numbers a step.
        replayed: The same, float32 [n, k].
    """
    difference = _relative(recorded, replayed).max(axis=1, initial=0.0)
    apart = np.flatnonzero(difference > _CLOSE)
    return Likeness(
        steps=len(steps),
        exact=bool(np.array_equal(recorded, replayed, equal_nan=True)),
        difference=float(difference.max(initial=0.0)),
        differs_at=int(steps[apart[0]]) if apart.size else None,
    )


def _relative(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    a, b = one.astype(np.float64), other.astype(np.float64)
    both = np.isfinite(a) & np.isfinite(b)
    # Two numbers that are not finite are alike: which of NaN and infinity it was hangs on the
    # kernel, and an infinity less another is NaN.
    apart = np.where(np.isfinite(a) == np.isfinite(b), 0.0, np.inf)
    scale = np.maximum(np.abs(a), np.abs(b), where=both, out=np.ones_like(a))
    gap = np.abs(np.subtract(a, b, where=both, out=np.zeros_like(a)))
    return np.where(both, gap / np.maximum(scale, np.finfo(np.float32).tiny), apart)
