"""The two encodings that a TensorBundle is made of: varints and protocol buffer fields.

Source: https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterator

Field = tuple[int, int | bytes]


class WireError(ValueError):
    """Bytes that are no varint, or no protocol buffer message."""


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns the varint at a position and the position after it.

    Raises:
        WireError: If the data ends before it does, or it has more than 64 bits.
    """
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise WireError("the data ends within a varint")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            if not byte and shift:
                raise WireError("a varint is longer than its number needs")
            return value, at
    raise WireError("a varint has more than 64 bits")


def read_fields(message: bytes) -> Iterator[Field]:
    """Yields `(field number, value)` of a message: an int, or the bytes of a nested field.

    Raises:
        WireError: If the bytes are no message.
    """
    at = 0
    while at < len(message):
        tag, at = read_varint(message, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise WireError("a field has the number 0")
        if kind == 0:
            value, at = read_varint(message, at)
            yield number, value
            continue
        if kind == 2:
            size, at = read_varint(message, at)
        elif kind in {1, 5}:
            size = 8 if kind == 1 else 4
        else:
            raise WireError(f"a field has the wire type {kind}")
        if at + size > len(message):
            raise WireError("the data ends within a field")
        chunk = message[at : at + size]
        at += size
        yield number, chunk if kind == 2 else int.from_bytes(chunk, "little")


def as_bytes(field: int | bytes) -> bytes:
    """The value of a field that must be nested bytes."""
    if isinstance(field, int):
        raise WireError("a field is a number where bytes belong")
    return field


def as_int(field: int | bytes) -> int:
    """The value of a field that must be a number."""
    if isinstance(field, bytes):
        raise WireError("a field is bytes where a number belongs")
    return field


def as_signed(field: int | bytes) -> int:
    """The value of a field that is an int32 or int64: two's complement of 64 bits."""
    value = as_int(field)
    return value - (1 << 64) if value >> 63 else value
