"""A stretch of optimizer steps as arrays: what the guard hands out and what a record gives back."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


HISTOGRAM_LOWEST, HISTOGRAM_PER_DECADE, HISTOGRAM_BINS = -12, 2, 32
"""Bins of |g|: half decades from 1e-12 to 1e4. The first holds all that is smaller too, zeros
among it, the last all that is larger; non-finite entries are in none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StatisticsBatch:
    """Full statistics of the aggregated gradients, on the steps that were sampled.

    Attributes:
        step: int64 [m], rising.
        mean_abs, max_abs: float32 [m, v], mean and greatest |g|; NaN and inf pass through.
        zero_fraction: float32 [m, v] in [0, 1], entries that are exactly 0.
        nonfinite: int64 [m, v], NaN and infinite entries.
        histogram: int64 [m, v, HISTOGRAM_BINS], entries by |g|; bin i counts those in
            [10^(-12 + i/2), 10^(-12 + (i+1)/2)). Of more than 2^18 entries a sample stands for
            all.
    """

    step: Ints
    mean_abs: Floats
    max_abs: Floats
    zero_fraction: Floats
    nonfinite: Ints
    histogram: Ints | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepBatch:
    """Consecutive optimizer steps of one training, m of them sampled, over v variables.

    Variables stand in the order of `ModelCard.variables`; one without a gradient has norm 0.

    Attributes:
        step: int64 [n], rising by 1; the first step of a training is 0.
        epoch: int64 [n], the epoch it belongs to, from 0.
        seconds: float64 [n], wall time since the training began, of when the row was read.
        loss: float32 [n]; NaN and inf pass through. All NaN when `ModelCard.loss_measured` is
            False: then it says nothing.
        global_norm: float32 [n], L2 norm over all variables of the aggregated gradient, before
            any clip.
        clipped_norm: float32 [n], the same after the last clip.
        clip_scale: float32 [n], what the clips multiplied the gradients by, as far as it is one
            number: `clipped_norm / global_norm`, in (0, 1] for clips; 1 is untouched.
        clipped: bool [n], whether any clip changed anything.
        applied: bool [n], whether the optimizer applied the step; False is a skipped step.
        norms: float32 [n, v], L2 norm of each variable's aggregated gradient, before any clip.
        statistics: Of the sampled steps among these; possibly of none.
    """

    step: Ints
    epoch: Ints
    seconds: NDArray[np.float64]
    loss: Floats
    global_norm: Floats
    clipped_norm: Floats
    clip_scale: Floats
    clipped: Bools
    applied: Bools
    norms: Floats
    statistics: StatisticsBatch

    def __len__(self) -> int:
        return len(self.step)
