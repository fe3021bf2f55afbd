"""Globs over variable paths."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.gate.globs import matches, matches_any


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**", "", True),
        ("**", "a/b/c", True),
        ("*", "kernel", True),
        ("*", "dense/kernel", False),
        ("*/kernel", "dense/kernel", True),
        ("*/kernel", "a/dense/kernel", False),
        ("**/kernel", "kernel", True),
        ("**/kernel", "a/b/kernel", True),
        ("**/kernel", "a/b/mykernel", False),
        ("**/kernel", "a/b/kernel/x", False),
        ("**relu**", "net/relu_3/kernel", True),
        ("**/embedding*/**", "net/embedding_1/embeddings", True),
        ("**/embedding*/**", "embedding/embeddings", True),
        ("**/embedding*/**", "net/my_embedding/embeddings", False),
        ("dense_?/bias", "dense_1/bias", True),
        ("dense_?/bias", "dense_12/bias", False),
        ("a?b", "a/b", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "ab", False),
        ("Dense", "dense", False),
        ("dense.kernel", "denseXkernel", False),
        ("", "", True),
        ("", "a", False),
        ("a", "", False),
    ],
)
def test_what_a_glob_matches(pattern, path, expected):
    assert matches(pattern, path) is expected


def test_one_of_several_is_enough():
    assert matches_any(("x", "*/bias"), "dense/bias")
    assert not matches_any((), "dense/bias")


def slowly(pattern, path, at_part=True):
    """The same by the definition, trying every length of every star."""
    if not pattern:
        return not path
    if at_part and pattern.startswith("**/"):
        ends = [0, *(i + 1 for i, char in enumerate(path) if char == "/")]
        return any(slowly(pattern[3:], path[end:], True) for end in ends)
    if pattern.startswith("**"):
        return any(slowly(pattern[2:], path[end:], False) for end in range(len(path) + 1))
    if pattern[0] == "*":
        run = next((i for i, char in enumerate(path) if char == "/"), len(path))
        return any(slowly(pattern[1:], path[end:], False) for end in range(run + 1))
    if not path or (pattern[0] == "?" and path[0] == "/"):
        return False
    if pattern[0] not in {"?", path[0]}:
        return False
    return slowly(pattern[1:], path[1:], pattern[0] == "/")


@given(st.text("ab/*?", max_size=8), st.text("ab/", max_size=8))
def test_is_what_the_definition_says(pattern, path):
    assert matches(pattern, path) == slowly(pattern, path)


def test_many_stars_take_no_longer_than_few():
    # A backtracking matcher would need about 10^40 steps for this.
    start = time.process_time()
    assert not matches("*a" * 40 + "b", "a" * 400)
    assert time.process_time() - start < 1
