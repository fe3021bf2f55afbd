"""Keeps one virtual environment equal to its lock, and knows in milliseconds when it is.

The stamp says `installing` until the last step is done, so an interrupted installation is never
taken for a finished one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Iterator

import installer
import selection
import stamp
from problem import Problem
from process import Log
from stacks import Choice, Stack, Wish

# Seen in the log where a package must be compiled and the tools for it are missing.
_COMPILER_WORDS = ("'g++'", "'gcc'", "'c++'", "'cc'", "Python.h", "x86_64-linux-gnu-g")


def ensure(root: Path, wish: Wish, *, only: Stack | None) -> None:
    """Makes `.venv`, or `.venv-base` and the like of a light stack, what its lock says.

    Does nothing if it is already.

    Raises:
        Problem: If something is missing that a person must install, or an installation fails.
    """
    home = root / (".venv" if only is None else f".venv-{only.name}")
    with _only_one(root) as lock:
        if stamp.is_fresh(stamp.read(home), root, home, wish):
            return
        log = Log(root / ".cache" / "bootstrap.log", keep_open=(lock,))
        choice = selection.select(root, wish, only=only, log=log)
        _install(root, home, wish, choice, log)


def _install(root: Path, home: Path, wish: Wish, choice: Choice, log: Log) -> None:
    uv = installer.find(root, log)
    started = time.monotonic()
    before = stamp.read(home)
    if before is None and home.exists():
        raise Problem(f"{home} was not made by this set-up. Move it away, then run again.")
    ready = stamp.describe(root, home, wish, choice)
    is_update = stamp.can_be_updated(before, ready)
    _announce(root, home, choice, is_update=is_update)
    if not is_update:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
    stamp.write(home, {**ready, "state": stamp.INSTALLING})
    for step in _steps(home, choice, is_update=is_update):
        if log.run([uv, *step], cwd=root, environment=_uv_environment()) != 0:
            raise Problem(_failure(log))
    stamp.write(home, ready)
    _say(f"{home.name} is ready after {time.monotonic() - started:.0f} s.")


def _steps(home: Path, choice: Choice, *, is_update: bool) -> list[list[str]]:
    new = ["venv", "--allow-existing", "--no-project", "--python", choice.python.path, str(home)]
    here = ["--python", str(home / "bin" / "python")]
    # What builds source packages is locked too, in tools.txt.
    lock = ["--require-hashes", choice.stack.lock, "--build-constraints", "requirements/tools.txt"]
    # setuptools comes from the lock: nothing is fetched to build our own package.
    ours = ["--no-deps", "--no-build-isolation", "--editable", "."]
    steps = [["pip", "sync", *here, *lock], ["pip", "install", *here, *ours]]
    return steps if is_update else [new, *steps]


def _announce(root: Path, home: Path, choice: Choice, *, is_update: bool) -> None:
    lines = (root / choice.stack.lock).read_text(encoding="utf-8").splitlines()
    count = len({line.partition("==")[0] for line in lines if line[:1].isalnum()})
    if is_update:
        what = f"bringing {home.name} up to date ..."
    elif count > 100:
        what = f"installing {count} packages into {home.name}, about 2 minutes the first time ..."
    else:
        what = f"installing {count} packages into {home.name} ..."
    _say(f"{choice.python}, {choice.stack.title}: {what}")


@contextlib.contextmanager
def _only_one(root: Path) -> Iterator[int]:
    """Waits until no other set-up of this checkout runs; yields the lock's file descriptor."""
    folder = root / ".cache"
    folder.mkdir(exist_ok=True)
    with (folder / "bootstrap.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another set-up of this checkout is running; waiting for it ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _uv_environment() -> dict[str, str]:
    # An active environment or a project setting must not decide what is installed here.
    hidden = {"VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH", "PYTHONHOME"}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def _failure(log: Log) -> str:
    lines = ["the installation failed. The end of its log:", log.tail(15)]
    if log.holds(*_COMPILER_WORDS):
        lines.append(
            "A package is compiled here: it needs a C++ compiler and Python's headers "
            "(`apt-get install -y g++ python3-dev`)."
        )
    return "\n".join([*lines, f"The whole log: {log.path}"])


def _say(text: str) -> None:
    print(f"gradgate: {text}", file=sys.stderr, flush=True)
