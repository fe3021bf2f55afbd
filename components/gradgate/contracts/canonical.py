"""One way to write JSON, one strict way to read it, one digest.

The form follows RFC 8785 (JSON Canonicalization Scheme) for the documents we write: sorted keys,
no white space, UTF-8, no non-finite numbers. So equal documents have equal bytes, and a digest
names a document.
"""

import hashlib
import json
import math
from typing import Any


def canonical_json(value: Any) -> bytes:
    """Returns the canonical bytes of a JSON value.

    Args:
        value: What `json` can write; every number finite (see `Number` for the others).

    Raises:
        ValueError: If a number is NaN or infinite, a text cannot be UTF-8, or it is nested too
            deeply.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except RecursionError:
        raise ValueError("JSON is nested too deeply to be one of our documents.") from None
    return text.encode("utf-8")


def sha256(data: bytes) -> str:
    """Returns `sha256:` and the hexadecimal SHA-256 of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def parse_json(data: bytes) -> Any:
    """Reads JSON as strictly as it is written here.

    Raises:
        ValueError: If the bytes are no UTF-8 or no JSON, a key stands twice in one object, or a
            number is NaN or infinite, `1e999` included; the message names what and where.
    """
    try:
        return json.loads(
            data.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            parse_int=_finite_int,
            object_pairs_hook=_unique_keys,
        )
    except RecursionError:
        raise ValueError("JSON is nested too deeply to be one of our documents.") from None


def _refuse_constant(text: str) -> float:
    raise ValueError(f"JSON holds the number {text}; a non-finite number is written as a string.")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"JSON holds the number {text}, which is too large for a float.")
    return value


def _finite_int(text: str) -> int:
    value = int(text)
    try:
        float(value)
    except OverflowError:
        raise ValueError(
            f"JSON holds a number of {len(text)} digits, which is too large for a float."
        ) from None
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"JSON object names a key twice: {', '.join(twice)}.")
    return result
