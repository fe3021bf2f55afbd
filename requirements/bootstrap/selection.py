"""Brings the machine, the wish and the stacks together; lets uv fetch a Python if none fits."""

from __future__ import annotations

from pathlib import Path

import advice
import installer
import pythons
import stacks
from problem import Problem
from process import Log


def select(
    root: Path, wish: stacks.Wish, *, only: stacks.Stack | None = None, log: Log | None = None
) -> stacks.Choice:
    """Returns the stack and the interpreter to use.

    Args:
        root: The repository.
        wish: What the person asked for.
        only: A light stack; None takes the best TFX stack that fits.
        log: Where an interpreter's download writes; None fetches nothing.

    Raises:
        Problem: If no interpreter fits; the message says what was seen and what to install.
    """
    glibc = stacks.glibc_version()
    candidates = (only,) if only is not None else stacks.fitting(wish, glibc)
    fetched = root / ".cache" / "python"
    found = pythons.find(wish.python, extra=(fetched,))
    choice = stacks.choose(candidates, found)
    failure = ""
    if choice is None and not wish.python and log is not None:
        minor = candidates[0].minors[0]
        failure = installer.fetch_python(installer.find(root, log), minor, fetched, log)
        choice = stacks.choose(candidates, pythons.find(extra=(fetched,)))
    if choice is None:
        message = advice.no_python(
            candidates, found, glibc, given=wish.python, fetch_failure=failure
        )
        raise Problem(message)
    return choice
