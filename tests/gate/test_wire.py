"""The encodings under a TensorBundle, on bytes made by hand."""

import struct

import pytest

from gradgate.gate.integrity.crc32c import crc32c, masked
from gradgate.gate.integrity.object_graph import KEY, names, read_strings
from gradgate.gate.integrity.sstable import read_table
from gradgate.gate.integrity.wire import (
    WireError,
    as_bytes,
    as_int,
    as_signed,
    read_fields,
    read_varint,
)

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


def test_a_varint_by_hand():
    # 300 = 0b10_0101100: low seven bits 0x2c with the continuation bit, then 2.
    assert read_varint(b"\xac\x02", 0) == (300, 2)
    assert read_varint(b"x\x00", 1) == (0, 2)
    assert read_varint(b"\xff" * 9 + b"\x01", 0) == (2**64 - 1, 10)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends within a varint"),
        (b"\x80", "ends within a varint"),
        (b"\xff" * 9 + b"\x02", "more than 64 bits"),
        (b"\xff" * 11, "more than 64 bits"),
        (b"\x8e\x00", "longer than its number needs"),
    ],
)
def test_no_varint(data, message):
    with pytest.raises(WireError, match=message):
        read_varint(data, 0)


def test_fields_by_hand():
    # 1: varint 150; 2: bytes "ab"; 3: fixed32 1; 4: fixed64 2.
    message = b"\x08\x96\x01\x12\x02ab\x1d\x01\0\0\0\x21\x02\0\0\0\0\0\0\0"
    assert list(read_fields(message)) == [(1, 150), (2, b"ab"), (3, 1), (4, 2)]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\x12\x05ab", "ends within a field"),
        (b"\x1d\x01\0", "ends within a field"),
        (b"\x00\x00", "number 0"),
        (b"\x0b", "wire type 3"),
    ],
)
def test_no_message(message, reason):
    with pytest.raises(WireError, match=reason):
        list(read_fields(message))


def test_a_field_of_the_other_kind_is_refused():
    with pytest.raises(WireError, match="number where bytes belong"):
        as_bytes(1)
    with pytest.raises(WireError, match="bytes where a number belongs"):
        as_int(b"")
    assert as_signed(2**64 - 1) == -1
    assert as_signed(5) == 5


# --- The table -------------------------------------------------------------------------------
def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def block(entries, kind=0, restarts=(0,), crc=None):
    content = b"".join(
        varint(shared) + varint(len(key)) + varint(len(value)) + key + value
        for shared, key, value in entries
    )
    content += b"".join(struct.pack("<I", at) for at in restarts)
    content += struct.pack("<I", len(restarts)) + bytes([kind])
    return content + struct.pack("<I", masked(crc32c(content)) if crc is None else crc)


def table(data, index=None, magic=MAGIC):
    """One block of data behind an index that points at it."""
    body = data
    meta = block([])
    index = index or block([(0, b"z", varint(0) + varint(len(data) - 5))])
    handles = (
        varint(len(body)) + varint(len(meta) - 5)
        + varint(len(body) + len(meta)) + varint(len(index) - 5)
    )  # fmt: skip
    return body + meta + index + handles.ljust(40, b"\0") + magic


def test_a_table_by_hand():
    # The second key shares "ab" with the first.
    assert read_table(table(block([(0, b"abc", b"1"), (2, b"d", b"22")]))) == {
        b"abc": b"1",
        b"abd": b"22",
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"short", "5 bytes, fewer than its footer"),
        (table(block([(0, b"a", b"1")]), magic=b"\0" * 8), "magic number"),
        (table(block([(0, b"a", b"1")], crc=1)), "sum does not match"),
        (table(block([(0, b"a", b"1")], kind=1)), r"compressed \(type 1\)"),
        (table(block([(0, b"b", b"1"), (0, b"a", b"2")])), "not in order"),
        (table(block([(0, b"a", b"1"), (0, b"a", b"2")])), "not in order"),
        (table(block([(3, b"a", b"1")])), "lies beyond its end"),
        (table(block([(0, b"a", b"1")]), block([(0, b"z", b"\x7f\x7f")])), "beyond the end"),
        (table(block([], restarts=())[:-9] + b"\0" + struct.pack("<I", masked(crc32c(b"\0")))),
         "shorter than its count"),
    ],
)  # fmt: skip
def test_no_table(data, message):
    with pytest.raises(WireError, match=message):
        read_table(data)


def test_padding_that_is_not_empty():
    data = bytearray(table(block([(0, b"a", b"1")])))
    data[-9] = 1
    with pytest.raises(WireError, match="padding"):
        read_table(bytes(data))


def test_more_restarts_than_bytes():
    content = struct.pack("<I", 9) + b"\0"
    bad = content + struct.pack("<I", masked(crc32c(content)))
    with pytest.raises(WireError, match="more restarts than bytes"):
        read_table(table(bad))


# --- Names -----------------------------------------------------------------------------------
def message(*fields):
    return b"".join(
        varint(number << 3 | 2) + varint(len(value)) + value for number, value in fields
    )


def test_names_by_hand():
    attribute = message((1, b"VARIABLE_VALUE"), (2, b"dense/kernel:0"), (3, b"v/0"))
    without_name = message((1, b"X"), (3, b"v/1"))
    node = message((1, b"child"), (2, attribute), (2, without_name))
    graph = message((1, node), (9, b"newer"))
    assert names({KEY: (graph,)}) == {"v/0": "dense/kernel"}
    assert names({}) == {}


def string_tensor(*strings, lie=0):
    lengths = b"".join(varint(len(s)) for s in strings)
    crc = 0
    for s in strings:
        crc = crc32c(len(s).to_bytes(4, "little"), crc)
    stored = struct.pack("<I", masked(crc) + lie)
    return lengths + stored + b"".join(strings), masked(
        crc32c(b"".join(strings), crc32c(stored, crc))
    )


def test_strings_by_hand():
    data, crc = string_tensor(b"ab", b"", b"c")
    assert read_strings(data, (3,), crc) == (b"ab", b"", b"c")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data, crc: (data[:-1], (2,), crc), "does not have the bytes"),
        (lambda data, crc: (data + b"x", (2,), crc), "does not have the bytes"),
        (lambda data, crc: (data, (2,), crc ^ 1), "sum of a string tensor"),
        (lambda data, crc: (data[:3], (2,), crc), "do not match their sum"),
        (lambda data, crc: (data, (10**12,), crc), "varint|do not match their sum"),
        (lambda data, crc: (string_tensor(b"ab", b"c", lie=1)[0], (2,), crc), "match their sum"),
    ],
)
def test_no_strings(change, message):
    data, crc = string_tensor(b"ab", b"c")
    with pytest.raises(WireError, match=message):
        read_strings(*change(data, crc))
