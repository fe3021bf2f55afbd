"""Reads a file that must be a plain one: a pipe or a device may never end and is not waited for."""

import errno
import os
import stat


def read_plain(path: str | os.PathLike[str], *, most: int) -> bytes:
    """Returns the bytes of a plain file; a link is followed.

    Args:
        path: The file.
        most: How many bytes it may have.

    Raises:
        OSError: If it cannot be read, is no plain file, or has more bytes than that.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is not a plain file")
        if status.st_size > most:
            raise OSError(errno.EFBIG, f"has {status.st_size} bytes, more than any such file")
        return file.read(status.st_size)
