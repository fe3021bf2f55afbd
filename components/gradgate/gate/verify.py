"""Whether a verdict says yes, and of these very bytes: what the Pusher asks before it pushes.

Each check raises `RefusedError` with the reason that people read. An id is no signature: who
writes a verdict can seal it, so all that it rests on must say yes as well.
"""

import os

from gradgate.contracts import TreeError, Verdict, bind_tree
from gradgate.contracts.health import BoundModel, FileDigest
from gradgate.contracts.tree import tree_digest

_LISTED = 5  # files named in a message


class RefusedError(Exception):
    """A model that must not be pushed; the message is the reason that people read.

    Attributes:
        differing_files: Files that are not those that were judged, each with how.
    """

    def __init__(self, reason: str, differing_files: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.differing_files = differing_files


def verify_model(model: str | os.PathLike[str], verdict: Verdict) -> BoundModel:
    """Returns the digest of a model that a verdict blessed, and of every file in it.

    Args:
        model: The SavedModel directory; read, never written.
        verdict: From `read_verdict`, so that its id fits its content.

    Raises:
        RefusedError: If the verdict does not bless a model, or these bytes are not its model's.
    """
    require_blessed(verdict)
    require_grounds(verdict)
    try:
        found = bind_tree(model)
    except TreeError as error:
        raise RefusedError(f"the model cannot be named by its files: {error}") from error
    except OSError as error:
        place = error.filename or os.fspath(model)
        raise RefusedError(f"the model cannot be read: {place}: {error.strerror}.") from error
    require_same(verdict, found)
    return found


def require_blessed(verdict: Verdict) -> None:
    """Raises `RefusedError` unless the verdict says yes."""
    if not verdict.blessed or verdict.decision == "block":
        raise RefusedError(f"the gate did not bless this model. {verdict.headline}")


def require_grounds(verdict: Verdict) -> None:
    """Raises `RefusedError` unless a blessed verdict names a model, and rests on what says yes.

    The gate gives no other verdict. But an id is no signature: who writes a verdict can seal it.
    A policy in shadow blocks nothing, and calls no model healthy.
    """
    if not verdict.subject.model_digest:
        raise RefusedError("the verdict names no model.")
    if tree_digest(verdict.subject.model_files) != verdict.subject.model_digest:
        raise RefusedError("the verdict's list of files does not have the digest that it names.")
    is_enforced = verdict.mode != "shadow"
    if is_enforced and not verdict.healthy:
        raise RefusedError(f"the verdict does not call this model healthy. {verdict.headline}")
    if not verdict.findings:
        raise RefusedError("the verdict has no finding, so nothing about this model was proven.")
    for finding in verdict.findings:
        if is_enforced and finding.level == "block":
            raise RefusedError(f"the verdict's rule {finding.id} blocks: {finding.message}")
    for check in verdict.integrity:
        if check.status == "fail":
            raise RefusedError(f"the verdict's check {check.code} failed: {check.message}")
    for other in verdict.others:
        if not other.blessed:
            raise RefusedError(f"{other.source} did not bless this model. {other.message}".rstrip())
        if not other.same_model:
            raise RefusedError(f"{other.source} blessed another model. {other.message}".rstrip())


def require_same(verdict: Verdict, found: BoundModel) -> None:
    """Raises `RefusedError` unless the bytes that were found are those that were judged."""
    if found.digest == verdict.subject.model_digest:
        return
    differing = _differing(verdict.subject.model_files, found.files)
    listed = ", ".join(differing[:_LISTED])
    more = f" and {len(differing) - _LISTED} more" if len(differing) > _LISTED else ""
    raise RefusedError(
        f"these bytes are not those that were judged: {listed}{more}. The verdict is about"
        f" {verdict.subject.model_digest}, these are {found.digest}.",
        differing,
    )


def _differing(judged: tuple[FileDigest, ...], found: tuple[FileDigest, ...]) -> tuple[str, ...]:
    before = {file.path: (file.size, file.sha256) for file in judged}
    after = {file.path: (file.size, file.sha256) for file in found}
    return tuple(
        f"{path} ({_change(path, before, after)})"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    )


def _change(
    path: str, before: dict[str, tuple[int, str]], after: dict[str, tuple[int, str]]
) -> str:
    if path not in before:
        return "added"
    return "changed" if path in after else "missing"
