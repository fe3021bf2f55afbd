"""Files that are either whole or absent, also after a crash or a power cut."""

import contextlib
import os
import uuid
from pathlib import Path

TEMPORARY = ".partial"
"""Suffix of a file that is being written; what still carries it after a crash is torn."""


def write_durably(path: Path, data: bytes) -> None:
    """Writes a file so that its name never shows half of it.

    A temporary name, fsync, rename, fsync of the folder: kill -9 or a power cut at any point
    leaves the old file or the new one. The temporary name is nobody else's, so of two that write
    at once one comes last, whole; what could not be written is not left on a full disk.
    """
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sweep_temporaries(folder: Path) -> None:
    """Removes what a crash left half written."""
    for path in folder.rglob(f"*{TEMPORARY}"):
        path.unlink()


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on the disk, as fsync does for what is in a file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
