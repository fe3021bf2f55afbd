"""Reading weights from the bytes that TensorFlow wrote, and refusing bytes that it did not."""

import random

import numpy as np
import pytest

from gradgate.gate.integrity import tensor_bundle
from gradgate.gate.integrity.crc32c import crc32c, masked
from gradgate.gate.integrity.tensor_bundle import TensorBundleError, count_weights

INDEX = "variables/variables.index"
DATA = "variables/variables.data-00000-of-00001"


def by_name(path):
    return {tensor.name: tensor for tensor in count_weights(path).floats}


def test_a_keras_export_is_read_by_the_names_of_its_variables(saved_models):
    found = by_name(saved_models / "export")
    assert set(found) == {
        "net/first/kernel",
        "net/first/bias",
        "net/dense/kernel",
        "net/dense/bias",
    }
    assert found["net/first/kernel"].shape == (4, 8)
    assert found["net/first/kernel"].dtype == "float32"
    assert sum(tensor.nonfinite for tensor in found.values()) == 0


def test_injected_non_finite_weights_are_counted_where_they_are(saved_models):
    found = by_name(saved_models / "sick")
    assert {name: tensor.nonfinite for name, tensor in found.items() if tensor.nonfinite} == {
        "net/first/kernel": 3
    }


def test_an_optimizer_in_the_model_is_looked_at_too(saved_models):
    weights = count_weights(saved_models / "with_optimizer")
    names = {tensor.name for tensor in weights.floats}
    assert any("momentum" in name for name in names)
    assert any("_iterations" in key for key in weights.others)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_float_type_is_counted(saved_models, dtype):
    # The values are 1, NaN, -inf, 65504 and 0.
    tensor = by_name(saved_models / "mixed")[dtype]
    assert (tensor.dtype, tensor.shape, tensor.nonfinite) == (dtype, (5,), 2)


def test_scalars_empty_tensors_and_large_ones(saved_models, monkeypatch):
    monkeypatch.setattr(tensor_bundle, "_CHUNK", 1 << 20)  # 12 stretches for the large one
    found = by_name(saved_models / "mixed")
    assert (found["scalar"].shape, found["scalar"].nonfinite) == ((), 1)
    assert (found["empty"].shape, found["empty"].nonfinite) == ((0, 3), 0)
    assert found["large"].nonfinite == 1
    assert any("whole" in key for key in count_weights(saved_models / "mixed").others)


def test_a_model_of_whole_numbers_has_no_float_tensor(saved_models):
    assert count_weights(saved_models / "integers").floats == ()


@pytest.mark.parametrize("name", [INDEX, DATA])
def test_a_missing_file_is_an_error(copied, name):
    path = copied("tiny")
    (path / name).unlink()
    with pytest.raises(TensorBundleError, match="No such file"):
        count_weights(path)


@pytest.mark.parametrize("name", [INDEX, DATA])
def test_truncated_anywhere_never_passes(copied, name):
    path = copied("tiny")
    whole = (path / name).read_bytes()
    for length in range(len(whole)):
        (path / name).write_bytes(whole[:length])
        with pytest.raises(TensorBundleError):
            count_weights(path)


@pytest.mark.parametrize("name", [INDEX, DATA])
def test_a_flipped_bit_never_passes(copied, name):
    path = copied("tiny")
    whole = (path / name).read_bytes()
    for bit in random.Random(7).sample(range(8 * len(whole)), min(500, 8 * len(whole))):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (path / name).write_bytes(flipped)
        with pytest.raises(TensorBundleError):
            count_weights(path)


def test_a_flipped_bit_of_a_weight_is_always_seen(copied):
    path = copied("tiny")
    whole = (path / DATA).read_bytes()
    assert len(whole) > 8
    for bit in range(8 * 8):  # the two float32 stand first
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (path / DATA).write_bytes(flipped)
        with pytest.raises(TensorBundleError, match="sum of"):
            count_weights(path)


def test_garbage_after_the_weights_is_nobodys_tensor(copied):
    path = copied("tiny")
    clean = count_weights(path)
    with (path / DATA).open("ab") as file:
        file.write(b"x" * 100)
    assert count_weights(path) == clean  # the digest of the tree is what sees it


@pytest.mark.parametrize("content", [b"", b"\0" * 48, b"x" * 1000, b"\xff" * 4096])
def test_any_other_file_is_no_index(copied, content):
    path = copied("tiny")
    (path / INDEX).write_bytes(content)
    with pytest.raises(TensorBundleError, match="the weights cannot be read"):
        count_weights(path)


# --- The sum ---------------------------------------------------------------------------------
def test_the_sum_is_that_of_the_standard():
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    assert crc32c(b"\0" * 32) == 0x8A9136AA  # RFC 3720, B.4
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"") == 0


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 12_289, 100_000])
def test_lanes_and_bytes_give_one_sum(size):
    data = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8)
    state = 0xFFFFFFFF
    for byte in data.tolist():
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    assert crc32c(data) == state ^ 0xFFFFFFFF
    assert crc32c(data[size // 3 :], crc32c(data[: size // 3])) == state ^ 0xFFFFFFFF


def test_masking_is_leveldbs():
    # ((crc >> 15) | (crc << 17)) + 0xa282ead8, in 32 bits, of 1: 0x20000 + 0xa282ead8.
    assert masked(1) == 0xA284EAD8
