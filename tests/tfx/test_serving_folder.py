"""Versions appear whole, one above the other, whoever else is pushing."""

import os
import subprocess
import sys

import pytest

from gradgate.tfx.pusher.checks import RefusedError
from gradgate.tfx.pusher.serving_folder import ServingFolder


def stage(folder, text):
    with folder.incoming() as staging:
        staging.mkdir()
        (staging / "saved_model.pb").write_text(text)
        return folder.publish(staging, now=1000.0)


def test_a_folder_that_is_not_there_has_no_versions(tmp_path):
    assert ServingFolder(tmp_path / "nowhere").versions() == ()


def test_only_names_that_a_server_reads_as_numbers_are_versions(tmp_path):
    for name in ("7", "12", "-3", "1.5", "²", "abc", ".incoming-1", "99999999999999999999"):
        (tmp_path / name).mkdir()
    assert ServingFolder(tmp_path).versions() == (7, 12)


def test_a_version_is_above_every_other_and_at_least_the_time(tmp_path):
    folder = ServingFolder(tmp_path)
    assert stage(folder, "a") == 1000
    (tmp_path / "5000").mkdir()
    assert stage(folder, "b") == 5001


def test_the_greatest_version_that_a_server_reads_is_the_last(tmp_path):
    folder = ServingFolder(tmp_path)
    (tmp_path / "9223372036854775806").mkdir()  # 2^63 - 2
    assert stage(folder, "a") == 9223372036854775807
    with pytest.raises(RefusedError, match="the next would be 9223372036854775808, and a model"):
        stage(folder, "b")
    assert folder.versions() == (9223372036854775806, 9223372036854775807)


def test_a_file_with_a_number_for_a_name_is_not_overwritten(tmp_path):
    (tmp_path / "1000").write_text("not a model")
    assert stage(ServingFolder(tmp_path), "a") == 1001
    assert (tmp_path / "1000").read_text() == "not a model"


def test_a_copy_that_was_not_published_is_removed(tmp_path):
    def fail_half_way():
        with ServingFolder(tmp_path).incoming() as staging:
            staging.mkdir()
            (staging / "half").write_text("x")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []


PUSH_MANY = """
import sys
from gradgate.tfx.pusher.serving_folder import ServingFolder

base, name = sys.argv[1:]
for number in range(20):
    folder = ServingFolder(base)
    with folder.incoming() as staging:
        staging.mkdir()
        (staging / "saved_model.pb").write_text(f"{name}-{number}")
        folder.publish(staging, now=1000.0)
"""


def test_two_pushers_at_once_lose_nothing_and_overwrite_nothing(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pushers = [
        subprocess.Popen([sys.executable, "-c", PUSH_MANY, tmp_path, name], env=environment)
        for name in "ab"
    ]
    assert [pusher.wait(60) for pusher in pushers] == [0, 0]
    texts = {(tmp_path / str(v) / "saved_model.pb").read_text() for v in range(1000, 1040)}
    assert texts == {f"{name}-{number}" for name in "ab" for number in range(20)}
