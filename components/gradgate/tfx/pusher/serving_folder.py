"""The folder that a model server watches: complete versions, and nothing that looks like one.

TensorFlow Serving serves the child whose name is the greatest integer, and skips a child whose
name is no integer (tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc).
So a version is built under another name and appears by one rename, whole.
"""

import contextlib
import errno
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradgate.telemetry.durable import sync_folder
from gradgate.tfx.pusher.checks import RefusedError

INCOMING = ".incoming-"
HISTORY = ".gradgate/pushes.jsonl"
_STALE_SECONDS = 24 * 3600.0
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
_GREATEST = 2**63 - 1  # the server reads a version into an int64


class ServingFolder:
    """One `base_directory` with the versions of one model."""

    def __init__(self, base: str | os.PathLike[str]) -> None:
        self.base = Path(base)

    def versions(self) -> tuple[int, ...]:
        """The version numbers that a server reads, rising."""
        return tuple(number for number in self._numbers() if number <= _GREATEST)

    def _numbers(self) -> tuple[int, ...]:
        if not self.base.is_dir():
            return ()
        names = (path.name for path in self.base.iterdir())
        return tuple(sorted(int(name) for name in names if name.isascii() and name.isdigit()))

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Path]:
        """Yields a name for a copy that no server looks at; what is left there is removed."""
        self.base.mkdir(parents=True, exist_ok=True)
        staging = self.base / f"{INCOMING}{uuid.uuid4().hex}"
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def publish(self, staging: Path, *, now: float) -> int:
        """Makes a finished copy the newest version, at once and whole.

        The rename is the last thing it does: if it raises, nothing new is served.

        The number is above every other, and at least the time in seconds, so that it also rises
        where the folder was emptied; a clock that was set back cannot make it fall.

        Args:
            staging: A directory inside `base` that holds at least one file.
            now: Seconds since 1970.

        Returns:
            The version.

        Raises:
            RefusedError: If no number is left above those that are there.
            OSError: If the copy could not be written to the disk, or not be renamed.
        """
        _sync_tree(staging)
        version = max([int(now), *(number + 1 for number in self._numbers())])
        while True:
            if version > _GREATEST:
                # A server would skip that name, and go on serving what is there.
                raise RefusedError(
                    f"no version is left in {self.base}: the next would be {version}, and a model"
                    f" server reads numbers up to {_GREATEST}. Remove the greatest version there."
                )
            try:
                os.rename(staging, self.base / str(version))  # noqa: PTH104 - replace() is not it
                break
            except OSError as error:
                # Another pusher took the number between our look and our rename.
                if error.errno not in _TAKEN:
                    raise
                version += 1
        return version

    def settle(self) -> None:
        """Makes the newest version's name outlive a power cut."""
        sync_folder(self.base)

    def open_history(self) -> None:
        """Makes the history of pushes, which lies outside every version, and tries to open it.

        Asked before a push, so that a model is not served where no push could be remembered.
        """
        path = self.base / HISTORY
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()

    def remember(self, entry: dict[str, Any]) -> None:
        """Appends a line to the history of pushes."""
        path = self.base / HISTORY
        line = json.dumps(entry, sort_keys=True, allow_nan=False) + "\n"
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def last_push(self) -> dict[str, Any] | None:
        """The last push that the history tells; None if it tells none.

        A line that cannot be read is left out: a crash may have cut it off.
        """
        path = self.base / HISTORY
        last = None
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("pushed") is True:
                last = entry
        return last

    def sweep(self, *, now: float | None = None) -> tuple[str, ...]:
        """Removes copies that a killed push left behind a day ago or longer.

        A younger one may still be growing under another pusher's hands.
        """
        if not self.base.is_dir():
            return ()
        limit = (time.time() if now is None else now) - _STALE_SECONDS
        stale = [path for path in self.base.glob(f"{INCOMING}*") if path.lstat().st_mtime < limit]
        for path in stale:
            shutil.rmtree(path, ignore_errors=True)
        return tuple(sorted(path.name for path in stale))


def _sync_tree(root: Path) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            with Path(folder, name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(folder))
