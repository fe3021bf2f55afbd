"""Keeps secrets out of all that is written for MLflow: jobs, parameters, tags, notes and logs.

MLflow's own messages quote the address with whatever user name and password stand in it.
"""

import os
import re
from typing import TextIO

_HIDDEN = "***"
_SHORTEST = 4  # a shorter one is part of any word
_NAMES = re.compile(
    r"(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|ACCESS_KEY_ID|PRIVATE_KEY)$", re.IGNORECASE
)
_USER_INFO = re.compile(r"([a-z][a-z0-9+.\-]*://)[^/\s'\"<>]*@", re.IGNORECASE)
_HEADER = re.compile(r"(Authorization\W{1,5}(?:Basic|Bearer))\s+[^\s'\"]+", re.IGNORECASE)
_FIELD = re.compile(
    r"\b((?:password|passwd|pwd|token|secret|api[_-]?key|access[_-]?key|signature|sig"
    r"|x-amz-[a-z-]+)=)[^&\s'\"]+",
    re.IGNORECASE,
)


def scrub(text: str) -> str:
    """Returns the text with its secrets hidden.

    They are user names and passwords in addresses, tokens, fields such as `password=...`, and
    whatever the environment holds under the name of a secret.
    """
    for value in _secrets():
        text = text.replace(value, _HIDDEN)
    text = _USER_INFO.sub(rf"\1{_HIDDEN}@", text)
    text = _HEADER.sub(rf"\1 {_HIDDEN}", text)
    return _FIELD.sub(rf"\1{_HIDDEN}", text)


def _secrets() -> list[str]:
    """The longest first, since one may be part of another."""
    values = {value for name, value in os.environ.items() if _NAMES.search(name)}
    return sorted((v for v in values if len(v) >= _SHORTEST), key=len, reverse=True)


class ScrubbedStream:
    """A text stream that writes nothing secret, whoever writes to it: our log, MLflow's, a crash.

    Args:
        stream: Where the rest goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes the text without what is secret."""
        self._stream.write(scrub(text))
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
