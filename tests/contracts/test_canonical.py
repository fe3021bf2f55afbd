"""One way to write JSON, one strict way to read it."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.contracts import canonical_json, parse_json, sha256

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=20,
)


@given(plain)
def test_reads_back_what_it_wrote_and_writes_it_again_the_same(value):
    data = canonical_json(value)
    assert parse_json(data) == value
    assert canonical_json(parse_json(data)) == data


def test_the_order_of_keys_and_white_space_say_nothing():
    assert canonical_json({"b": 1, "a": [1.5, None]}) == b'{"a":[1.5,null],"b":1}'
    assert canonical_json({"ä": "ö"}) == '{"ä":"ö"}'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_non_finite_number_cannot_be_written(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json([value])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', "names a key twice: a"),
        (b'{"x": [{"k": 1, "k": 1}]}', "names a key twice: k"),
        (b"[NaN]", "the number NaN; a non-finite number is written as a string"),
        (b"[-Infinity]", "the number -Infinity"),
        (b"[1e999]", "the number 1e999, which is too large"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff", "invalid start byte"),
        (b"", "Expecting value"),
        (b"{}{}", "Extra data"),
    ],
)
def test_what_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        parse_json(data)


@given(st.binary(max_size=200))
def test_whatever_the_bytes_it_is_a_value_error(data):
    with contextlib.suppress(ValueError):
        parse_json(data)


def test_a_digest_names_its_algorithm():
    # SHA-256 of the empty string, FIPS 180-4.
    assert sha256(b"") == (
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
