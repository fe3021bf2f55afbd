"""Loads a policy, and names it by its digest."""

import os

from gradgate.contracts import Policy, canonical_json, sha256
from gradgate.gate.check_policy import check_policy
from gradgate.gate.load_document import load_document, read_document
from gradgate.gate.policy_error import PolicyError as PolicyError


def load_policy(text: str | bytes, source: str = "policy.yaml") -> Policy:
    """Returns the policy that a text says.

    Args:
        text: YAML 1.2 (so JSON too), at most 256 KiB.
        source: What messages call it.

    Raises:
        PolicyError: If it is no policy, or one that cannot be used; lists every problem.
    """
    return load_document(
        Policy, text, source=source, code="P-INVALID", noun="a policy", check=check_policy
    )


def read_policy(path: str | os.PathLike[str]) -> bytes:
    """Returns the bytes of a policy file, for `load_policy`.

    Raises:
        PolicyError: If there is no such file, or it is a link, a pipe, a directory, or too large.
    """
    return read_document(path, code="P-MISSING")


def policy_digest(policy: Policy) -> str:
    """Returns the SHA-256 of the policy's canonical form, its defaults filled in.

    Comments, order of keys and line ends do not enter it.
    """
    return sha256(canonical_json(policy.document()))
