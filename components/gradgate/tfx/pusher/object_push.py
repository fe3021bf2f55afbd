"""Pushes a model to an object store if, and only if, the bytes there are those that were judged.

The order is the point, as it is on a file system. The model is copied to a private place and the
copy is compared with the verdict; the copy is uploaded under its own digest, which no server looks
at; every byte is read back and compared again; then one small object, the pointer, is written over
the one that was there when the push began. If somebody else pushed meanwhile, it is not.

So a push that is killed anywhere leaves what was in force in force. Once the pointer is written,
nothing raises any more: an error would say that the model was not pushed.

Nothing here knows TFX.
"""

import dataclasses
import os
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from gradgate.contracts import Verdict
from gradgate.contracts.health import BoundModel
from gradgate.tfx.pusher.checks import (
    Blessing,
    RefusedError,
    read_verdict,
    require_blessed,
    require_same,
    require_signed,
)
from gradgate.tfx.pusher.model_copy import copy_model
from gradgate.tfx.pusher.object_store import Found, ObjectStore
from gradgate.tfx.pusher.pointer import Pointer, prefix_of, read_pointer
from gradgate.tfx.pusher.serving_prefix import ServingPrefix
from gradgate.tfx.pusher.verified_push import PushRecord, follow_up, refused


def push_to_store(
    model: str | os.PathLike[str],
    *,
    blessings: Sequence[Blessing],
    verdict_dir: str | os.PathLike[str],
    store: ObjectStore,
    numeric_versions: bool = False,
    public_keys: Sequence[str] = (),
    now: float | None = None,
) -> PushRecord:
    """Uploads, reads back, compares, and only then points at it.

    Args:
        model: The SavedModel directory.
        blessings: Exactly one, of the gate, or nothing is pushed.
        verdict_dir: Holds `verdict.json`.
        store: Where models are served from, see `open_store`.
        numeric_versions: Also copy it to `<version>/`, where TensorFlow Serving looks.
        public_keys: PEM text of each key that may sign verdicts; one of them must have signed this
            one. Empty: signatures are not asked for.
        now: Seconds since 1970, for the version; None asks the clock.

    Returns:
        What was done and why. Another model is in force only if `pushed`.

    Raises:
        OSError: If the store does not answer, or refuses. The same model is in force then, unless
            the store wrote the pointer and its answer was lost.
    """
    began = time.time() if now is None else now
    verdict: Verdict | None = None
    try:
        verdict = read_verdict(verdict_dir)
        require_signed(verdict, verdict_dir, public_keys)
        require_blessed(blessings, verdict)
        before, found = read_pointer(store)
        with tempfile.TemporaryDirectory(prefix="gradgate-push-") as private:
            staging = Path(private, "model")
            copy = copy_model(Path(model), staging)
            require_same(verdict, copy)
            require_same(verdict, ServingPrefix(store).bring(staging, copy))
        push = _Push(store, verdict, copy, before, found, began)
        return push.publish(numeric_versions=numeric_versions)
    except RefusedError as refusal:
        return refused(refusal, verdict)


@dataclasses.dataclass(frozen=True)
class _Push:
    """A model that lies in the store, verified, and what was in force when its push began."""

    store: ObjectStore
    verdict: Verdict
    copy: BoundModel
    before: Pointer | None
    found: Found | None
    began: float

    def publish(self, *, numeric_versions: bool) -> PushRecord:
        """Puts it in force; returns what came of it."""
        prefix, folder, url = ServingPrefix(self.store), prefix_of(self.copy.digest), self.store.url
        in_force = self.before.version if self.before else -1
        if numeric_versions:
            prefix.sweep(in_force, now=self.began)
        entry = {
            "began": self.began,
            "model_digest": self.copy.digest,
            "verdict_id": self.verdict.verdict_id,
        }
        version, claimed = prefix.claim(max(int(self.began), in_force + 1), entry)
        try:
            if numeric_versions:
                prefix.number(folder, version, self.copy)
            self._point(version, folder)
        except BaseException:
            prefix.withdraw(version)
            raise
        record = PushRecord(
            pushed=True,
            reason=f"pushed as version {version}: {self.verdict.headline}",
            version=version,
            destination=f"{url}/{folder}",
            model_digest=self.copy.digest,
            verdict_id=self.verdict.verdict_id,
        )
        if numeric_versions:
            record = follow_up(
                record,
                f"a server of numbered versions does not see it: {url}/{version} is not whole",
                lambda: prefix.complete(folder, version, self.copy),
            )
        line = {"at": _now(), **dataclasses.asdict(record)}
        return follow_up(
            record,
            "the push is not in the history",
            lambda: prefix.remember(version, line, claimed),
        )

    def _point(self, version: int, folder: str) -> None:
        pointer = Pointer(
            version=version,
            model_digest=self.copy.digest,
            prefix=folder,
            previous_prefix=self.before.prefix if self.before else None,
            verdict_id=self.verdict.verdict_id,
            pushed_at=_now(),
        )
        if not ServingPrefix(self.store).point(pointer, self.found):
            now, _ = read_pointer(self.store)
            served = f"version {now.version} is" if now else "nothing is"
            raise RefusedError(
                f"the pointer was changed during this push, and {served} in force now. Run the"
                " Pusher again to put this model over it."
            )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
