"""Rows 12 and 31: a model that is not the one that was judged, before, during and after a push."""

import os
import shutil

import pytest

from gradgate.cli.exits import Exit
from gradgate.gate import check_model

DATA = "variables/variables.data-00000-of-00001"


def remove(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def link(path):
    target = path.with_name("outside")
    path.rename(target.parents[2] / "outside")
    path.symlink_to(target.parents[2] / "outside")


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def folder(path):
    path.unlink()
    path.mkdir()


def twice(path):
    shutil.copyfile(path, path.with_name(path.name + ".bak"))


def one_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "name", ["saved_model.pb", DATA, "variables/variables.index", "assets.extra/gradgate.json"]
)
@pytest.mark.parametrize(
    "damage", [remove, empty, link, pipe, folder, twice, one_bit, cut], ids=lambda f: f.__name__
)
def test_no_damage_to_any_file_of_a_model_passes(
    released, verdict_on, not_milder, call, name, damage
):
    clean = verdict_on(released.record, released.model, released.policy)
    assert clean.blessed
    damage(released.model / name)
    faulted = verdict_on(released.record, released.model, released.policy)
    not_milder(clean, faulted)
    assert (faulted.decision, faulted.blessed) == ("block", False)
    failed = {check.code for check in faulted.integrity if check.status == "fail"}
    expected = {"I-MODEL-TREE"} if damage in {link, pipe} else {"I-MODEL-DIGEST"}
    assert expected <= failed, failed
    line = ("verify", "--model", released.model, "--verdict", released.verdict_file)
    assert call(*line).returncode == Exit.NOT_VERIFIED


def test_a_weight_that_is_not_finite_is_seen_in_the_bytes(released, verdict_on):
    """The sum of the tensor says that the bytes are damaged; a sound sum with a NaN is told in
    `tests/gate/test_model_check.py`, on models that TensorFlow wrote."""
    path = released.model / DATA
    data = bytearray(path.read_bytes())
    data[0:4] = b"\x00\x00\xc0\x7f"  # NaN, float32, little-endian
    path.write_bytes(data)
    assert "sum of the tensor" in check_model(released.model).weights_problem
    verdict = verdict_on(released.record, released.model, released.policy)
    failed = {check.code for check in verdict.integrity if check.status == "fail"}
    assert {"I-MODEL-DIGEST", "I-MODEL-WEIGHTS"} <= failed


def test_what_is_changed_after_the_push_is_found_by_verify(released, call, tmp_path):
    """Nothing can hinder who may write to the serving folder; anybody can find out."""
    served = tmp_path / "serving" / "1795432625"
    shutil.copytree(released.model, served)
    line = ("verify", "--model", served, "--verdict", released.verdict_file)
    assert call(*line).returncode == Exit.OK
    one_bit(served / DATA)
    done = call(*line)
    assert done.returncode == Exit.NOT_VERIFIED
    assert f"{DATA} (changed)" in done.stdout
