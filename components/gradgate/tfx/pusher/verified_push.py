"""Pushes a model if, and only if, the bytes that were copied are the bytes that were judged.

The order is the point. The model is copied to a place that only this push writes to; the copy is
digested, not the source; the copy is compared with the verdict file by file; then it appears
under its version by one rename. So whatever happens to the source, before or during the copy,
what is served is what the verdict names. What happens to the serving folder later is the business
of its permissions.

Once the model is served, nothing raises any more: an error would say that it was not pushed. What
fails after that is logged, and is a remark at the end of the reason.

Nothing here knows TFX.
"""

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from gradgate.contracts import Verdict
from gradgate.tfx.pusher.checks import (
    Blessing,
    RefusedError,
    read_verdict,
    require_blessed,
    require_same,
    require_signed,
)
from gradgate.tfx.pusher.model_copy import copy_model
from gradgate.tfx.pusher.serving_folder import ServingFolder

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PushRecord:
    """What a push did. Not pushing is an answer, with its reason."""

    pushed: bool
    reason: str
    version: int | None = None
    destination: str | None = None
    model_digest: str | None = None
    verdict_id: str | None = None
    differing_files: tuple[str, ...] = ()


def push(
    model: str | os.PathLike[str],
    *,
    blessings: Sequence[Blessing],
    verdict_dir: str | os.PathLike[str],
    base_directory: str | os.PathLike[str],
    public_keys: Sequence[str] = (),
    now: float | None = None,
) -> PushRecord:
    """Copies, compares, and only then publishes.

    Args:
        model: The SavedModel directory.
        blessings: Exactly one, of the gate, or nothing is pushed.
        verdict_dir: Holds `verdict.json`.
        base_directory: What the model server watches; made if it is missing.
        public_keys: PEM text of each key that may sign verdicts; one of them must have signed this
            one. Empty: signatures are not asked for.
        now: Seconds since 1970, for the version; None asks the clock.

    Returns:
        What was done and why. The serving folder changed only if `pushed`.

    Raises:
        OSError: If the history of pushes could not be opened, or the copy not be written or
            published. Nothing new is served then.
    """
    folder = ServingFolder(base_directory)
    folder.sweep()
    verdict: Verdict | None = None
    try:
        verdict = read_verdict(verdict_dir)
        require_signed(verdict, verdict_dir, public_keys)
        require_blessed(blessings, verdict)
        with folder.incoming() as staging:
            copy = copy_model(Path(model), staging)
            require_same(verdict, copy)
            folder.open_history()
            version = folder.publish(staging, now=time.time() if now is None else now)
    except RefusedError as refusal:
        return refused(refusal, verdict)
    record = PushRecord(
        pushed=True,
        reason=f"pushed as version {version}: {verdict.headline}",
        version=version,
        destination=str(folder.base / str(version)),
        model_digest=copy.digest,
        verdict_id=verdict.verdict_id,
    )
    record = follow_up(record, "a power cut may undo the push", folder.settle)
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    entry = {"at": at, **dataclasses.asdict(record)}
    return follow_up(record, "the push is not in the history", lambda: folder.remember(entry))


def refused(refusal: RefusedError, verdict: Verdict | None) -> PushRecord:
    """What is to be said of a push that was refused; the verdict is None if there is none."""
    return PushRecord(
        pushed=False,
        reason=f"not pushed: {refusal}",
        model_digest=verdict.subject.model_digest if verdict else None,
        verdict_id=verdict.verdict_id if verdict else None,
        differing_files=refusal.differing_files,
    )


def follow_up(record: PushRecord, otherwise: str, action: Callable[[], object]) -> PushRecord:
    """Does what follows once the model is served, where it is too late to raise.

    Args:
        record: Of the push.
        otherwise: What is the case if the action fails; goes into the remark.
        action: What to do.

    Returns:
        The record; if the action failed, with a remark at the end of its reason.
    """
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever it is, the model is served
        _log.exception("gradgate: %s", otherwise)
        return dataclasses.replace(record, reason=f"{record.reason}; {otherwise}: {error}")
    return record
