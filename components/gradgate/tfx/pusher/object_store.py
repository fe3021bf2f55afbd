"""What a push needs of an object store, and which stores there are.

A store has no rename. What it can do is to write one small object whole, and, if it is a good one,
to do so only if nobody else has written it meanwhile.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """A small object as it was read: its bytes, and what names this state of it."""

    data: bytes
    state: str


class ObjectStore(Protocol):
    """The objects below one address. Keys are relative to it; whatever fails is an `OSError`.

    Attributes:
        url: The address, such as `s3://bucket/serving/taxi`.
    """

    url: str

    def keys(self, below: str) -> list[str]:
        """Every key below a folder, relative to that folder; none if there is no such folder."""

    def folders(self) -> list[str]:
        """Names of the folders at the top."""

    def chunks(self, key: str) -> Iterator[bytes]:
        """The bytes of an object, piece by piece."""

    def upload(self, path: Path, key: str) -> None:
        """Writes a file to an object, whole or not at all."""

    def copy(self, key: str, to: str) -> None:
        """Copies an object within the store."""

    def read(self, key: str) -> Found | None:
        """A small object; None if there is none."""

    def write(self, key: str, data: bytes, *, over: Found | None) -> bool:
        """Writes a small object, if it still is as it was found.

        Args:
            key: Of the object.
            data: Its new bytes.
            over: What it must be; None if it must not be there.

        Returns:
            Whether it was written; if not, somebody else was faster.
        """

    def remove(self, key: str) -> None:
        """Removes an object."""

    def remove_folder(self, below: str) -> None:
        """Removes every object below a folder; there may be none."""


def open_store(url: str) -> ObjectStore:
    """Returns the store at an address.

    Raises:
        ValueError: If its scheme is none of `SCHEMES`.
        OSError: If what speaks to it is not installed.
    """
    scheme = scheme_of(url)
    if scheme not in SCHEMES:
        raise ValueError(
            f"{url}: expected an address that begins with {_listed()}, or a directory."
        )
    return SCHEMES[scheme](url.rstrip("/"))


def scheme_of(url: str) -> str:
    """What stands before `://`; empty for a path."""
    scheme, is_address, _ = url.partition("://")
    return scheme if is_address else ""


def _listed() -> str:
    return " or ".join(f"{scheme}://" for scheme in SCHEMES)


def _s3(url: str) -> ObjectStore:
    try:
        from gradgate.tfx.pusher.s3_store import S3Store
    except ImportError as error:
        raise OSError(f"{url}: {error.name} is not installed. Install gradgate[s3].") from error
    return S3Store(url)


def _gfile(url: str) -> ObjectStore:
    from gradgate.tfx.pusher.gfile_store import GfileStore

    return GfileStore(url)


SCHEMES: Final[dict[str, Callable[[str], ObjectStore]]] = {"s3": _s3, "gs": _gfile}
