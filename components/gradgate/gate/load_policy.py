"""Loads a policy that somebody wrote, and refuses whatever could mean two things.

All problems are reported at once, each with its line and column, the field, what was found there
and what to do. Nothing but `PolicyError` is ever raised, whatever the bytes.
"""

import json
import os
import stat
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from gradgate.contracts import Policy, canonical_json, sha256
from gradgate.gate.check_policy import check_policy
from gradgate.gate.policy_error import PolicyError as PolicyError
from gradgate.gate.policy_error import Problem
from gradgate.gate.policy_fields import explain, place_of
from gradgate.gate.read_yaml import MAX_BYTES, Path, Places, Unreadable, field_name, read_yaml


def load_policy(text: str | bytes, source: str = "policy.yaml") -> Policy:
    """Returns the policy that a text says.

    Args:
        text: YAML 1.2 (so JSON too), at most 256 KiB.
        source: What messages call it.

    Raises:
        PolicyError: If it is no policy, or one that cannot be used; lists every problem.
    """
    try:
        value, places = read_yaml(text)
    except Unreadable as error:
        raise PolicyError(error.problems, source=source) from None
    try:
        policy = Policy.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise PolicyError(_problems(error, value, places), source=source) from None
    misfits = check_policy(policy)
    if misfits:
        problems = [_problem(path, text, places) for path, text in misfits]
        raise PolicyError(problems, source=source)
    return policy


def read_policy(path: str | os.PathLike[str]) -> bytes:
    """Returns the bytes of a policy file, for `load_policy`.

    Raises:
        PolicyError: If there is no such file, or it is a link, a pipe, a directory, or too large.
    """
    source = os.fspath(path)
    try:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PolicyError(
                    [Problem(text="is not a plain file")], source=source, code="P-MISSING"
                )
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = "is a link; name the file itself" if FilePath(path).is_symlink() else None
        text = reason or f"cannot be read: {error.strerror}"
        raise PolicyError([Problem(text=text)], source=source, code="P-MISSING") from None


def policy_digest(policy: Policy) -> str:
    """Returns the SHA-256 of the policy's canonical form, its defaults filled in.

    Comments, order of keys and line ends do not enter it.
    """
    return sha256(canonical_json(policy.document()))


def _problems(error: ValidationError, value: Any, places: Places) -> list[Problem]:
    """One problem a field; a list that is empty only since its members are wrong is no other."""
    by_path: dict[Path, dict[str, None]] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            continue
        path, text = explain(detail, value)
        by_path.setdefault(path, {})[text] = None
    return [_problem(path, "; ".join(texts), places) for path, texts in by_path.items()]


def _problem(path: Path, text: str, places: Places) -> Problem:
    line, column = place_of(path, places)
    return Problem(text=text, field=field_name(path), line=line, column=column)
