"""S3, and what speaks its language (MinIO, Ceph, SeaweedFS, R2, ...), through boto3.

Address, region, credentials and how often a call is tried again are boto3's own affair
(`AWS_ENDPOINT_URL_S3`, `AWS_ACCESS_KEY_ID`, `AWS_MAX_ATTEMPTS`, a profile, a role): none of them
enters the pipeline.

A small object is written on a condition (`If-Match`, `If-None-Match`) that the server checks:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html. A server that does
not know these headers must not be used by two pushers at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from gradgate.tfx.pusher.object_store import Found

_CHUNK = 1 << 20
_PAGE = 1000  # the most that a server gives at once
_MOST_BYTES = 1 << 20  # of a small object
_ABSENT = {"NoSuchKey", "404", "NotFound"}
_CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


class S3Store:
    """The objects below `s3://BUCKET/PREFIX`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        with self._named(""):
            self._client = boto3.client("s3")

    def keys(self, below: str) -> list[str]:
        """Every key below a folder."""
        start = f"{self._prefix}{below}/"
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=start, PaginationConfig={"PageSize": _PAGE}
        )
        with self._named(below):
            found = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return [key.removeprefix(start) for key in found]

    def folders(self) -> list[str]:
        """Names of the folders at the top."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
        )
        with self._named(""):
            found = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", ())]
        return [name.removeprefix(self._prefix).rstrip("/") for name in found]

    def chunks(self, key: str) -> Iterator[bytes]:
        """The bytes of an object."""
        with self._named(key):
            body = self._client.get_object(**self._at(key))["Body"]
            yield from body.iter_chunks(_CHUNK)

    def upload(self, path: Path, key: str) -> None:
        """Writes a file to an object; a large one in parts, which the server puts together."""
        with self._named(key):
            self._client.upload_file(str(path), self._bucket, self._prefix + key)

    def copy(self, key: str, to: str) -> None:
        """Copies an object; the bytes do not leave the server."""
        with self._named(to):
            self._client.copy(self._at(key), self._bucket, self._prefix + to)

    def read(self, key: str) -> Found | None:
        """A small object."""
        with self._named(key):
            try:
                answer = self._client.get_object(**self._at(key))
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise
            data = answer["Body"].read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise OSError(f"{self.url}/{key}: is larger than {_MOST_BYTES} bytes.")
        return Found(data=data, state=answer["ETag"])

    def write(self, key: str, data: bytes, *, over: Found | None) -> bool:
        """Writes a small object, if it still is as it was found; the server sees to that."""
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over.state}
        with self._named(key):
            try:
                self._client.put_object(**self._at(key), Body=data, **condition)
            except ClientError as error:
                # Who must find it and finds nothing was overtaken too: by one who removed it.
                if _code(error) in _CHANGED or (over is not None and _code(error) in _ABSENT):
                    return False
                raise
        return True

    def remove(self, key: str) -> None:
        """Removes an object."""
        with self._named(key):
            self._client.delete_object(**self._at(key))

    def remove_folder(self, below: str) -> None:
        """Removes every object below a folder."""
        for name in self.keys(below):
            self.remove(f"{below}/{name}")

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    @contextmanager
    def _named(self, key: str) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, Boto3Error, ClientError) as error:
            kind = OSError
            if isinstance(error, ClientError) and _code(error) in _ABSENT:
                kind = FileNotFoundError
            place = f"{self.url}/{key}" if key else self.url
            raise kind(f"{place}: {error}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
