"""How a case of the fuzzer is made from another one: by bytes, and by the values of a document."""

import copy
import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

# What has broken readers of such documents before.
VALUES: Sequence[Any] = (
    None, True, False, 0, -1, 1, 2, 2**31, 2**53, 2**53 + 1, 2**63, -(2**63), 10**30, 10**308, 0.5,
    -0.0, 5e-324, 1e308, "", "NaN", "Infinity", "-Infinity", "ok", "block", "all", "any", "**", "0",
    "\0", "\x1b[2J", "\u202e", "<script>alert(1)</script>", "é", "\U0001f600", "x" * 70_000,
    "a/" * 500, "*" * 300, "../../etc/passwd", "sha256:" + "0" * 64, "50%", "100%", "burn-in",
    "24h", "99999d", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
    "2026-11-23T05:40:00Z", [], [0], [None], {}, {"op": "between", "low": 0, "high": 1},
    {"fn": "sum"}, {"at_most": 10**9}, {"fraction": 0.999999},
)  # fmt: skip
TOKENS = [
    b".nan", b"-.inf", b"1e999", b"0x1f", b"017", b"12:30:00", b"&a ", b"*a", b"<<: ", b"!!int ",
    b"---\n", b"%YAML 1.1\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"NaN", b"Infinity",
    b"9" * 400, b"9" * 5000, b"[" * 30, b"[" * 3000, b'{"a":' * 900, b"- " * 50, b"'", b'"',
    b"\\u0000", b"\\ud800", b"\t", b"\r", b"? ", b"| ", b">\n", b"# ",
    b"null", b"true", b"{", b"}", b",", b":",
]  # fmt: skip


def mutate_bytes(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Changes bytes in one to four of the ways that files are damaged, or written by mistake."""
    for _ in range(draw.choice([1, 1, 2, 4])):
        data = draw.choice(_WAYS)(data, draw, others)
    return data


def _flip(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


def _truncate(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def _splice(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    other = draw.choice(others)
    return data[: draw.randrange(len(data) + 1)] + other[draw.randrange(len(other) + 1) :]


def _cut_out(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    start = draw.randrange(len(data) + 1)
    return data[:start] + data[start + draw.choice([1, 2, 8, 64]) :]


def _insert(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.choice(TOKENS) + data[at:]


def _swap_tokens(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    tokens = re.split(rb"([\w.+-]+)", data)
    if len(tokens) < 4:
        return data
    one, other = (draw.randrange(1, len(tokens), 2) for _ in range(2))
    tokens[one], tokens[other] = tokens[other], tokens[one]
    return b"".join(tokens)


def _repeat_line(data: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    at = draw.randrange(len(lines))
    return b"\n".join(
        [*lines[: at + 1], *lines[at : at + draw.choice([1, 2, 9])], *lines[at + 1 :]]
    )


_WAYS: Sequence[Callable[[bytes, random.Random, Sequence[bytes]], bytes]] = (
    _flip, _truncate, _splice, _cut_out, _insert, _swap_tokens, _repeat_line,
)  # fmt: skip


def mutate_value(document: Any, draw: random.Random) -> Any:
    """Changes one to three values of a JSON document, anywhere in it."""
    document = json.loads(json.dumps(document))
    for _ in range(draw.choice([1, 1, 2, 3])):
        places = list(_places(document))
        if not places:
            return document
        holder, key = draw.choice(places)
        ways = ["replace", "alike", "alike", "alike", "remove", "copy", "nest", "number"]
        match draw.choice(ways):
            case "replace":
                holder[key] = copy.deepcopy(draw.choice(VALUES))
            case "alike":
                holder[key] = copy.deepcopy(draw.choice(_alike(holder[key], places)))
            case "remove":
                del holder[key]
            case "copy":
                holder[key] = draw.choice(places)[0]
                holder[key] = json.loads(json.dumps(holder[key])) if _is_small(holder) else 0
            case "nest":
                for _ in range(draw.choice([1, 5, 25, 150])):
                    holder[key] = draw.choice([[holder[key]], {"a": holder[key]}])
            case "number" if isinstance(holder[key], int | float):
                holder[key] *= draw.choice([0, -1, 2, 1e300, 0.5])
            case _:
                holder[key] = str(holder[key])[:1000]
    return document


def _places(value: Any, depth: int = 0) -> Any:
    if depth > 40:
        return
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key], depth + 1)


def _alike(value: Any, places: list[Any]) -> list[Any]:
    """What has the type of a value: of what has broken readers before, and in the same document."""
    others = [holder[key] for holder, key in places]
    plain = [other for other in others if not isinstance(other, dict | list)]
    return [other for other in (*VALUES, *plain) if type(other) is type(value)]


def _is_small(value: Any) -> bool:
    try:
        return len(json.dumps(value)) < 20_000
    except ValueError:  # it holds itself now
        return False
