"""Several optimizers, several records: one manifest answers for all of them."""

import json
import shutil

import pytest

from gradgate.contracts import parse_json
from gradgate.contracts.health import manifest_digest
from gradgate.telemetry.reader import RecordError, open_record
from gradgate.telemetry.writer import RecordWriter


@pytest.fixture
def gan(tmp_path, card, batch):
    """A record of a generator (the first optimizer) and a critic."""
    writer = RecordWriter(tmp_path / "gan")
    writer.begin_training("t1")
    critic = writer.for_optimizer("critic")
    for each, steps in ((writer, 5), (critic, 20)):
        each.begin(card)
        each.append(batch(0, steps))
    how = {"training_uid": "t1", "status": "completed", "instrumented": True}
    critic.finalize(**how, optimizer_name="critic")
    writer.finalize(**how, optimizer_name="generator")
    return tmp_path / "gan"


def test_the_records_of_further_optimizers_come_with_the_first(gan, batch, assert_same):
    record = open_record(gan)
    assert record.manifest.optimizer_name == "generator"
    assert list(record.optimizers) == ["critic"]
    critic = record.optimizers["critic"]
    assert (critic.manifest.optimizer_name, critic.manifest.observed_steps) == ("critic", 20)
    assert_same(critic.batches(), [batch(0, 20)])
    assert not list(gan.rglob("resume"))


def test_a_record_that_is_not_finished_cannot_be_named(tmp_path):
    writer = RecordWriter(tmp_path)
    writer.for_optimizer("critic")
    with pytest.raises(ValueError, match="the record optimizers/critic is not finished"):
        writer.finalize(training_uid="t", status="completed", instrumented=True)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "-flag", "a" * 101])
def test_a_name_that_is_no_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot name a folder"):
        RecordWriter(tmp_path).for_optimizer(name)


def test_two_optimizers_of_one_name_are_refused(tmp_path):
    writer = RecordWriter(tmp_path)
    writer.for_optimizer("critic")
    with pytest.raises(ValueError, match="two optimizers have the name 'critic'"):
        writer.for_optimizer("critic")


def edit(folder, **changes):
    document = parse_json((folder / "manifest.json").read_bytes()) | changes
    document["digest"] = manifest_digest(document)
    (folder / "manifest.json").write_text(json.dumps(document))


def code_of(gan):
    with pytest.raises(RecordError) as caught:
        open_record(gan)
    return caught.value.code


def test_a_missing_record_is_noticed(gan):
    shutil.rmtree(gan / "optimizers" / "critic")
    with pytest.raises(RecordError, match=r"optimizers/critic: .*there is no health record"):
        open_record(gan)
    assert code_of(gan) == "T-MISSING"


def test_an_unfinished_record_is_noticed(gan):
    (gan / "optimizers" / "critic" / "manifest.json").unlink()
    assert code_of(gan) == "T-UNFINALIZED"


def test_another_record_in_its_place_is_noticed(gan):
    edit(gan / "optimizers" / "critic", planned_steps=99)
    with pytest.raises(RecordError, match=r"optimizers/critic/manifest.json: has digest"):
        open_record(gan)
    assert code_of(gan) == "T-CORRUPT"


def test_a_record_of_another_training_is_noticed(gan):
    edit(gan, training_uid="t2")
    with pytest.raises(RecordError, match=r"critic: is of training t1, the record of t2") as caught:
        open_record(gan)
    assert caught.value.code == "T-CORRUPT"


@pytest.mark.parametrize("path", ["../critic", "/optimizers/critic", "optimizers/other", "critic"])
def test_a_path_that_is_not_its_folder_is_refused(gan, path):
    inner = parse_json((gan / "manifest.json").read_bytes())["optimizers"][0]
    edit(gan, optimizers=[inner | {"path": path}])
    with pytest.raises(RecordError, match="leads out of the record"):
        open_record(gan)


def test_a_link_to_elsewhere_is_refused(gan, tmp_path):
    shutil.move(gan / "optimizers", tmp_path / "elsewhere")
    (gan / "optimizers").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="leads out of the record"):
        open_record(gan)


def test_an_optimizer_that_is_named_twice_is_refused(gan):
    inner = parse_json((gan / "manifest.json").read_bytes())["optimizers"][0]
    edit(gan, optimizers=[inner, inner])
    with pytest.raises(RecordError, match="names an optimizer twice"):
        open_record(gan)
