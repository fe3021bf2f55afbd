"""What an environment was made from, kept inside it, so that a second run need not look further."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from stacks import Choice, Wish

READY = "ready"
INSTALLING = "installing"
_NAME = "gradgate.json"
# Where one of these differs, an environment cannot be brought up to date: it is made anew.
_FOUNDATIONS = ("state", "home", "glibc", "interpreter", "interpreter_mark")


def describe(root: Path, home: Path, wish: Wish, choice: Choice) -> dict[str, Any]:
    """Returns the stamp of an environment that is ready."""
    stamp = {
        "stack": choice.stack.name,
        "title": choice.stack.title,
        "lock_file": choice.stack.lock,
        "interpreter": choice.python.path,
    }
    return {**stamp, **_facts(root, home, wish, stamp)}


def is_fresh(stamp: dict[str, Any] | None, root: Path, home: Path, wish: Wish) -> bool:
    """Returns whether the environment can be used as it is."""
    return bool(stamp) and stamp == {**(stamp or {}), **_facts(root, home, wish, stamp or {})}


def can_be_updated(stamp: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    """Returns whether a finished environment stands on the same foundations as the wanted one."""
    return bool(stamp) and all((stamp or {}).get(key) == wanted[key] for key in _FOUNDATIONS)


def read(home: Path) -> dict[str, Any] | None:
    """Returns the stamp; None where there is none, and an empty one where it is damaged."""
    try:
        stamp = json.loads((home / _NAME).read_text(encoding="utf-8"))
    except ValueError:
        return {}
    except OSError:
        return None
    return stamp if isinstance(stamp, dict) else {}


def write(home: Path, stamp: dict[str, Any]) -> None:
    """Puts the stamp in place in one step."""
    partial = home / f"{_NAME}.partial"
    partial.write_text(json.dumps(stamp, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(home / _NAME)


def _facts(root: Path, home: Path, wish: Wish, stamp: dict[str, Any]) -> dict[str, Any]:
    try:
        interpreter = os.stat(str(stamp.get("interpreter")))
        mark = [interpreter.st_size, interpreter.st_mtime_ns]
    except OSError:
        mark = []
    return {
        "state": READY,
        "home": str(home),
        "wish": [wish.python, wish.stack],
        "glibc": os.confstr("CS_GNU_LIBC_VERSION") if hasattr(os, "confstr") else "",
        "interpreter_mark": mark,
        "lock": _digest(root / str(stamp.get("lock_file"))),
        "project": _digest(root / "pyproject.toml"),
    }


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
