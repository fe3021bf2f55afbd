"""Keys: a private one signs, in a file or in a key service; public ones verify.

Any key that securesystemslib knows: Ed25519, ECDSA on P-256, P-384 and P-521, RSA.
"""

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from gradgate.contracts.plain import read_plain

if TYPE_CHECKING:
    from securesystemslib.signer import Signer, SSlibKey

_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]+:")
_INSTALL = "Install gradgate[signing]."
_MOST_BYTES = 1 << 20
_log = logging.getLogger(__name__)


class SigningError(Exception):
    """A verdict cannot be signed, or its signature does not hold; the message says why.

    Attributes:
        code: `K-SIGN` where signing failed, `K-VERIFY` where a signature does not hold.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def load_signer(private_key: str, public_key: str = "") -> "Signer":
    """Returns what signs.

    Args:
        private_key: Path of a PEM file (PKCS 8, not encrypted); or the URI of a key service, as
            `securesystemslib.signer` has them, such as `gcpkms:` and `awskms:`.
        public_key: PEM text of the public key; needed with a URI.

    Raises:
        SigningError: If there is no such key, or it cannot be used; never shows the key.
    """
    try:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from securesystemslib.signer import CryptoSigner, Signer, SSlibKey
    except ImportError as error:
        raise SigningError(
            "K-SIGN", f"signing is not installed ({error.name}). {_INSTALL}"
        ) from None
    try:
        if _SCHEME.match(private_key):
            return Signer.from_priv_key_uri(private_key, load_public_key(public_key))
        key = load_pem_private_key(_secret(private_key), password=None)
        return CryptoSigner(key, SSlibKey.from_crypto(key.public_key()))
    except SigningError:
        raise
    except OSError as error:
        message = f"there is no private key at {private_key}: {error.strerror}."
    except Exception as error:  # noqa: BLE001 - of many libraries; whatever it is, nothing is signed
        message = f"the private key {private_key} cannot be used: {_plain(error)}"
    raise SigningError("K-SIGN", message)


def _secret(path: str) -> bytes:
    data = read_plain(path, most=_MOST_BYTES)
    mode = Path(path).stat().st_mode & 0o777
    if mode & 0o044:
        # Not refused: Kubernetes mounts secrets so, in a container that nobody else is in.
        _log.warning(
            "gradgate: the private key %s can be read by others (mode %o); chmod 600 it", path, mode
        )
    return data


def load_public_key(pem: str) -> "SSlibKey":
    """Returns a public key that verifies.

    Args:
        pem: Its PEM text.

    Raises:
        SigningError: If it is none.
    """
    try:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
        from securesystemslib.signer import SSlibKey
    except ImportError as error:
        message = f"verifying is not installed ({error.name}). {_INSTALL}"
        raise SigningError("K-VERIFY", message) from None
    if "PRIVATE KEY" in pem:
        raise SigningError(
            "K-VERIFY", "a private key was given where a public one is needed. Keep it secret."
        )
    try:
        return SSlibKey.from_crypto(load_pem_public_key(pem.encode("utf-8")))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no key
        message = f"this is no public key in PEM form: {_plain(error)}"
        raise SigningError("K-VERIFY", message) from None


def _plain(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
