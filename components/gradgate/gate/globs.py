"""Globs over variable paths: anchored, case-sensitive, in time linear in the path.

`*` is any run of characters but `/`, `?` one of them, `**` any run at all. `**/` at the start of
a part may also stand for nothing, so `**/kernel` finds a `kernel` at the top.
"""

import functools
from collections.abc import Iterable
from typing import Final

_ANY_RUN: Final = "**"
_ANY_PARTS: Final = "**/"
_RUN: Final = "*"


def matches_any(patterns: Iterable[str], path: str) -> bool:
    """Whether one of the globs matches the whole path."""
    return any(matches(pattern, path) for pattern in patterns)


def matches(pattern: str, path: str) -> bool:
    """Whether the glob matches the whole path.

    Simulates all readings of the glob at once, so a glob of many stars costs no more than
    `len(pattern) * len(path)`.
    """
    tokens = _tokens(pattern)
    states = _settle(tokens, {0}, at_part=True)
    for char in path:
        moved = {after for state in states for after in _after(tokens, state, char)}
        states = _settle(tokens, moved, at_part=char == "/")
        if not states:
            return False
    return len(tokens) in states


@functools.lru_cache(maxsize=1024)
def _tokens(pattern: str) -> tuple[str, ...]:
    tokens, at = [], 0
    while at < len(pattern):
        is_part_start = at == 0 or pattern[at - 1] == "/"
        if is_part_start and pattern.startswith(_ANY_PARTS, at):
            token = _ANY_PARTS
        elif pattern.startswith(_ANY_RUN, at):
            token = _ANY_RUN
        else:
            token = pattern[at]
        tokens.append(token)
        at += len(token)
    return tuple(tokens)


def _settle(tokens: tuple[str, ...], states: set[int], *, at_part: bool) -> set[int]:
    """Adds the states that are reached without reading: those behind what may be empty.

    `**/` may end only where a part begins.
    """
    settled = set(states)
    waiting = list(states)
    while waiting:
        state = waiting.pop()
        if state == len(tokens):
            continue
        token = tokens[state]
        may_be_empty = token in {_RUN, _ANY_RUN} or (token == _ANY_PARTS and at_part)
        if may_be_empty and state + 1 not in settled:
            settled.add(state + 1)
            waiting.append(state + 1)
    return settled


def _after(tokens: tuple[str, ...], state: int, char: str) -> tuple[int, ...]:
    if state == len(tokens):
        return ()
    read = tokens[state]
    if read in {_ANY_RUN, _ANY_PARTS}:
        return (state,)
    if read == _RUN:
        return (state,) if char != "/" else ()
    if read == "?":
        return (state + 1,) if char != "/" else ()
    return (state + 1,) if read == char else ()
