"""What must hold before a model is pushed, and of the copy before it is published.

Each check raises `RefusedError` with the reason that people read. Nothing here knows TFX.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from gradgate.contracts import Verdict, parse_json
from gradgate.contracts.health import BoundModel, FileDigest
from gradgate.contracts.tree import tree_digest
from gradgate.contracts.verdict import SCHEMA

VERDICT = "verdict.json"
_LISTED = 5  # files named in a message


class RefusedError(Exception):
    """A push that must not happen; the message is the reason that people read."""

    def __init__(self, reason: str, differing_files: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.differing_files = differing_files


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blessing:
    """What a blessing artifact says.

    Attributes:
        blessed: Its int property; None where nobody wrote one.
        verdict_id: The verdict that it was given for; None where nobody wrote one.
    """

    blessed: int | None
    verdict_id: str | None


def read_verdict(directory: str | os.PathLike[str]) -> Verdict:
    """Reads a verdict that was not edited since it was given.

    Raises:
        RefusedError: If it is missing, cannot be read, is of another schema, or its id does not fit
            its content.
    """
    path = Path(directory) / VERDICT
    try:
        data = path.read_bytes()
        parse_json(data)
        verdict = Verdict.model_validate_json(data)
    except OSError as error:
        raise RefusedError(f"there is no verdict to go by: {path}: {error.strerror}.") from error
    except ValueError as error:
        raise RefusedError(f"{path} is no verdict: {error}") from error
    if verdict.schema_id != SCHEMA:
        raise RefusedError(
            f"the verdict is of schema {verdict.schema_id}; this pusher reads {SCHEMA}."
        )
    if verdict.verdict_id != verdict.computed_id():
        raise RefusedError(
            f"the verdict was changed after it was given: it says {verdict.verdict_id}, its content"
            f" has {verdict.computed_id()}."
        )
    return verdict


def require_blessed(blessings: Sequence[Blessing], verdict: Verdict) -> None:
    """Raises `RefusedError` unless the one blessing and the whole verdict say yes, of one model."""
    if len(blessings) != 1:
        raise RefusedError(
            f"exactly one blessing is needed, the gate's; got {len(blessings)}. A gate that was"
            " skipped has blessed nothing."
        )
    (blessing,) = blessings
    if blessing.blessed != 1 or not verdict.blessed or verdict.decision == "block":
        raise RefusedError(f"the gate did not bless this model. {verdict.headline}")
    if blessing.verdict_id != verdict.verdict_id:
        raise RefusedError(
            f"the blessing belongs to verdict {blessing.verdict_id}, not to {verdict.verdict_id}."
        )
    if not verdict.subject.model_digest:
        raise RefusedError("the verdict names no model.")
    if tree_digest(verdict.subject.model_files) != verdict.subject.model_digest:
        raise RefusedError("the verdict's list of files does not have the digest that it names.")
    _require_grounds(verdict)


def _require_grounds(verdict: Verdict) -> None:
    """Raises `RefusedError` unless all that the verdict rests on says yes as well.

    The gate gives no such verdict. But an id is no signature: who writes a verdict can seal it.
    A policy in shadow blocks nothing, and calls no model healthy.
    """
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


def require_same(verdict: Verdict, copy: BoundModel) -> None:
    """Raises `RefusedError` unless the copied bytes are those that were judged."""
    if copy.digest == verdict.subject.model_digest:
        return
    differing = _differing(verdict.subject.model_files, copy.files)
    listed = ", ".join(differing[:_LISTED])
    more = f" and {len(differing) - _LISTED} more" if len(differing) > _LISTED else ""
    raise RefusedError(
        f"these bytes are not those that were judged: {listed}{more}. The verdict is about"
        f" {verdict.subject.model_digest}, the copy is {copy.digest}.",
        differing,
    )


def _differing(judged: tuple[FileDigest, ...], copied: tuple[FileDigest, ...]) -> tuple[str, ...]:
    before = {file.path: (file.size, file.sha256) for file in judged}
    after = {file.path: (file.size, file.sha256) for file in copied}
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
