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
        weight_norm: float32 [m, v], L2 norm of each variable before the step.
        update_ratio: float32 [m, v], L2 norm of what the optimizer added to each variable over
            `weight_norm`; NaN where the step was not applied or the norm is 0. Decoupled weight
            decay and constraints are not in it.
        adam_rms: float32 [m, v], sqrt(mean(g^2 / max(v, epsilon^2))) of each variable's gradient as
            the optimizer got it, v being its second moment after the step, without its bias; NaN
            where the step was not applied. None of an optimizer unlike Adam.
        data_norm, data_mean_abs, data_max_abs, data_zero_fraction: float32 [m, v], as `norms` and
            the fields above, of the data-loss gradient: the gradient less that of the weight
            regularisers. None when it is the same, or not known (`ModelCard.data_loss_gradient`).
        cosine: float32 [m, v], cosine between the gradient of this step and that of the step
            before, estimated from a sketch (standard error about 0.2); NaN where it was not
            measured.
        global_cosine: float32 [m], the same over all variables.
    """

    step: Ints
    mean_abs: Floats
    max_abs: Floats
    zero_fraction: Floats
    nonfinite: Ints
    histogram: Ints | None = None
    weight_norm: Floats | None = None
    update_ratio: Floats | None = None
    adam_rms: Floats | None = None
    data_norm: Floats | None = None
    data_mean_abs: Floats | None = None
    data_max_abs: Floats | None = None
    data_zero_fraction: Floats | None = None
    cosine: Floats | None = None
    global_cosine: Floats | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActivationBatch:
    """Health of a layers' activations, from p forward passes beside the training.

    Layers stand in the order of `ModelCard.activations`. Each pass is on examples of a recent
    training batch, in inference mode.

    Attributes:
        step: int64 [p], the step after which the pass was made, rising.
        zero_fraction: float32 [p, a] in [0, 1], outputs that are exactly 0.
        dead_fraction: float32 [p, a], units (last axis) whose output was 0 on all examples of the
            last 8 passes; NaN before there were 8, and for activations that have no zero side.
        saturated_fraction: float32 [p, a], outputs of a sigmoid with |z| > 5 and of a tanh with
            |z| > 3, z being what goes into it; NaN for other activations, and for what the
            model itself gives out, where it is confidence.
        spread: float32 [p, a], standard deviation of all outputs; inf where one is not finite.
            None in a record from before it was measured.
    """

    step: Ints
    zero_fraction: Floats
    dead_fraction: Floats
    saturated_fraction: Floats
    spread: Floats | None = None


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
        clipped_norm: float32 [n], the same after the last clip or normaliser.
        clip_scale: float32 [n], what the clips multiplied the gradients by, as far as it is one
            number: norm after over norm before, in (0, 1]; 1 is untouched. Normalisers are not in
            it, so with clips alone it is `clipped_norm / global_norm`.
        clipped: bool [n], whether any clip changed anything; normalisers do not count.
        applied: bool [n], whether the optimizer applied the step; False is a skipped step.
        norms: float32 [n, v], L2 norm of each variable's aggregated gradient, before any clip.
        statistics: Of the sampled steps among these; possibly of none.
        stage_norms: float32 [n, t], global norm after each of t transforms of a chain; None when
            there are fewer than 2.
        stage_fired: bool [n, t], whether each of them changed anything.
        replica_loss: float32 [n, r], the loss of each of r replicas times r: `loss` is the mean;
            None with one replica.
        replica_norm: float32 [n, r], the L2 norm of each replica's own gradients over all
            variables, before they were summed over replicas, times r: `global_norm` is that of
            their mean. NaN where one is not finite. None with one replica, and in a record before
            version 1.2.
        loss_scale: float32 [n], what the loss was multiplied by; None without loss scaling.
        loss_scale_skips: int64 [n], steps since the row before that a loss-scale optimizer left
            out since its scale was too great; None without one. They are no steps here.
        activations: Of forward passes made after one of these steps; None when there were none.
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
    stage_norms: Floats | None = None
    stage_fired: Bools | None = None
    replica_loss: Floats | None = None
    replica_norm: Floats | None = None
    loss_scale: Floats | None = None
    loss_scale_skips: Ints | None = None
    activations: ActivationBatch | None = None

    def __len__(self) -> int:
        return len(self.step)
