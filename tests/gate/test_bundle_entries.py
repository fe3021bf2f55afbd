"""TensorBundles made by hand, with entries that TensorFlow would not write."""

import importlib.util
import struct
from pathlib import Path

import pytest

from gradgate.gate.integrity.crc32c import crc32c, masked
from gradgate.gate.integrity.tensor_bundle import TensorBundleError, count_weights


@pytest.fixture(scope="module")
def wire():
    """The encoders of `test_wire.py`."""
    path = Path(__file__).with_name("test_wire.py")
    spec = importlib.util.spec_from_file_location("encoders_of_wire", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WEIGHTS = struct.pack("<2f", 1.5, float("nan"))


@pytest.fixture
def bundle(wire, tmp_path):
    """Writes a bundle of one tensor `w` of two float32; numbers of its entry may be changed."""

    def number(field, value):
        return wire.varint(field << 3) + wire.varint(value)

    def shape(*sizes, unknown=False):
        dims = b"".join(
            wire.message((2, number(1, size))) for size in sizes
        )  # fmt: skip
        return dims + (number(3, 1) if unknown else b"")

    def write(sizes=(2,), data=WEIGHTS, shards=1, endianness=0, extra=b"", unknown=False, **given):
        entry = {"dtype": 1, "shard": 0, "offset": 0, "size": 8, **given}
        fields = (
            number(1, entry["dtype"])
            + wire.message((2, shape(*sizes, unknown=unknown)))
            + number(3, entry["shard"])
            + number(4, entry["offset"])
            + number(5, entry["size"])
            + wire.varint(6 << 3 | 5)
            + struct.pack("<I", masked(crc32c(data[: entry["size"]])))
            + extra
        )
        header = number(1, shards) + number(2, endianness)
        index = wire.table(wire.block([(0, b"", header), (0, b"w", fields)]))
        folder = tmp_path / "variables"
        folder.mkdir()
        (folder / "variables.index").write_bytes(index)
        (folder / "variables.data-00000-of-00001").write_bytes(data)
        return tmp_path

    return write


def test_the_bundle_that_the_others_differ_from(bundle):
    (tensor,) = count_weights(bundle()).floats
    assert (tensor.name, tensor.shape, tensor.nonfinite) == ("w", (2,), 1)


def test_an_empty_tensor_in_an_empty_file(bundle):
    (tensor,) = count_weights(bundle(sizes=(0, 5), data=b"", size=0)).floats
    assert tensor.nonfinite == 0


NEGATIVE = 2**64 - 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shards": 0}, "there are 0 data files"),
        ({"shards": 100_000}, "there are 100000 data files"),
        ({"endianness": 1}, "big-endian"),
        ({"shard": 1}, "lies beyond the end of its file"),
        ({"offset": 1}, "lies beyond the end of its file"),
        ({"size": 9}, "lies beyond the end of its file"),
        ({"offset": NEGATIVE}, "negative place or size"),
        ({"sizes": (3,)}, "has 8 bytes; its shape needs 12"),
        ({"sizes": (NEGATIVE,)}, "negative size"),
        ({"unknown": True}, "no known shape"),
        ({"dtype": 99}, "type number 99, which is not known"),
        ({"extra": b"\x3a\x00"}, "stored in slices"),
    ],
)
def test_an_entry_that_cannot_be_right_is_refused(bundle, given, message):
    with pytest.raises(TensorBundleError, match=message):
        count_weights(bundle(**given))
