"""Runs a program with its chatter in a log, so that a person sees only what concerns them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Mapping, Sequence


class Log:
    """One file that the programs of one set-up write to, one after the other.

    Attributes:
        path: The file. Each set-up starts it anew.
    """

    def __init__(self, path: Path, *, keep_open: tuple[int, ...] = ()) -> None:
        """Starts the file.

        Args:
            path: Where it goes; its folder is made.
            keep_open: File descriptors that the programs inherit. A lock held by one of them
                stays held while an installer outlives a killed set-up.
        """
        self.path = path
        self._keep_open = keep_open
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> int:
        """Runs a command to its end and returns its exit status; 124 after `timeout` seconds."""
        with self.path.open("ab") as file:
            file.write(f"$ {' '.join(command)}\n".encode())
            file.flush()
            child = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                pass_fds=self._keep_open,
            )
            try:
                return _wait(child, timeout)
            except subprocess.TimeoutExpired:
                return 124
            finally:
                _end(child)

    def tail(self, lines: int) -> str:
        """Returns the last lines, indented."""
        text = self.path.read_text(encoding="utf-8", errors="replace")
        return "\n".join(f"  {line[:300]}" for line in text.splitlines()[-lines:])

    def holds(self, *words: str) -> bool:
        """Returns whether any of the words was written."""
        text = self.path.read_text(encoding="utf-8", errors="replace")
        return any(word in text for word in words)


def _wait(child: subprocess.Popen[bytes], timeout: float | None) -> int:
    if not sys.stderr.isatty():
        return child.wait(timeout)
    # On a terminal, a clock: the first installation takes minutes and prints nothing else.
    started = time.monotonic()
    while timeout is None or time.monotonic() - started < timeout:
        try:
            return child.wait(0.5)
        except subprocess.TimeoutExpired:
            print(f"\r  {time.monotonic() - started:.0f} s ", end="", file=sys.stderr, flush=True)
        finally:
            if child.poll() is not None:
                print("\r        \r", end="", file=sys.stderr, flush=True)
    raise subprocess.TimeoutExpired(child.args, timeout)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
