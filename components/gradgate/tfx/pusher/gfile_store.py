"""What TensorFlow's own file systems reach, such as `gs://`.

They know no conditional write. So a small object is read again and compared right before it is
written: two pushers at the very same moment can both believe that they were first, and the later
one counts. What either of them points at was verified all the same.
"""

import hashlib
import posixpath
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from gradgate.tfx.pusher.object_store import Found

_CHUNK = 1 << 20
_files = tf.io.gfile


class GfileStore:
    """The files below an address that TensorFlow knows."""

    def __init__(self, url: str) -> None:
        self.url = url

    def keys(self, below: str) -> list[str]:
        """Every key below a folder."""
        start = self._at(below)
        with self._named(below):
            if not _files.isdir(start):
                return []
            return sorted(
                posixpath.relpath(posixpath.join(folder, name), start)
                for folder, _, names in _files.walk(start)
                for name in names
            )

    def folders(self) -> list[str]:
        """Names of the folders at the top."""
        with self._named(""):
            if not _files.isdir(self.url):
                return []
            names = (name.rstrip("/") for name in _files.listdir(self.url))
            return [name for name in names if _files.isdir(self._at(name))]

    def chunks(self, key: str) -> Iterator[bytes]:
        """The bytes of a file."""
        with self._named(key), _files.GFile(self._at(key), "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def upload(self, path: Path, key: str) -> None:
        """Writes a file."""
        self._copy(str(path), key)

    def copy(self, key: str, to: str) -> None:
        """Copies a file."""
        self._copy(self._at(key), to)

    def read(self, key: str) -> Found | None:
        """A small file."""
        with self._named(key):
            if not _files.exists(self._at(key)):
                return None
            with _files.GFile(self._at(key), "rb") as file:
                data = file.read()
        return Found(data=data, state=hashlib.sha256(data).hexdigest())

    def write(self, key: str, data: bytes, *, over: Found | None) -> bool:
        """Writes a small file, if it is as it was found when it is looked at right before."""
        now = self.read(key)
        if (now and now.state) != (over and over.state):
            return False
        target = self._at(key)
        # No digits at the start: a model server takes a name of digits for a version.
        half = posixpath.join(posixpath.dirname(target), f".half-{uuid.uuid4().hex}")
        with self._named(key):
            self._make_folder_of(key)
            with _files.GFile(half, "wb") as file:
                file.write(data)
            _files.rename(half, target, overwrite=True)
        return True

    def remove(self, key: str) -> None:
        """Removes a file."""
        with self._named(key):
            _files.remove(self._at(key))

    def remove_folder(self, below: str) -> None:
        """Removes a folder."""
        with self._named(below):
            if _files.isdir(self._at(below)):
                _files.rmtree(self._at(below))

    def _copy(self, source: str, key: str) -> None:
        with self._named(key):
            self._make_folder_of(key)
            _files.copy(source, self._at(key), overwrite=True)

    def _make_folder_of(self, key: str) -> None:
        if "://" not in self.url:  # an object store has no folders, but would keep a file for each
            _files.makedirs(posixpath.dirname(self._at(key)))

    def _at(self, key: str) -> str:
        return posixpath.join(self.url, key)

    @contextmanager
    def _named(self, key: str) -> Iterator[None]:
        try:
            yield
        except tf.errors.NotFoundError as error:
            raise FileNotFoundError(f"{self._at(key)}: {error.message}") from error
        except tf.errors.OpError as error:
            raise OSError(f"{self._at(key)}: {error.message}") from error
