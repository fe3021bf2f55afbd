"""The Pusher's edge: what TFX's own reads of a `PushedModel` is there, and the reason beside it."""

import json

import pytest

from gradgate.contracts import bind_tree

pytestmark = pytest.mark.tfx


@pytest.fixture
def pusher(artifact, tmp_path):
    """Runs the Pusher's executor; returns the `PushedModel`."""
    from tfx.types.standard_artifacts import PushedModel

    from gradgate.tfx.pusher.executor import Executor

    def run(model, blessings, verdict, *, base=tmp_path / "serving", **properties):
        pushed = artifact(PushedModel, tmp_path / "pushed")
        destination = {"filesystem": {"baseDirectory": str(base)}}
        executor = Executor()
        executor.Do(
            {"model": [model], "model_blessing": blessings, "verdict": [verdict]},
            {"pushed_model": [pushed]},
            {"push_destination": json.dumps(destination), **properties},
        )
        return pushed

    return run


def test_a_blessed_model_is_pushed_and_archived(sound, gate, pusher, tmp_path):
    verdict, blessing, artifact = gate(sound.model, sound.health)
    pushed = pusher(sound.model, [blessing], artifact)
    assert pushed.get_int_custom_property("pushed") == 1
    version = pushed.get_string_custom_property("pushed_version")
    destination = pushed.get_string_custom_property("pushed_destination")
    assert destination == str(tmp_path / "serving" / version)
    for folder in (destination, pushed.uri):
        assert bind_tree(folder).digest == verdict.subject.model_digest


def test_a_blocked_model_is_not_pushed_and_nothing_is_raised(train, gate, pusher, tmp_path):
    run = train("sick")
    _, blessing, artifact = gate(run.model, run.health)
    pushed = pusher(run.model, [blessing], artifact)
    assert pushed.get_int_custom_property("pushed") == 0
    assert "the gate did not bless this model" in pushed.get_string_custom_property("reason")
    assert not pushed.has_custom_property("pushed_version")
    assert not (tmp_path / "serving").exists()


def test_a_blessing_nobody_wrote_is_read_as_no(sound, gate, pusher, artifact, tmp_path):
    from tfx.types.standard_artifacts import ModelBlessing

    _, _, verdict = gate(sound.model, sound.health)
    empty = artifact(ModelBlessing, tmp_path / "empty")
    pushed = pusher(sound.model, [empty], verdict)
    assert pushed.get_int_custom_property("pushed") == 0


def test_no_blessing_at_all_is_read_as_no(sound, gate, pusher):
    _, _, verdict = gate(sound.model, sound.health)
    assert pusher(sound.model, [], verdict).get_int_custom_property("pushed") == 0


def test_a_push_that_could_not_be_archived_is_still_a_push(
    sound, gate, pusher, tmp_path, monkeypatch
):
    from tfx.utils import io_utils

    def fail(*_):
        raise OSError(28, "No space left on device")

    verdict, blessing, artifact = gate(sound.model, sound.health)
    monkeypatch.setattr(io_utils, "copy_dir", fail)
    pushed = pusher(sound.model, [blessing], artifact)
    assert pushed.get_int_custom_property("pushed") == 1
    destination = pushed.get_string_custom_property("pushed_destination")
    assert bind_tree(destination).digest == verdict.subject.model_digest
    assert pushed.get_string_custom_property("reason").endswith(
        "; the artifact pushed_model does not hold the whole model:"
        " [Errno 28] No space left on device"
    )


def test_a_model_that_is_a_file_is_not_pushed_and_nothing_is_raised(sound, gate, pusher, tmp_path):
    _, blessing, artifact = gate(sound.model, sound.health)
    (tmp_path / "file").write_text("not a model")
    model = type(sound.model)()
    model.uri, model.id = str(tmp_path / "file"), sound.model.id
    pushed = pusher(model, [blessing], artifact)
    assert pushed.get_int_custom_property("pushed") == 0
    assert "is no directory" in pushed.get_string_custom_property("reason")


def test_a_blessed_model_is_pushed_to_an_object_store_and_archived(sound, gate, pusher, s3_url):
    from gradgate.tfx.pusher.object_store import open_store
    from gradgate.tfx.pusher.pointer import read_pointer

    verdict, blessing, artifact = gate(sound.model, sound.health)
    pushed = pusher(sound.model, [blessing], artifact, base=s3_url, numeric_versions=1)
    assert pushed.get_int_custom_property("pushed") == 1
    pointer, _ = read_pointer(open_store(s3_url))
    destination = pushed.get_string_custom_property("pushed_destination")
    assert destination == f"{s3_url}/{pointer.prefix}"
    assert pushed.get_string_custom_property("pushed_version") == str(pointer.version)
    assert open_store(s3_url).folders()[-1] == "by-digest"
    assert str(pointer.version) in open_store(s3_url).folders()
    assert pointer.model_digest == verdict.subject.model_digest
    assert bind_tree(pushed.uri).digest == pointer.model_digest


def test_a_destination_that_is_none_is_an_error_and_nothing_is_pushed(sound, gate, pusher):
    _, blessing, artifact = gate(sound.model, sound.health)
    with pytest.raises(ValueError, match="ftp://host/serving: expected an address that begins"):
        pusher(sound.model, [blessing], artifact, base="ftp://host/serving")
