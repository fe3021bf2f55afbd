"""What the clocks say: how old training and policy are, and whether time ran backwards.

Steps are ordered by their numbers, never by a clock, so a wrong clock spoils no rule. But how old
a record is, and whether a waiver has ended, can then not be known.
"""

from datetime import datetime

from gradgate.contracts import IntegrityCheck, Manifest
from gradgate.contracts.policy import Metadata, Staleness
from gradgate.contracts.times import duration, instant


def check_clock(staleness: Staleness, manifest: Manifest, as_of: str) -> tuple[IntegrityCheck, ...]:
    """Returns what is wrong with the times, and the age if the policy asks for it.

    Args:
        staleness: Of the policy.
        manifest: Says when the training began and ended.
        as_of: RFC 3339 time of the judgement.
    """
    checks = []
    wrong = _wrong(staleness, manifest, as_of)
    if wrong:
        message = f"{wrong}; set the clocks right: until then no waiver counts"
        checks.append(IntegrityCheck(code="T-CLOCK", status="warn", message=message))
    if staleness.max_age_after_export is not None:
        checks.append(_age(staleness.max_age_after_export, manifest, as_of, wrong))
    return tuple(checks)


def check_review(metadata: Metadata, as_of: str) -> tuple[IntegrityCheck, ...]:
    """Returns a warning once the policy should have been looked at again."""
    due = metadata.review_by
    if due is None or _is_before(as_of, due):
        return ()
    message = (
        f"policy {metadata.id} was to be reviewed by {due}; look at its limits again, then raise"
        " revision and review_by"
    )
    return (IntegrityCheck(code="W-POLICY-REVIEW", status="warn", message=message),)


def _is_before(as_of: str, due: str) -> bool:
    try:
        return instant(as_of) < instant(due)
    except ValueError:
        return False


def is_set_back(staleness: Staleness, manifest: Manifest, as_of: str) -> bool:
    """Whether a clock cannot be trusted to say that a waiver is still in force."""
    return bool(_wrong(staleness, manifest, as_of))


def _wrong(staleness: Staleness, manifest: Manifest, as_of: str) -> str:
    skew = staleness.max_clock_skew
    try:
        now, began, ended = instant(as_of), *_times(manifest)
    except ValueError as error:
        return f"a time cannot be read: it {error}"
    if ended - now > duration(skew):
        return (
            f"the training ended at {manifest.finished_at}, more than {skew} after the time of this"
            " judgement"
        )
    if began - ended > duration(skew):
        return f"the training began at {manifest.started_at} and ended at {manifest.finished_at}"
    return ""


def _age(most: str, manifest: Manifest, as_of: str, wrong: str) -> IntegrityCheck:
    """By a clock that was set back every training is young, so its age is then not known."""
    if wrong:
        message = f"the age of the training is not known: {wrong}"
        return IntegrityCheck(code="T-STALE", status="fail", message=message)
    _, ended = _times(manifest)
    if instant(as_of) - ended <= duration(most):
        return IntegrityCheck(code="T-STALE", status="pass")
    message = (
        f"the training ended at {manifest.finished_at}, more than {most} before this judgement;"
        " train again, or judge it by a policy that allows more"
    )
    return IntegrityCheck(code="T-STALE", status="fail", message=message)


def _times(manifest: Manifest) -> tuple[datetime, datetime]:
    return instant(manifest.started_at), instant(manifest.finished_at)
