"""Whether the policy is the one that was pinned: that somebody reviewed, and no other."""

from gradgate.contracts import IntegrityCheck


def check_pin(digest: str, pinned: str | None) -> tuple[IntegrityCheck, ...]:
    """Returns the check; nothing where nothing was pinned.

    Args:
        digest: Of the policy that judges, see `policy_digest`.
        pinned: What it must be; None for any.
    """
    if pinned is None:
        return ()
    if digest == pinned:
        return (IntegrityCheck(code="P-PIN", status="pass"),)
    message = (
        f"the policy has digest {digest}, and {pinned or 'an empty one'} is pinned; review what"
        " changed, then pin the new digest"
    )
    return (IntegrityCheck(code="P-PIN", status="fail", message=message),)
