"""Whether the record is of a training that ran, was measured, and came to its end."""

import re

from gradgate.contracts import IntegrityCheck, Manifest
from gradgate.contracts.health import SCHEMA_VERSION


def check_manifest(manifest: Manifest) -> tuple[IntegrityCheck, ...]:
    """Returns what the manifest alone says about the training."""
    return (
        *_version(manifest.schema_version),
        _check(
            "T-NOT-INSTRUMENTED",
            manifest.instrumented,
            "the training code never called gradgate.instrument, so nothing was measured; call"
            " `gradgate.instrument(model, fn_args)` before `model.fit`",
        ),
        _check(
            "T-TRAINER-FAILED",
            manifest.status != "failed",
            f"the training failed: {manifest.status_message or 'no message was kept'}",
        ),
        _check(
            "T-STOPPED",
            manifest.status != "stopped",
            "the guard stopped the training: "
            + (manifest.status_message or "a step was not finite and on_nonfinite is stop"),
        ),
    )


def _version(written: str) -> tuple[IntegrityCheck, ...]:
    """What is to be said of the record's version; nothing of one that this gradgate knows."""
    match = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", written)
    known_major, known_minor = (int(part) for part in SCHEMA_VERSION.split("."))
    major, minor = (int(match[1]), int(match[2])) if match else (-1, 0)
    if major > known_major:
        message = f"the record is of version {written}; this gradgate reads up to {SCHEMA_VERSION}"
        return (IntegrityCheck(code="T-SCHEMA-NEW", status="fail", message=message),)
    if major < known_major:
        message = (
            f"the record is of version {written or 'none'}, which this gradgate, of version"
            f" {SCHEMA_VERSION}, cannot read any more; train again"
        )
        return (IntegrityCheck(code="T-SCHEMA-OLD", status="fail", message=message),)
    if minor > known_minor:
        message = (
            f"the record is of version {written} and this gradgate of {SCHEMA_VERSION}: what is new"
            " in it was not looked at; bring the gate up to date"
        )
        return (IntegrityCheck(code="T-SCHEMA-MINOR", status="warn", message=message),)
    return ()


def _check(code: str, is_good: bool, message: str) -> IntegrityCheck:  # noqa: FBT001
    if is_good:
        return IntegrityCheck(code=code, status="pass")
    return IntegrityCheck(code=code, status="fail", message=message)
