"""Names and messages come from training code, and may hold anything: escapes, markup, tricks.

What moves a cursor, changes a colour or turns the direction of writing is taken out before a
verdict is shown; escaping for HTML and Markdown comes on top, where it is written.
"""

import re
from typing import Any, Final

from gradgate.contracts import Verdict, canonical_json

_ESCAPES: Final = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])?")
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff]"
)
_MAX_TEXT: Final = 2000


def clean(verdict: Verdict) -> Verdict:
    """Returns the verdict with every text fit to be shown; its id stays that of the original."""
    return Verdict.model_validate_json(canonical_json(_cleaned(verdict.document())))


def clean_text(text: str) -> str:
    """Returns a text without escapes and hidden characters, on one line, not endless."""
    shown = _HIDDEN.sub("", _ESCAPES.sub("", text)).replace("\n", " ").replace("\t", " ")
    shown = shown.encode("utf-8", "replace").decode("utf-8")
    return shown if len(shown) <= _MAX_TEXT else f"{shown[: _MAX_TEXT - 3]}..."


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _cleaned(item) for key, item in value.items()}
    return value
