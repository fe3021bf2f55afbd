"""The published rules of AUTOTRAINER (ICSE 2021; TDSC 2024), as its repository has them.

Limits and order are its defaults, and so is what it waits for: gradients count only where the
accuracy says that the training fails, and outputs are looked at from half of the epochs on. It is
made for classifiers: it has no answer for anything else.
"""

from collections.abc import Sequence

import numpy as np
from _seen import Seen, Snapshot

_BETA_1, _BETA_2, _BETA_3 = 1e-3, 1e-4, 70.0  # vanishing: ratio, first norm; exploding: ratio
_GAMMA = 0.7  # zeros among all gradients
_ZETA, _ETA = 0.03, 0.2  # swings of the accuracy, and the epochs that have them
_DELTA, _THETA = 0.01, 0.7  # slow: best rise of the accuracy; not converged: best accuracy
_OMEGA_1, _OMEGA_2 = 10.0, 1.0  # mean output of a hidden layer; sum of the outputs
_LARGE_LOSS = 1e3
_JUDGED_FROM, _OUTPUTS_FROM = 0.3, 0.5  # of the epochs


def autotrainer(seen: Seen, *, epochs: int) -> tuple[str, ...] | None:
    """Returns what it finds, none for nothing; None of what is no classifier.

    Args:
        seen: Of the training.
        epochs: That it was to take.
    """
    if "accuracy" not in seen.history:
        return None
    features = set(_of_the_loss(seen))
    for check in seen.checks:
        done = check.epoch
        features |= _of_gradients(check) | _of_weights(check)
        if done >= _OUTPUTS_FROM * epochs or features & {"nan loss", "slow"}:
            looked = True
            features |= _of_outputs(check)
        else:
            looked = False
        features |= _of_history(seen, done, epochs)
        if issues := _issues(features, looked=looked):
            return issues
    return ()


def _of_the_loss(seen: Seen) -> set[str]:
    name, last = seen.loss_name, seen.last_activation
    if name is None:
        return set()
    is_binary = seen.checks[0].outputs[-1].shape[-1] == 1
    if not ("binary" in name if is_binary else "categorical" in name):
        return {"improper loss"}
    fits = {"sigmoid"} if is_binary else {"softmax"}
    return set() if last in fits else {"improper output"}


def _of_gradients(check: Snapshot) -> set[str]:
    if any(not np.isfinite(each).all() for each in check.gradients):
        return {"nan gradient"}
    kernels = [np.linalg.norm(each) for each in check.gradients if each.ndim > 1]
    found = set()
    if len(kernels) > 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = kernels[0] / kernels[-1]
        if ratio < _BETA_1 and kernels[0] < _BETA_2:
            found.add("vanish")
        if ratio > _BETA_3:
            found.add("explode")
    zeros = sum((each == 0).sum() for each in check.gradients)
    if zeros / sum(each.size for each in check.gradients) >= _GAMMA:
        found.add("dying")
    return found


def _of_weights(check: Snapshot) -> set[str]:
    return set() if all(np.isfinite(each).all() for each in check.weights) else {"nan weight"}


def _of_outputs(check: Snapshot) -> set[str]:
    *hidden, last = check.outputs
    sums = np.abs(last).reshape(len(last), -1).sum(1) if last.ndim < 3 else np.abs(last).sum(-1)
    if np.isnan(sums).any() or sums.max() > _OMEGA_2 + 0.1:
        return {"improper output"}
    return {"abnormal data"} if any(np.abs(each).mean() >= _OMEGA_1 for each in hidden) else set()


def _of_history(seen: Seen, done: int, epochs: int) -> set[str]:
    losses = [*seen.history["loss"][:done], *seen.history["held_loss"][:done]]
    if not np.isfinite(losses).all() or max(losses) >= _LARGE_LOSS:
        return {"nan loss"}
    found = {"negative loss"} if min(losses) < 0 else set()
    if done < _JUDGED_FROM * epochs:
        return found
    train, held = seen.history["accuracy"][:done], seen.history["held_accuracy"][:done]
    if _swings(train):
        found.add("unstable")
    if max(train) < _THETA and max(held) < _THETA:
        found.add("not converged")
    if _best_rise(train) < _DELTA and _best_rise(held) < _DELTA:
        found.add("slow")
    return found


def _best_rise(accuracy: Sequence[float]) -> float:
    return max([0.0, *np.diff(accuracy)])


def _swings(accuracy: Sequence[float]) -> bool:
    inner = range(1, len(accuracy) - 1)
    at = np.asarray(accuracy)
    tops = [at[i] for i in inner if at[i] >= at[i - 1] and at[i] >= at[i + 1]]
    bottoms = [at[i] for i in inner if at[i] <= at[i - 1] and at[i] <= at[i + 1]]
    count = sum(top - bottom >= _ZETA for top, bottom in zip(tops, bottoms, strict=False))
    return count >= _ETA * len(at)


def _issues(features: set[str], *, looked: bool) -> tuple[str, ...]:
    is_spoilt = bool(features & {"nan weight", "nan gradient"})
    if not looked:
        return ("explode",) if "nan loss" in features and is_spoilt else ()
    issues = []
    if "abnormal data" in features:
        issues.append("abnormal data")
    if "negative loss" in features:
        issues.append("improper loss")
    elif "nan loss" in features and is_spoilt:
        issues.append("explode")
    if features & {"not converged", "slow"}:
        for feature in ("improper output", "dying", "explode", "vanish"):
            if feature in features:
                issues.append(feature)
                break
        else:
            if {"not converged", "slow"} <= features and "abnormal data" not in features:
                issues.append("not converged")
    if "unstable" in features:
        issues.append("improper output" if "improper output" in features else "unstable")
    if "improper loss" in features and "improper output" not in features:
        issues.append("improper loss")
    return tuple(dict.fromkeys(issues))
