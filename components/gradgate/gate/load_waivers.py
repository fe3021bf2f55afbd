"""Loads the waivers of a policy, and names them by their digest.

Waivers that cannot be used are no waivers that are left out: the model is not judged at all, since
somebody believes that they are in force.
"""

import functools
import os

from gradgate.contracts import Policy, Waivers, canonical_json, sha256
from gradgate.gate.check_waivers import check_waivers
from gradgate.gate.load_document import load_document, read_document

_CODE = "P-WAIVER"


def load_waivers(text: str | bytes, policy: Policy, source: str = "waivers.yaml") -> Waivers:
    """Returns the waivers that a text says, of one policy.

    Args:
        text: YAML 1.2 (so JSON too), at most 256 KiB.
        policy: The one that they are for: a waiver for another, or for no rule of it, is an error.
        source: What messages call it.

    Raises:
        PolicyError: If they are no waivers, or cannot be used; lists every problem.
    """
    check = functools.partial(check_waivers, policy=policy)
    return load_document(
        Waivers, text, source=source, code=_CODE, noun="a file of waivers", check=check
    )


def read_waivers(path: str | os.PathLike[str]) -> bytes:
    """Returns the bytes of a file of waivers, for `load_waivers`.

    Raises:
        PolicyError: If there is no such file, or it is a link, a pipe, a directory, or too large.
    """
    return read_document(path, code=_CODE)


def waivers_digest(waivers: Waivers) -> str:
    """Returns the SHA-256 of the waivers' canonical form, their defaults filled in."""
    return sha256(canonical_json(waivers.document()))
