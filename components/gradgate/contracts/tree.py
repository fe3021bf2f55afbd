"""The digest of an exported model: what the Trainer, the gate and the Pusher must agree on.

The tree digest is the SHA-256 of the canonical JSON of `[path, size, sha256]` for every regular
file, sorted by path. Nothing is ignored; a link, a socket or a device makes the tree invalid,
since what it leads to may change after it was judged. Modes, owners and times are not covered,
nor are empty directories.
"""

import hashlib
import os
import stat
from pathlib import Path

from gradgate.contracts.canonical import canonical_json, sha256
from gradgate.contracts.health import BoundModel, FileDigest

_CHUNK = 1 << 20


class TreeError(ValueError):
    """A directory that cannot be named by a digest: missing, empty, or holding a special file."""


def bind_tree(directory: str | os.PathLike[str]) -> BoundModel:
    """Returns the digest of a directory and of every file in it.

    Raises:
        TreeError: If the directory is missing or has no file, holds anything but directories and
            regular files, or a name that is not UTF-8; the message names the path.
        OSError: If any of it cannot be read.
    """
    root = Path(directory)
    if not root.is_dir() or root.is_symlink():
        raise TreeError(f"{root}: not a directory, so there is no model to name.")
    files = tuple(_digest_file(root, path) for path in sorted(_walk(root)))
    if not files:
        raise TreeError(f"{root}: holds no file, so there is no model to name.")
    return BoundModel(digest=tree_digest(files), files=files)


def tree_digest(files: tuple[FileDigest, ...]) -> str:
    """Returns the tree digest of files that were digested before, in any order."""
    rows = sorted([file.path, file.size, file.sha256] for file in files)
    return sha256(canonical_json(rows))


def _walk(root: Path) -> list[str]:
    found = []
    for folder, folders, names in os.walk(root, followlinks=False, onerror=_raise):
        for name in folders + names:
            path = Path(folder, name)
            if not _is_text(name):
                raise TreeError(f"{str(path)!a}: its name is not UTF-8, so no verdict can name it.")
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                found.append(path.relative_to(root).as_posix())
            elif not stat.S_ISDIR(mode):
                raise TreeError(
                    f"{path}: neither a file nor a directory; a model is made of plain files,"
                    " since what a link leads to may change after it was judged."
                )
    return found


def _raise(error: OSError) -> None:
    """A folder that cannot be looked into is not one without files."""
    raise error


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _digest_file(root: Path, path: str) -> FileDigest:
    digest, size = hashlib.sha256(), 0
    with (root / path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileDigest(path=path, size=size, sha256="sha256:" + digest.hexdigest())
