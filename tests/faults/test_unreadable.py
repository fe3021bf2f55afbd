"""Row 7: reading fails, wherever it can: the exit status says so, and nothing passes by it."""

import errno
import os

import pytest

from gradgate.cli.exits import Exit
from gradgate.contracts import TreeError, bind_tree
from gradgate.gate import check_model
from gradgate.gate.read_verdict import VerdictError, read_verdict


def line_of(released):
    return (
        "check", released.record, "--model", released.model, "--policy", released.policy_file,
        "--as-of", "2026-11-23T05:40:00Z", "--format", "json",
    )  # fmt: skip


def test_each_operation_of_check_fails_once(call, released, trouble):
    clean = call(*line_of(released))
    assert clean.returncode == Exit.OK
    statuses = set()
    for disturbed in trouble.each():
        with disturbed:
            done = call(*line_of(released))
        statuses.add(done.returncode)
        if done.returncode == Exit.OK:  # it was an operation that nothing depends on
            assert done.stdout == clean.stdout
    assert statuses == {Exit.OK, Exit.CANNOT_JUDGE, Exit.BAD_POLICY}
    assert trouble.seen > 20


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES, errno.EINTR], ids=errno.errorcode.get)
def test_each_operation_of_a_judgement_fails_once(released, verdict_on, trouble, not_milder, error):
    clean = verdict_on(released.record, released.model, released.policy)
    assert (clean.decision, clean.blessed) == ("ok", True)
    for disturbed in trouble.each(error):
        with disturbed:
            faulted = verdict_on(released.record, released.model, released.policy)
        not_milder(clean, faulted)
        assert faulted.blessed == (faulted.document() == clean.document())
    assert trouble.seen > 20


def test_each_operation_on_a_verdict_fails_once(released, call, trouble):
    line = ("verify", "--model", released.model, "--verdict", released.verdict_file)
    assert call(*line).returncode == Exit.OK
    for disturbed in trouble.each():
        with disturbed:
            done = call(*line)
        is_undisturbed = trouble.seen < 5 or done.returncode == Exit.OK
        assert done.returncode in {Exit.OK, Exit.NOT_VERIFIED}
        assert is_undisturbed or "not verified: " in done.stdout
    assert done.returncode == Exit.OK
    for disturbed in trouble.each():
        try:
            with disturbed:
                read_verdict(released.verdict_file)
        except VerdictError as error:
            assert error.kind == "missing"


@pytest.mark.parametrize("part", [0, 1, 2, 3, 4, 1000])
def test_a_read_that_ends_too_early(released, verdict_on, monkeypatch, part):
    """As on a network drive that loses its server: bytes are missing, and no error says so."""
    clean = verdict_on(released.record, released.model, released.policy)
    fdopen, seen = os.fdopen, []

    def short(descriptor, *arguments, **options):
        file = fdopen(descriptor, *arguments, **options)
        if len(seen) == part:
            read = file.read
            file.read = lambda size=-1: read(size)[: size // 2]
        seen.append(file.name)
        return file

    monkeypatch.setattr(os, "fdopen", short)
    faulted = verdict_on(released.record, released.model, released.policy)
    if part < 1000:
        assert len(seen) == part + 1
        assert faulted.headline.startswith("BLOCK T-")
    else:
        assert len(seen) == 5
        assert faulted.document() == clean.document()


def test_a_folder_that_cannot_be_looked_into_is_not_one_without_files(tmp_path, monkeypatch):
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "weights").write_bytes(b"w")
    (tmp_path / "saved_model.pb").write_bytes(b"g")
    scandir = os.scandir

    def scan(place):
        if str(place).endswith("variables"):
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(PermissionError):
        bind_tree(tmp_path)
    found = check_model(tmp_path)
    assert [check.code for check in found.problems] == ["I-MODEL-TREE"]


def test_a_name_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"g")
    (tmp_path / os.fsdecode(b"\xff.pb")).write_bytes(b"g")
    with pytest.raises(TreeError, match=r"udcff\.pb': its name is not UTF-8"):
        bind_tree(tmp_path)
    (problem,) = check_model(tmp_path).problems
    assert problem.code == "I-MODEL-TREE"


@pytest.mark.parametrize("place", ["x" * 300, "x/" * 3000], ids=["long name", "long path"])
def test_a_path_that_no_file_can_have(call, tmp_path, place):
    path = tmp_path / place
    done = call("check", path, "--training-only")
    assert (done.returncode, done.stdout[:12]) == (Exit.CANNOT_JUDGE, "BLOCK T-MISS")
    assert call("check", path, "--model", path).returncode == Exit.CANNOT_JUDGE
    assert call("explain", path).returncode == Exit.CANNOT_JUDGE
    assert call("verify", "--model", path, "--verdict", path).returncode == Exit.NOT_VERIFIED
    assert call("check", path, "--policy", path).returncode == Exit.BAD_POLICY


def test_what_may_not_be_read(call, released):
    if os.geteuid() == 0:
        pytest.skip("root reads everything; the operations above fail for it too")
    for path, status in (
        (released.record / "parts", Exit.CANNOT_JUDGE),
        (released.record / "summary.json", Exit.CANNOT_JUDGE),
        (released.record, Exit.CANNOT_JUDGE),
        (released.model / "variables", Exit.CANNOT_JUDGE),
        (released.policy_file, Exit.BAD_POLICY),
    ):
        mode = path.stat().st_mode
        path.chmod(0)
        assert call(*line_of(released)).returncode == status, path
        path.chmod(mode)
