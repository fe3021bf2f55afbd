"""Variable names in a checkpoint: its keys are positions, the names stand in its object graph.

Source: TensorFlow's protobuf/trackable_object_graph.proto; the layout of a string tensor is that
of `WriteStringTensor` in core/util/tensor_bundle/tensor_bundle.cc.
"""

import math
from collections.abc import Mapping
from typing import Final

from gradgate.gate.integrity.crc32c import crc32c, masked
from gradgate.gate.integrity.wire import WireError, as_bytes, read_fields, read_varint

KEY: Final = "_CHECKPOINTABLE_OBJECT_GRAPH"


def names(tensors: Mapping[str, tuple[bytes, ...]]) -> dict[str, str]:
    """Returns the full name of each key, as far as the object graph (at `KEY`) has one.

    Reads TrackableObjectGraph: 1 nodes {2 attributes {2 full_name, 3 checkpoint_key}}.
    """
    found = {}
    for graph in tensors.get(KEY, ()):
        for number, node in read_fields(graph):
            if number != 1:
                continue
            for kind, attribute in read_fields(as_bytes(node)):
                if kind != 2:
                    continue
                fields = dict(read_fields(as_bytes(attribute)))
                name = as_bytes(fields.get(2, b"")).decode("utf-8")
                key = as_bytes(fields.get(3, b"")).decode("utf-8")
                if name and key:
                    found[key] = name.removesuffix(":0")
    return found


def read_strings(data: bytes, shape: tuple[int, ...], crc: int) -> tuple[bytes, ...]:
    """Returns the strings of a tensor: varint lengths, their sum, then the bytes.

    Raises:
        WireError: If a length or a sum does not fit the bytes.
    """
    lengths, at, running = [], 0, 0
    for _ in range(min(math.prod(shape), len(data) + 1)):
        length, at = read_varint(data, at)
        lengths.append(length)
        running = crc32c(length.to_bytes(4 if length <= 0xFFFFFFFF else 8, "little"), running)
    stored = data[at : at + 4]
    if len(stored) < 4 or int.from_bytes(stored, "little") != masked(running):
        raise WireError("the lengths of a string tensor do not match their sum")
    at += 4
    if at + sum(lengths) != len(data):
        raise WireError("a string tensor does not have the bytes that its lengths say")
    strings = []
    for length in lengths:
        strings.append(data[at : at + length])
        at += length
    if masked(crc32c(data[len(data) - sum(lengths) :], crc32c(stored, running))) != crc:
        raise WireError("the sum of a string tensor does not match its bytes")
    return tuple(strings)
