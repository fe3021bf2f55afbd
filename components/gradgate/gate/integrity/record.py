"""Whether the record is of a training that ran, was measured, and came to its end."""

from gradgate.contracts import IntegrityCheck, Manifest


def check_manifest(manifest: Manifest) -> tuple[IntegrityCheck, ...]:
    """Returns what the manifest alone says about the training."""
    return (
        _check(
            "T-NOT-INSTRUMENTED",
            manifest.instrumented,
            "the training code never called gradgate.instrument, so nothing was measured; call"
            " `gradgate.instrument(model, fn_args)` before `model.fit`",
        ),
        _check(
            "T-TRAINER-FAILED",
            manifest.status != "failed",
            f"the training raised an error: {manifest.status_message or 'no message was kept'}",
        ),
        _check(
            "T-STOPPED",
            manifest.status != "stopped",
            "the guard stopped the training: "
            + (manifest.status_message or "a step was not finite and on_nonfinite is stop"),
        ),
    )


def _check(code: str, is_good: bool, message: str) -> IntegrityCheck:  # noqa: FBT001
    if is_good:
        return IntegrityCheck(code=code, status="pass")
    return IntegrityCheck(code=code, status="fail", message=message)
