"""The built-in rules of SageMaker Debugger on tensors, by their documented defaults.

Those on validation data and on the balance of classes (Overfit, Overtraining, ClassImbalance,
Confusion) are no rules on the health of a training and are left out. The code of the rules is not
public; where the documents leave a choice, it is said here and the milder one is taken.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from _seen import Seen, Snapshot

_VANISHING = 1e-7  # mean |g|
_INACTIVE, _OF_LAYER = 0.01, 0.5  # a unit is dead below, of a layer above
_TANH, _SIGMOID = (-9.4999, 9.4999), (-23.0, 16.99999)
_VARIANCES, _RANGE, _FIRST, _PATIENCE = 10.0, 0.001, 10, 5
_LARGE, _SMALL, _EPSILON = 10.0, 1e-8, 1e-9
_STEPS, _RTOL, _ATOL = 3, 1e-5, 1e-8
_LOSS_STEPS = 10


def debugger(seen: Seen, *, save_every: int) -> tuple[str, ...]:
    """Returns the rules that fire at least once.

    Args:
        seen: Of the training.
        save_every: Steps between two that are saved; a multiple of those of the snapshots.
    """
    saved = [each for each in seen.snapshots if each.step % save_every == 0]
    rules = {
        "VanishingGradient": any(
            np.abs(g).mean() < _VANISHING for each in saved for g in each.gradients
        ),
        "ExplodingTensor": any(
            not np.isfinite(t).all()
            for each in saved
            for t in (*each.gradients, *each.weights, np.asarray(each.loss))
        ),
        "DeadRelu": any(_has_dead_relu(each) for each in saved),
        "SaturatedActivation": any(_is_saturated(each) for each in saved),
        "PoorWeightInitialization": _is_poorly_initialised(saved[:_FIRST]),
        "WeightUpdateRatio": any(_is_update_off(a, b) for a, b in itertools.pairwise(saved)),
        "AllZero": any((g == 0).all() for each in saved for g in each.gradients),
        "UnchangedTensor": _is_any_unchanged(saved),
        "LossNotDecreasing": _is_loss_flat(saved),
    }
    return tuple(name for name, fires in rules.items() if fires)


def _has_dead_relu(each: Snapshot) -> bool:
    return any(
        ((after > 0).mean(axis=0) < _INACTIVE).mean() > _OF_LAYER
        for name, _, after in each.activations
        if name == "relu"
    )


def _is_saturated(each: Snapshot) -> bool:
    bounds = {"tanh": _TANH, "sigmoid": _SIGMOID}
    for name, before, _ in each.activations:
        if name in bounds:
            low, high = bounds[name]
            is_active = (before > low) & (before < high)
            if (is_active.mean(axis=0) < _INACTIVE).mean() > _OF_LAYER:
                return True
    return False


def _is_poorly_initialised(first: Sequence[Snapshot]) -> bool:
    """Of the first ten steps saved; the range of kernels' gradients at the first of them.

    A bias of one unit has no range at all.
    """
    if not first:
        return False
    variances = [before.var() for name, before, _ in first[0].activations if name == "relu"]
    if len(variances) > 1 and max(variances) > _VARIANCES * min(variances):
        return True
    finite = [g for g in first[0].gradients if g.ndim > 1 and np.isfinite(g).all()]
    ranges = [np.subtract(*np.percentile(g, (95, 5))) for g in finite]
    if ranges and min(ranges) < _RANGE:
        return True
    best, waited = np.inf, 0
    for each in first:
        waited = 0 if each.loss < best else waited + 1
        best = min(best, each.loss)
        if waited >= _PATIENCE:
            return True
    return False


def _is_update_off(before: Snapshot, after: Snapshot) -> bool:
    """The ratio of means of magnitudes: of single entries a bias that was 0 would always fire."""
    for old, new in zip(before.weights, after.weights, strict=True):
        ratio = np.abs(new - old).mean() / (np.abs(old).mean() + _EPSILON)
        if not _SMALL <= ratio <= _LARGE and np.abs(old).any():
            return True
    return False


def _is_any_unchanged(saved: Sequence[Snapshot]) -> bool:
    """Of weights: a loss or a gradient that repeats is another rule's."""
    for start in range(len(saved) - _STEPS + 1):
        for tensors in zip(*(each.weights for each in saved[start : start + _STEPS]), strict=True):
            if all(np.allclose(tensors[0], t, _RTOL, _ATOL) for t in tensors[1:]):
                return True
    return False


def _is_loss_flat(saved: Sequence[Snapshot]) -> bool:
    """Each loss against the one saved at least ten steps before, at every ten steps."""
    last: Snapshot | None = None
    for each in saved:
        if last is None:
            last = each
        elif each.step - last.step >= _LOSS_STEPS:
            if not each.loss < last.loss:
                return True
            last = each
    return False
