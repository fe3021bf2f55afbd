"""The gate's own look at an exported model, and its two ties to the record."""

import json
import os

import pytest

from gradgate.contracts import MARK, bind_tree
from gradgate.gate import check_model
from gradgate.gate.integrity.model import compare_model


@pytest.fixture
def exported(copied):
    """A model as the Trainer leaves it, with its mark."""
    path = copied("export")
    (path / MARK).parent.mkdir(exist_ok=True)
    (path / MARK).write_text(json.dumps({"training_uid": "run-1"}))
    return path


@pytest.fixture
def manifest(training, exported):
    return training.replace(model=bind_tree(exported)).manifest


def failed(manifest, path):
    checks = compare_model(manifest, check_model(path))
    return {check.code: check.message for check in checks if check.status == "fail"}


def test_the_model_of_the_record_passes_every_check(manifest, exported):
    found = check_model(exported)
    assert found.tree == manifest.model
    assert found.training_uid == "run-1"
    assert {tensor.nonfinite for tensor in found.weights} == {0}
    checks = compare_model(manifest, found)
    assert [(check.code, check.status) for check in checks] == [
        ("I-MODEL-TREE", "pass"),
        ("I-MODEL-DIGEST", "pass"),
        ("I-RUN-MISMATCH", "pass"),
        ("I-MODEL-WEIGHTS", "pass"),
    ]


def test_one_byte_more_in_any_file_is_another_model(manifest, exported):
    for path in [path for path in exported.rglob("*") if path.is_file()]:
        whole = path.read_bytes()
        path.write_bytes(whole + b"\0")
        found = failed(manifest, exported)
        assert f"(changed: {path.relative_to(exported)})" in found["I-MODEL-DIGEST"]
        path.write_bytes(whole)
    assert failed(manifest, exported) == {}


def test_an_added_and_a_missing_file_are_named(manifest, exported):
    (exported / "extra.txt").write_text("x")
    (exported / "fingerprint.pb").unlink()
    message = failed(manifest, exported)["I-MODEL-DIGEST"]
    assert message.startswith(
        "this is not the model that the training exported (missing: fingerprint.pb; added:"
        " extra.txt): it was changed since, or is of another training; judge a model together with"
        " the record of its own training. It has digest sha256:"
    )


def test_many_changes_are_cut_off(manifest, exported):
    for i in range(9):
        (exported / f"extra-{i}").write_text("x")
    assert "added: extra-0, extra-1, extra-2 ...)" in failed(manifest, exported)["I-MODEL-DIGEST"]


@pytest.mark.parametrize(
    "mark", [None, b"", b"[]", b'{"training_uid": 1}', b'{"a": 1, "a": 2}', b"\xff"]
)
def test_a_model_that_does_not_say_whose_it_is_blocks(training, exported, mark):
    if mark is None:
        (exported / MARK).unlink()
    else:
        (exported / MARK).write_bytes(mark)
    manifest = training.replace(model=bind_tree(exported)).manifest
    assert list(failed(manifest, exported)) == ["I-RUN-MISMATCH"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "assets" / "link").symlink_to("/etc"), "neither a file nor"),
        (lambda path: os.mkfifo(path / "pipe"), "neither a file nor"),
        (lambda path: path.rename(path.with_name("gone")), "not a directory"),
    ],
    ids=["link", "pipe", "gone"],
)
def test_a_tree_that_cannot_be_named_blocks(manifest, exported, damage, message):
    damage(exported)
    found = check_model(exported)
    assert found.tree is None
    assert found.weights is None
    assert message in failed(manifest, exported)["I-MODEL-TREE"]


def test_an_empty_folder_is_no_model(manifest, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no file" in failed(manifest, tmp_path / "empty")["I-MODEL-TREE"]


def test_weights_that_cannot_be_read_block(manifest, exported):
    (exported / "variables" / "variables.index").write_bytes(b"x")
    assert "fewer than its footer" in failed(manifest, exported)["I-MODEL-WEIGHTS"]
    found = check_model(exported)
    assert found.weights is None
    assert "fewer than its footer" in found.weights_problem


def test_a_model_without_float_weights_has_none_to_look_at(saved_models, tmp_path):
    found = check_model(saved_models / "integers")
    assert found.weights is None
    assert "no float tensor" in found.weights_problem
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    bare = check_model(tmp_path)
    assert "no variables/ directory" in bare.weights_problem
    assert bare.problems == ()


def test_sick_weights_block_and_are_named(make, training, saved_models):
    found = check_model(saved_models / "sick")
    verdict = make.verdict(
        training, make.rule("weights.nonfinite", id="w"), model=found, training_only=False
    )
    finding = verdict.findings[0]
    assert (finding.status, finding.evidence, finding.observed.value) == ("fail", "recomputed", 3)
    assert finding.first_offence.variable == "net/first/kernel"
