"""Counts NaN and infinite weights in the `variables/` of a SavedModel, without TensorFlow.

What a training says about its weights is a claim; this is the gate's own look at the bytes that
would be pushed. Every tensor is read, and its CRC-32C checked, in stretches of bounded size.

Source: TensorFlow's core/util/tensor_bundle/tensor_bundle.cc and protobuf/tensor_bundle.proto.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.integrity import object_graph
from gradgate.gate.integrity.crc32c import crc32c, masked
from gradgate.gate.integrity.sstable import read_table
from gradgate.gate.integrity.wire import WireError, as_bytes, as_int, as_signed, read_fields

_CHUNK: Final = 1 << 24  # bytes, a multiple of every item size
_STRING: Final = 7
_FLOATS: Final[Mapping[int, str]] = {1: "float32", 2: "float64", 14: "bfloat16", 19: "float16"}
# Of types that cannot be NaN, and of complex ones, which are two floats side by side.
_OTHERS: Final[Mapping[int, tuple[str, int]]] = {
    3: ("int32", 4),
    4: ("uint8", 1),
    5: ("int16", 2),
    6: ("int8", 1),
    9: ("int64", 8),
    10: ("bool", 1),
    17: ("uint16", 2),
    22: ("uint32", 4),
    23: ("uint64", 8),
}
_SIZES: Final = {"float32": 4, "float64": 8, "bfloat16": 2, "float16": 2}


class TensorBundleError(ValueError):
    """Weights that cannot be read, so nothing can be said about them; says which file and why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorCount:
    """One float tensor.

    Attributes:
        name: The variable's own name, such as `sequential/dense/kernel`; else the key.
        key: Its key in the checkpoint.
        nonfinite: NaN and infinite entries.
        is_constant: Whether it has several entries that are all the same number.
        sha256: Of its bytes, little-endian and row by row.
    """

    name: str
    key: str
    dtype: str
    shape: tuple[int, ...]
    nonfinite: int
    is_constant: bool = False
    sha256: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """What a SavedModel holds: float tensors that were counted, and the keys of all others."""

    floats: tuple[TensorCount, ...]
    others: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Entry:
    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


def count_weights(model: str | os.PathLike[str]) -> Weights:
    """Reads every tensor of a SavedModel directory.

    Raises:
        TensorBundleError: If there are no variables, or a byte of them cannot be right.
    """
    folder = Path(model) / "variables"
    try:
        return _count(folder)
    except (WireError, OSError, UnicodeDecodeError) as error:
        raise TensorBundleError(f"{folder}: the weights cannot be read: {error}.") from error


def _count(folder: Path) -> Weights:
    table = read_table((folder / "variables.index").read_bytes())
    shards = _shards_of(table.pop(b"", b""))
    entries = {key.decode("utf-8"): _entry(value) for key, value in table.items()}
    paths = [folder / f"variables.data-{i:05d}-of-{shards:05d}" for i in range(shards)]
    files = [_map(path) for path in paths]
    for key, entry in entries.items():
        if entry.shard >= shards or entry.offset + entry.size > len(files[entry.shard]):
            raise WireError(f"the tensor {key} lies beyond the end of its file")
    names = object_graph.names(
        {k: _strings(files[e.shard], e) for k, e in entries.items() if k == object_graph.KEY}
    )
    floats, others = [], []
    for key, entry in sorted(entries.items()):
        if entry.dtype == _STRING:
            _strings(files[entry.shard], entry)
            others.append(key)
            continue
        read = _read(files[entry.shard], key, entry)
        if entry.dtype not in _FLOATS:
            others.append(key)
            continue
        count = TensorCount(
            name=names.get(key, key),
            key=key,
            dtype=_FLOATS[entry.dtype],
            shape=entry.shape,
            nonfinite=read.nonfinite,
            is_constant=read.is_constant,
            sha256=read.sha256,
        )
        floats.append(count)
    return Weights(floats=tuple(floats), others=tuple(others))


def _map(path: Path) -> NDArray[np.uint8]:
    if not path.stat().st_size:  # an empty file cannot be mapped
        return np.empty(0, dtype=np.uint8)
    return np.memmap(path, dtype=np.uint8, mode="r")


def _shards_of(header: bytes) -> int:
    """Reads BundleHeaderProto: 1 shards, 2 endianness (0 is little)."""
    fields = dict(read_fields(header))
    shards = as_int(fields.get(1, 0))
    if not 0 < shards < 100_000:
        raise WireError(f"the index says that there are {shards} data files")
    if as_int(fields.get(2, 0)) != 0:
        raise WireError("the tensors are big-endian, which this gate does not read")
    return shards


def _entry(message: bytes) -> _Entry:
    """Reads BundleEntryProto: 1 dtype, 2 shape, 3 shard, 4 offset, 5 size, 6 crc32c, 7 slices."""
    fields = list(read_fields(message))
    if any(number == 7 for number, _ in fields):
        raise WireError("a tensor is stored in slices, which this gate does not read")
    values = dict(fields)
    numbers = {i: as_signed(values.get(i, 0)) for i in (1, 3, 4, 5)}
    if min(numbers.values()) < 0:
        raise WireError("a tensor has a negative place or size")
    return _Entry(
        dtype=numbers[1],
        shape=tuple(_shape(as_bytes(values.get(2, b"")))),
        shard=numbers[3],
        offset=numbers[4],
        size=numbers[5],
        crc=as_int(values.get(6, 0)),
    )


def _shape(message: bytes) -> Iterator[int]:
    """Reads TensorShapeProto: 2 dim {1 size}, 3 unknown_rank."""
    for number, field in read_fields(message):
        if number == 3 and as_int(field):
            raise WireError("a tensor has no known shape")
        if number == 2:
            size = as_signed(dict(read_fields(as_bytes(field))).get(1, 0))
            if size < 0:
                raise WireError("a tensor has a negative size")
            yield size


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Read:
    """What `TensorCount` says of the bytes; of a type that is no float only the digest counts."""

    nonfinite: int
    is_constant: bool
    sha256: str


def _read(file: NDArray[np.uint8], key: str, entry: _Entry) -> _Read:
    """Reads a tensor's bytes, once."""
    dtype = _FLOATS.get(entry.dtype)
    name, width = (dtype, _SIZES[dtype]) if dtype else _OTHERS.get(entry.dtype, ("", 0))
    if not name:
        raise WireError(f"the tensor {key} has the type number {entry.dtype}, which is not known")
    expected = width
    for size in entry.shape:
        expected *= size
    if expected != entry.size:
        raise WireError(f"the tensor {key} has {entry.size} bytes; its shape needs {expected}")
    crc, nonfinite, digest = 0, 0, hashlib.sha256()
    is_constant, first = expected > width, b""
    for start in range(entry.offset, entry.offset + entry.size, _CHUNK):
        chunk = file[start : min(start + _CHUNK, entry.offset + entry.size)]
        crc = crc32c(chunk, crc)
        digest.update(chunk.tobytes())
        nonfinite += _nonfinite(chunk, dtype) if dtype else 0
        first = first or chunk[:width].tobytes()
        is_constant = is_constant and bool(dtype) and _is_all(chunk, first)
    if masked(crc) != entry.crc:
        raise WireError(f"the sum of the tensor {key} does not match its bytes")
    return _Read(
        nonfinite=nonfinite, is_constant=is_constant, sha256=f"sha256:{digest.hexdigest()}"
    )


def _nonfinite(chunk: NDArray[np.uint8], dtype: str) -> int:
    raw = np.ascontiguousarray(chunk)
    if dtype == "bfloat16":  # the upper half of a float32: all exponent bits set is not finite
        exponent = raw.view("<u2") & np.uint16(0x7F80)
        return int(np.count_nonzero(exponent == 0x7F80))
    values = raw.view(np.dtype(dtype).newbyteorder("<"))
    return int(np.count_nonzero(~np.isfinite(values)))


def _is_all(chunk: NDArray[np.uint8], first: bytes) -> bool:
    """Whether every float is the same as the first; 0 and -0 are."""
    kind = np.dtype(f"<u{len(first)}")
    magnitude = np.array(-1, dtype=f"<i{len(first)}").view(kind) >> np.array(1, dtype=kind)
    bits, one = np.ascontiguousarray(chunk).view(kind), np.frombuffer(first, dtype=kind)
    return bool(((bits == one) | ((bits | one) & magnitude == 0)).all())


def _strings(file: NDArray[np.uint8], entry: _Entry) -> tuple[bytes, ...]:
    return object_graph.read_strings(
        file[entry.offset : entry.offset + entry.size].tobytes(), entry.shape, entry.crc
    )
