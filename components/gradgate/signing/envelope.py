"""Signs a verdict and verifies one, in a DSSE envelope beside it.

Source of the format: DSSE v1, https://github.com/secure-systems-lab/dsse.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gradgate.contracts import Verdict, canonical_json, parse_json
from gradgate.contracts.plain import read_plain
from gradgate.signing.keys import SigningError, load_public_key
from gradgate.signing.statement import PAYLOAD_TYPE, statement_of

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

VERDICT_ENVELOPE: Final = "verdict.dsse.json"
_MOST_BYTES = 64 << 20


def sign_verdict(verdict: Verdict, signer: "Signer") -> bytes:
    """Returns the envelope of a verdict, to be written as `verdict.dsse.json` beside it.

    Blocking verdicts are signed too: an audit asks for those first.

    Raises:
        SigningError: If the key cannot sign, as when its service does not answer.
    """
    from securesystemslib.dsse import Envelope

    envelope = Envelope(canonical_json(statement_of(verdict)), PAYLOAD_TYPE, {})
    try:
        envelope.sign(signer)
    except Exception as error:
        raise SigningError("K-SIGN", f"the verdict could not be signed: {error}") from error
    return canonical_json(envelope.to_dict())


def verify_verdict(verdict: Verdict, envelope: bytes, public_keys: Sequence[str]) -> str:
    """Returns the id of the key that signed this verdict.

    Args:
        verdict: As it was read; the signature must be of all of it, the time included.
        envelope: What `sign_verdict` gave.
        public_keys: PEM text of each key that is trusted; one of them must have signed. Two are
            given while a key is replaced.

    Raises:
        SigningError: If the envelope is none, nobody trusted has signed it, or it is of another
            verdict.
    """
    if not public_keys:
        raise SigningError("K-VERIFY", "no public key is trusted, so no signature can hold.")
    keys: list[Key] = [load_public_key(pem) for pem in public_keys]
    from securesystemslib.dsse import Envelope

    try:
        if len(envelope) > _MOST_BYTES:
            raise ValueError(f"{len(envelope)} bytes are too many")
        signed = Envelope.from_dict(parse_json(envelope))
    except Exception as error:  # noqa: BLE001 - made by anybody; whatever it is, it is none
        raise SigningError("K-VERIFY", f"the envelope cannot be read: {error}") from None
    if signed.payload_type != PAYLOAD_TYPE:
        raise SigningError(
            "K-VERIFY", f"the envelope holds {signed.payload_type}, not {PAYLOAD_TYPE}."
        )
    try:
        accepted = signed.verify(keys, threshold=1)
    except Exception:  # noqa: BLE001 - whatever it is, no signature holds
        raise SigningError("K-VERIFY", _unsigned(signed, [key.keyid for key in keys])) from None
    if signed.payload != canonical_json(statement_of(verdict)):
        raise SigningError("K-VERIFY", f"the signature is of another verdict: {_named(signed)}.")
    return next(iter(accepted))


def read_envelope(directory: str | os.PathLike[str]) -> bytes:
    """Returns the envelope that lies beside a verdict.

    Raises:
        SigningError: If there is none.
    """
    path = Path(directory) / VERDICT_ENVELOPE
    try:
        return read_plain(path, most=_MOST_BYTES)
    except OSError as error:
        raise SigningError(
            "K-VERIFY", f"the verdict is not signed: {path}: {error.strerror}."
        ) from None


def _unsigned(signed: Any, trusted: Sequence[str]) -> str:
    """Says why no signature holds: nobody trusted signed, or what they signed was changed."""
    broken = [key for key in signed.signatures if key in trusted]
    if broken:
        return (
            f"no trusted key has signed the verdict as it is. {', '.join(broken)} is trusted, and"
            " its signature does not hold: the envelope was changed after it was signed. Take the"
            " one that the gate wrote."
        )
    signers = ", ".join(signed.signatures) or "nobody"
    return (
        f"no trusted key has signed the verdict. Signed by: {signers}. Trusted:"
        f" {', '.join(trusted)}."
    )


def _named(signed: Any) -> str:
    """Says which verdict an envelope is of, as far as it can be read."""
    try:
        subject = parse_json(signed.payload)["subject"][0]
        return f"{subject['name']} sha256:{subject['digest']['sha256']}"
    except Exception:  # noqa: BLE001 - for a message only
        return "its payload cannot be read"
