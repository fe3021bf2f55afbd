"""What must hold before a model is pushed: one blessing, of a verdict that says yes.

What the verdict itself must say, and the comparison of bytes, are those of `gradgate verify`.
Nothing here knows TFX.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from gradgate.contracts import Verdict
from gradgate.gate.read_verdict import VERDICT, VerdictError
from gradgate.gate.read_verdict import read_verdict as read_file
from gradgate.gate.verify import RefusedError as RefusedError
from gradgate.gate.verify import require_blessed as require_yes
from gradgate.gate.verify import require_grounds
from gradgate.gate.verify import require_same as require_same
from gradgate.signing import SigningError, read_envelope, verify_verdict


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
    try:
        return read_file(Path(directory) / VERDICT)
    except VerdictError as error:
        reason = "there is no verdict to go by: " if error.kind == "missing" else ""
        raise RefusedError(f"{reason}{error}") from error


def require_blessed(blessings: Sequence[Blessing], verdict: Verdict) -> None:
    """Raises `RefusedError` unless the one blessing and the whole verdict say yes, of one model."""
    if len(blessings) != 1:
        raise RefusedError(
            f"exactly one blessing is needed, the gate's; got {len(blessings)}. A gate that was"
            " skipped has blessed nothing."
        )
    (blessing,) = blessings
    if blessing.blessed != 1:
        raise RefusedError(f"the gate did not bless this model. {verdict.headline}")
    require_yes(verdict)
    if blessing.verdict_id != verdict.verdict_id:
        raise RefusedError(
            f"the blessing belongs to verdict {blessing.verdict_id}, not to {verdict.verdict_id}."
        )
    require_grounds(verdict)


def require_signed(
    verdict: Verdict, directory: str | os.PathLike[str], public_keys: Sequence[str]
) -> None:
    """Raises `RefusedError` unless a trusted key signed the verdict; no key trusts everybody."""
    if not public_keys:
        return
    try:
        verify_verdict(verdict, read_envelope(directory), public_keys)
    except SigningError as error:
        raise RefusedError(f"the verdict's signature does not hold: {error}") from error
