"""Health of each replica: which worker gave the numbers that spoiled the sum.

A gradient that was summed over replicas does not say where a NaN came from. Each replica's own loss
and norm go along in the same sum.
"""

import numpy as np

from gradgate.gate.evidence import Evidence, Float32s, StepBatch
from gradgate.gate.signals.base import Samples, StepSignal, memoryless


def _unmeasured(evidence: Evidence) -> str:
    if evidence.card.replicas > 1:
        return ""
    return "the training ran on one replica; leave out this rule"


def _unmeasured_loss(evidence: Evidence) -> str:
    if evidence.card.replicas > 1 and not evidence.card.loss_measured:
        return (
            "the training loop never showed its loss; call `optimizer.scale_loss`, or"
            " `guard.observe_loss(loss)` in the step"
        )
    return _unmeasured(evidence)


def _checked(values: Float32s | None, evidence: Evidence) -> Float32s | None:
    replicas = evidence.card.replicas
    if values is not None and values.shape[1] != replicas:
        raise ValueError(
            f"The record has {replicas} replicas in model.json, and {values.shape[1]} in its steps."
        )
    return values


def _nonfinite(batch: StepBatch, evidence: Evidence) -> Samples:
    """A record before version 1.2 knows the losses alone."""
    loss = _checked(batch.replica_loss, evidence) if evidence.card.loss_measured else None
    known = [x for x in (loss, _checked(batch.replica_norm, evidence)) if x is not None]
    if not known:
        return Samples(step=batch.step[:0], value=np.empty((0, evidence.card.replicas)))
    is_bad = np.any([~np.isfinite(values) for values in known], axis=0)
    return Samples(step=batch.step, value=is_bad.astype(np.float64))


def _loss_ratio(batch: StepBatch, evidence: Evidence) -> Samples:
    """No sample where the others have no loss above 0: there is nothing to compare with."""
    replicas = evidence.card.replicas
    loss = _checked(batch.replica_loss, evidence)
    if loss is None:
        return Samples(step=batch.step[:0], value=np.empty((0, replicas)))
    own = np.asarray(loss[batch.applied], dtype=np.float64)
    others = np.empty_like(own)
    for column in range(replicas):
        rest = np.delete(own, column, axis=1)
        is_known = np.isfinite(rest).all(axis=1)
        others[:, column] = np.where(is_known, np.median(rest, axis=1), np.nan)
    is_known = others > 0  # NaN is not
    ratio = own / np.where(is_known, others, 1.0)
    return Samples(step=batch.step[batch.applied], value=ratio, measured=is_known)


REPLICA_NONFINITE = StepSignal(
    name="replica.nonfinite",
    noun="non-finite loss or gradient of a replica",
    unit="",
    what="1 where the replica's own loss or gradient, before the sum over replicas, is NaN or"
    " infinite, else 0; of all steps.",
    source="signals 1",
    level="replica",
    kind="indicator",
    reader=memoryless(_nonfinite),
    unmeasured=_unmeasured,
    remedy="a record of an older gradgate does not hold it",
)
REPLICA_LOSS_RATIO = StepSignal(
    name="replica.loss_ratio",
    noun="loss of a replica against the others",
    unit="times the others' loss",
    what="Loss of the replica's own batch over the median of the other replicas'; applied steps;"
    " none where the others have no loss above 0.",
    source="ours",
    level="replica",
    kind="measure",
    reader=memoryless(_loss_ratio),
    unmeasured=_unmeasured_loss,
    remedy="a record of an older gradgate does not hold it",
    has_gaps=True,
)
