"""The digest of a directory: it changes if and only if a file's path or content does."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.contracts import TreeError, bind_tree
from gradgate.contracts.tree import tree_digest

names = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/f"])
trees = st.dictionaries(names, st.binary(max_size=5), min_size=1)


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return bind_tree(root)


@given(one=trees, other=trees)
def test_equal_digest_means_equal_files(tmp_path_factory, one, other):
    first = write(tmp_path_factory.mktemp("one"), one)
    second = write(tmp_path_factory.mktemp("other"), other)
    assert (first.digest == second.digest) == (one == other)
    assert [file.path for file in first.files] == sorted(one)
    assert tree_digest(tuple(reversed(first.files))) == first.digest


def test_modes_times_and_empty_folders_say_nothing(tmp_path):
    digest = write(tmp_path, {"a": b"1"}).digest
    (tmp_path / "a").chmod(0o755)
    os.utime(tmp_path / "a", (0, 0))
    (tmp_path / "empty").mkdir()
    assert bind_tree(tmp_path).digest == digest


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "link").symlink_to(root / "a"), "neither a file nor a directory"),
        (lambda root: (root / "dir").symlink_to("/etc"), "neither a file nor a directory"),
        (lambda root: os.mkfifo(root / "pipe"), "neither a file nor a directory"),
        (lambda root: (root / "a").unlink(), "holds no file"),
    ],
    ids=["link to a file", "link to a folder", "pipe", "empty"],
)
def test_what_cannot_be_named_is_refused(tmp_path, damage, message):
    write(tmp_path, {"a": b"1"})
    damage(tmp_path)
    with pytest.raises(TreeError, match=message):
        bind_tree(tmp_path)


def test_a_missing_folder_a_file_and_a_link_are_no_model(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("missing", "file", "link"):
        with pytest.raises(TreeError, match="not a directory"):
            bind_tree(tmp_path / name)
