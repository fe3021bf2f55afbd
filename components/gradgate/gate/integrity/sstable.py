"""Reads the index of a TensorBundle: a LevelDB table of sorted keys, uncompressed.

Source: LevelDB's doc/table_format.md and TensorFlow's core/lib/io/format.cc. Every block carries
a CRC-32C, and every one is checked.
"""

import struct
from collections.abc import Iterator

from gradgate.gate.integrity.crc32c import crc32c, masked
from gradgate.gate.integrity.wire import WireError, read_varint

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5  # one byte of compression type, four of sum


def read_table(data: bytes) -> dict[bytes, bytes]:
    """Returns the entries of a table.

    Raises:
        WireError: If the bytes are no such table, a sum is wrong, keys are out of order or stand
            twice, or a block is compressed.
    """
    if len(data) < _FOOTER:
        raise WireError(f"the table has {len(data)} bytes, fewer than its footer of {_FOOTER}")
    footer = data[-_FOOTER:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise WireError("the table does not end with its magic number")
    meta_offset, at = read_varint(footer, 0)
    meta_size, at = read_varint(footer, at)
    list(_entries(_block(data, meta_offset, meta_size)))
    index_offset, at = read_varint(footer, at)
    index_size, at = read_varint(footer, at)
    if footer[at:-8].strip(b"\0"):
        raise WireError("the padding of the footer is not empty")

    entries: dict[bytes, bytes] = {}
    last: bytes | None = None
    for _, handle in _entries(_block(data, index_offset, index_size)):
        offset, at = read_varint(handle, 0)
        size, _ = read_varint(handle, at)
        for key, value in _entries(_block(data, offset, size)):
            if last is not None and key <= last:
                raise WireError("the keys of the table are not in order")
            entries[key] = value
            last = key
    return entries


def _block(data: bytes, offset: int, size: int) -> bytes:
    end = offset + size
    if end + _TRAILER > len(data) - _FOOTER:
        raise WireError("a block lies beyond the end of the table")
    stored = int.from_bytes(data[end + 1 : end + _TRAILER], "little")
    if masked(crc32c(data[offset : end + 1])) != stored:
        raise WireError("a block's sum does not match its bytes")
    if data[end] != 0:
        raise WireError(f"a block is compressed (type {data[end]}), which TensorFlow never does")
    return data[offset:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(block) < 4:
        raise WireError("a block is shorter than its count of restarts")
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise WireError("a block has more restarts than bytes")
    at, key = 0, b""
    while at < end:
        shared, at = read_varint(block, at)
        fresh, at = read_varint(block, at)
        size, at = read_varint(block, at)
        if shared > len(key) or at + fresh + size > end:
            raise WireError("an entry of a block lies beyond its end")
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + size]
        at += size
