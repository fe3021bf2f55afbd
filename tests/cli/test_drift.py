"""`gradgate drift` on a serving folder; what it says of MLflow's alias is tested with MLflow."""

import json

import pytest

from gradgate.cli.exits import Exit
from gradgate.contracts import bind_tree
from gradgate.tfx.pusher.serving_folder import HISTORY, ServingFolder


@pytest.fixture
def pushed(tmp_path):
    """A folder to which two versions were pushed, and then a refused one."""
    folder = ServingFolder(tmp_path / "serving")
    folder.base.mkdir()
    folder.open_history()
    for number in (100, 200):
        model = folder.base / str(number)
        model.mkdir()
        (model / "saved_model.pb").write_bytes(b"graph of %d" % number)
        digest = bind_tree(model).digest
        folder.remember({"pushed": True, "version": number, "model_digest": digest})
    folder.remember({"pushed": False, "version": None, "model_digest": "sha256:0"})
    return folder.base


def test_a_folder_as_it_was_pushed_is_0(call, pushed):
    done = call("drift", "--serving", "serving")
    assert done.returncode == Exit.OK
    assert done.stdout.startswith("as pushed: version 200, sha256:")


def test_one_byte_that_was_changed_is_15(call, pushed):
    (pushed / "200" / "saved_model.pb").write_bytes(b"graph of 201")
    done = call("drift", "--serving", "serving", "--format", "json")
    assert done.returncode == Exit.DRIFTED == 15
    answer = json.loads(done.stdout)
    assert answer["drifted"] is True
    assert answer["differences"][0].startswith("version 200 was changed after it was pushed")


def test_a_version_that_was_put_there_by_hand_is_15(call, pushed):
    (pushed / "100").rename(pushed / "300")
    done = call("drift", "--serving", "serving")
    assert done.returncode == Exit.DRIFTED
    assert "version 300 is served; version 200 was pushed last" in done.stdout


def test_an_empty_folder_after_a_push_is_15(call, pushed):
    for number in (100, 200):
        (pushed / str(number) / "saved_model.pb").unlink()
        (pushed / str(number)).rmdir()
    done = call("drift", "--serving", "serving")
    assert done.returncode == Exit.DRIFTED
    assert "nothing is served; version 200 was pushed last" in done.stdout


def test_a_line_that_a_crash_cut_off_is_left_out(call, pushed):
    with (pushed / HISTORY).open("a") as history:
        history.write('{"pushed": true, "vers')
    assert call("drift", "--serving", "serving").returncode == Exit.OK


def test_a_folder_without_pushes_cannot_be_compared(call, tmp_path):
    done = call("drift", "--serving", ".")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert "nothing was ever pushed to . by a VerifyingPusher" in done.stderr


def test_without_anything_to_compare_it_is_a_usage_error(call):
    done = call("drift")
    assert done.returncode == Exit.USAGE
    assert "give --serving, --model or both" in done.stderr
