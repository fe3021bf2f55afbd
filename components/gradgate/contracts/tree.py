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
        TreeError: If the directory is missing or has no file, or holds anything but directories
            and regular files; the message names the path.
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
    for folder, folders, names in os.walk(root, followlinks=False):
        for name in folders + names:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                found.append(path.relative_to(root).as_posix())
            elif not stat.S_ISDIR(mode):
                raise TreeError(
                    f"{path}: neither a file nor a directory; a model is made of plain files,"
                    " since what a link leads to may change after it was judged."
                )
    return found


def _digest_file(root: Path, path: str) -> FileDigest:
    digest, size = hashlib.sha256(), 0
    with (root / path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileDigest(path=path, size=size, sha256="sha256:" + digest.hexdigest())
