"""Where models lie in an object store: by their digest, with a small pointer to the one in force.

    by-digest/<sha256>/...         a model; the name is the digest of all of its bytes
    current.json                   the pointer, written last: version, digest, prefix, verdict
    <version>/...                  if asked for, a copy that TensorFlow Serving finds by itself
    .gradgate/pushes/<version>.json   what each push did; a version belongs to who writes this first

A store has no rename, so nothing can appear whole at once but a small object. Whoever follows the
pointer sees the model before or the model after, never a half one.
"""

import hashlib
import uuid
from pathlib import Path
from typing import Any, Final

from gradgate.contracts import canonical_json, parse_json
from gradgate.contracts.health import BoundModel, FileDigest
from gradgate.contracts.tree import tree_digest
from gradgate.tfx.pusher.checks import RefusedError
from gradgate.tfx.pusher.object_store import Found, ObjectStore
from gradgate.tfx.pusher.pointer import POINTER, Pointer, prefix_of

HISTORY: Final = ".gradgate/pushes"
LAST: Final = "saved_model.pb"  # without it TensorFlow Serving loads nothing
_STALE_SECONDS: Final = 24 * 3600.0
_GREATEST: Final = 2**63 - 1  # TensorFlow Serving reads a version into an int64


class ServingPrefix:
    """The models of one address."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def bring(self, staging: Path, copy: BoundModel) -> BoundModel:
        """Uploads what is not there yet; returns what lies there then, every byte read back."""
        prefix = prefix_of(copy.digest)
        there = self._found(prefix)
        missing = [file for file in copy.files if file not in there.files]
        for file in missing:
            self._store.upload(staging / file.path, f"{prefix}/{file.path}")
        return self._found(prefix) if missing else there

    def claim(self, least: int, entry: dict[str, Any]) -> tuple[int, Found]:
        """Takes the next version for this push, by writing the first line of its history.

        Args:
            least: The version to begin with; the next that nobody has is taken.
            entry: What is known of the push.

        Raises:
            RefusedError: If no version is left.
        """
        version = max([least, *(number + 1 for number in self._numbers())])
        while version <= _GREATEST:
            # The name tells this push from one that is just the same, at the same second.
            name = uuid.uuid4().hex
            data = canonical_json({**entry, "state": "begun", "version": version, "push": name})
            key = _history(version)
            is_written = self._store.write(key, data, over=None)
            found = self._store.read(key) if is_written else None
            if found is not None and found.data == data:
                return version, found
            version += 1
        raise RefusedError(
            f"no version is left in {self._store.url}: the next would be {version}, and a model"
            f" server reads numbers up to {_GREATEST}. Remove the greatest version there."
        )

    def number(self, prefix: str, version: int, copy: BoundModel) -> None:
        """Copies all of a model but its last file to where a server looks for a version.

        Raises:
            RefusedError: If it has no such file, or what lies there then is something else.
        """
        if LAST not in {file.path for file in copy.files}:
            raise RefusedError(f"the model has no {LAST}, so a model server could not load it.")
        wanted = tuple(file for file in copy.files if file.path != LAST)
        for file in wanted:
            self._store.copy(f"{prefix}/{file.path}", f"{version}/{file.path}")
        if self._found(str(version)).files != wanted:
            raise RefusedError(
                f"what lies in {self._place(str(version))} is not what was copied there."
            )

    def complete(self, prefix: str, version: int, copy: BoundModel) -> None:
        """Copies the last file, so that a server sees the version, whole.

        Raises:
            OSError: If it could not be copied, or not as it was; then no server sees it.
        """
        key = f"{version}/{LAST}"
        self._store.copy(f"{prefix}/{LAST}", key)
        if self._digest(str(version), LAST) not in copy.files:
            self._store.remove(key)
            raise OSError(f"{self._place(key)}: was not copied as it was.")

    def point(self, pointer: Pointer, before: Found | None) -> bool:
        """Writes the pointer, if it still is as it was; returns whether it is ours now."""
        data = pointer.document()
        if self._store.write(POINTER, data, over=before):
            return True
        found = self._store.read(POINTER)  # it is ours if only the answer was lost
        return found is not None and found.data == data

    def remember(self, version: int, entry: dict[str, Any], claimed: Found) -> None:
        """Writes down what the push of a version did."""
        if not self._store.write(_history(version), canonical_json(entry), over=claimed):
            raise OSError(f"{self._place(_history(version))}: somebody else changed it.")

    def withdraw(self, version: int) -> None:
        """Removes what lies where a server looks for a version."""
        self._store.remove_folder(str(version))

    def sweep(self, above: int, *, now: float) -> None:
        """Removes versions that a killed push left half copied a day ago or longer.

        Args:
            above: The version in force; only later ones can be such.
            now: Seconds since 1970.
        """
        for version in self._numbers():
            if version > above and self._is_stale(version, now):
                self.withdraw(version)

    def _is_stale(self, version: int, now: float) -> bool:
        found = self._store.read(_history(version))
        try:
            entry = parse_json(found.data) if found else {}
            is_old = entry["state"] == "begun" and entry["began"] < now - _STALE_SECONDS
        except (KeyError, TypeError, ValueError):
            return False  # no push of ours, so nothing that is ours to remove
        return is_old and LAST not in self._store.keys(str(version))

    def _numbers(self) -> list[int]:
        return [int(n) for n in self._store.folders() if n.isascii() and n.isdigit()]

    def _found(self, folder: str) -> BoundModel:
        files = tuple(self._digest(folder, name) for name in sorted(self._store.keys(folder)))
        return BoundModel(digest=tree_digest(files), files=files)

    def _digest(self, folder: str, name: str) -> FileDigest:
        digest, size = hashlib.sha256(), 0
        for chunk in self._store.chunks(f"{folder}/{name}"):
            digest.update(chunk)
            size += len(chunk)
        return FileDigest(path=name, size=size, sha256="sha256:" + digest.hexdigest())

    def _place(self, key: str) -> str:
        return f"{self._store.url}/{key}"


def _history(version: int) -> str:
    return f"{HISTORY}/{version}.json"
