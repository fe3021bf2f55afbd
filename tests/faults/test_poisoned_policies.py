"""Row 23: policies made to run code, to grow without end, or to mean two things.

The poison itself is in `tests/gate/test_load_policy.py`; here it lies in files and behind names,
and the command line says no: exit status 13, at once.
"""

import os
import time

import pytest

from gradgate.cli.exits import Exit

POISON = ["alias-bomb", "tags", "merge", "twice", "numbers", "deep", "block-deep", "two-documents",
          "directive", "bom", "utf-16", "nul", "right-to-left", "look-alike", "a-path",
          "an-address", "many", "empty", "comment", "newer"]  # fmt: skip


@pytest.fixture
def refused(call, make_record):
    record = make_record()

    def refused(path):
        begin = time.process_time()
        done = call("check", record, "--training-only", "--policy", path)
        assert time.process_time() - begin < 1
        assert done.returncode == Exit.BAD_POLICY, done.stdout + done.stderr
        assert done.stdout == ""
        assert "\x1b" not in done.stderr
        return done.stderr

    return refused


@pytest.mark.parametrize("name", POISON)
def test_it_is_13_at_once(refused, request, name):
    corpus = request.config.rootpath / "tests/faults/corpus/policy"
    assert f"{name}.yaml" in refused(corpus / f"{name}.yaml")


def test_a_file_of_any_kind_that_is_no_plain_one(refused, request, tmp_path):
    small = request.config.rootpath / "tests/faults/corpus/policy/small.yaml"
    (tmp_path / "link.yaml").symlink_to(small)
    assert "is a link; name the file itself" in refused("link.yaml")
    (tmp_path / "two").symlink_to(tmp_path / "two")
    assert "is a link; name the file itself" in refused("two")


def test_a_pipe_and_a_device_are_not_waited_for(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "is not a plain file" in refused("pipe.yaml")
    assert "is not a plain file" in refused("/dev/zero")
    assert "directory" in refused(".")


@pytest.mark.parametrize(
    "address", ["file:///etc/hostname", "http://127.0.0.1:1/policy.yaml", "s3://bucket/policy"]
)
def test_an_address_is_no_file(refused, address):
    assert "No such file or directory" in refused(address)


def test_ten_megabytes_and_eight_gigabytes(refused, tmp_path):
    (tmp_path / "large.yaml").write_bytes(b"x: " + b"y" * 10_000_000)
    assert "bytes, and a policy has at most 262144" in refused("large.yaml")
    with (tmp_path / "larger.yaml").open("wb") as file:
        file.truncate(1 << 33)
    assert "bytes, and a policy has at most 262144" in refused("larger.yaml")
