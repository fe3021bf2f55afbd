"""Finds Python interpreters that really run: on PATH, in pyenv's folder, in uv's folder.

uv itself does not see pyenv's versions unless they are selected, and a pyenv shim exists for
versions that are not: so each candidate is started and asked.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

MINORS = (13, 12, 11, 10)

# Standard modules that a hand-built Python lacks when a library was missing at its build.
_PROBE = """
import importlib, json, os, platform, sys, sysconfig
missing = []
for name in ("bz2", "ctypes", "lzma", "sqlite3", "ssl", "zlib"):
    try:
        importlib.import_module(name)
    except ImportError:
        missing.append(name)
print(json.dumps({
    "path": os.path.realpath(sys.executable),
    "version": list(sys.version_info[:3]),
    "implementation": platform.python_implementation(),
    "is_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "is_64_bit": sys.maxsize > 2**32,
    "missing": missing,
}))
"""


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """A Python that ran and has all that is needed of it.

    Attributes:
        path: The real executable, no shim and no link.
        version: Major, minor, patch.
        origin: Where it was found, for people.
    """

    path: str
    version: tuple[int, int, int]
    origin: str

    def __str__(self) -> str:
        """Returns it as a person would name it."""
        return f"Python {'.'.join(map(str, self.version))} ({self.origin})"


@dataclasses.dataclass(frozen=True)
class Found:
    """What the search saw.

    Attributes:
        interpreters: Those that can be used, in the order of preference.
        rejected: Path and reason of those that cannot.
    """

    interpreters: tuple[Interpreter, ...]
    rejected: tuple[tuple[str, str], ...] = ()


def find(given: str = "", *, extra: tuple[Path, ...] = ()) -> Found:
    """Returns every usable interpreter, or only the one that was given by path or name.

    Args:
        given: GRADGATE_PYTHON, or empty.
        extra: Further folders laid out as uv's own (`*/bin/python3.N`).
    """
    candidates = [given] if given else list(_candidates(extra))
    usable: dict[str, Interpreter] = {}
    rejected: dict[str, str] = {}
    for candidate in candidates:
        outcome = probe(candidate)
        if isinstance(outcome, Interpreter):
            usable.setdefault(outcome.path, outcome)
        else:
            rejected.setdefault(candidate, outcome)
    return Found(tuple(usable.values()), tuple(rejected.items()))


def probe(candidate: str) -> Interpreter | str:
    """Starts a candidate and returns what it is, or why it cannot be used."""
    try:
        answer = subprocess.run(
            [candidate, "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        about = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return "does not run"
    version = ".".join(map(str, about["version"]))
    if about["implementation"] != "CPython" or not about["is_64_bit"] or about["is_free_threaded"]:
        return f"{version} is not a 64-bit CPython with the GIL"
    if about["missing"]:
        return f"{version} was built without {', '.join(about['missing'])}"
    major, minor, patch = about["version"]
    return Interpreter(about["path"], (major, minor, patch), _origin(about["path"]))


def _candidates(extra: tuple[Path, ...]) -> Iterator[str]:
    for name in [*(f"python3.{minor}" for minor in MINORS), "python3"]:
        on_path = shutil.which(name)
        if on_path:
            yield on_path
    for name in [*(f"python3.{minor}" for minor in MINORS), "python3"]:
        yield from (str(path) for path in [Path("/usr/bin", name)] if path.exists())
    folders = [*_pyenv_versions(), _uv_pythons(), *extra]
    for folder in folders:
        for minor in MINORS:
            hits = [*folder.glob(f"3.{minor}.*/bin/python3.{minor}")]
            hits += folder.glob(f"cpython-3.{minor}.*/bin/python3.{minor}")
            yield from (str(path) for path in sorted(hits, key=_by_version, reverse=True))


def _pyenv_versions() -> list[Path]:
    roots = [os.environ.get("PYENV_ROOT", ""), os.path.expanduser("~/.pyenv")]
    return [Path(root, "versions") for root in dict.fromkeys(filter(os.path.isdir, roots))]


def _uv_pythons() -> Path:
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path(data, "uv", "python"))


def _by_version(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.parts[-3])[:3]]


def _origin(path: str) -> str:
    if any(path.startswith(os.path.realpath(folder) + os.sep) for folder in _pyenv_versions()):
        return "pyenv"
    return "uv" if f"{os.sep}cpython-3." in path else path
