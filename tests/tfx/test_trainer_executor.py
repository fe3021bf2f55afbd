"""Whatever a `run_fn` does, its record is finished and names its model."""

import json

import pytest

from gradgate.contracts import bind_tree
from gradgate.telemetry.reader import open_record

pytestmark = pytest.mark.tfx


def test_record_and_model_name_each_other(sound):
    record = open_record(sound.health.uri)
    mark = json.loads((sound.serving / "assets.extra" / "gradgate.json").read_text())
    assert mark == {"training_uid": record.manifest.training_uid}
    assert record.manifest.model == bind_tree(sound.serving)
    assert record.manifest.status == "completed"
    assert record.manifest.observed_steps == record.manifest.planned_steps == 40


def test_the_artifact_shows_what_the_record_says(sound):
    assert sound.health.get_int_custom_property("observed_steps") == 40
    assert sound.health.get_string_custom_property("status") == "completed"


def test_the_data_are_named_by_split_and_digest(sound):
    data = open_record(sound.health.uri).manifest.data
    assert [source.name for source in data] == ["examples/train", "examples/eval"]
    folder = sound.folder / "examples" / "Split-train"
    assert data[0].digest == bind_tree(folder).digest


def test_each_training_has_a_name_of_its_own(sound, train):
    uids = {open_record(run.health.uri).manifest.training_uid for run in (sound, train("sound"))}
    assert len(uids) == 2


def test_the_guards_settings_reach_the_step(train):
    guard = {"clip": [{"name": "clip_by_global_norm", "max_norm": 1e-6}], "on_nonfinite": "skip"}
    record = open_record(train("sick", guard=guard).health.uri)
    assert record.summary.skipped_steps == 1
    assert record.summary.clipped_steps == 39


def test_a_run_fn_that_never_instruments_gives_a_record_that_says_so(train):
    manifest = open_record(train("never_instruments").health.uri).manifest
    assert not manifest.instrumented
    assert manifest.observed_steps == 0
    assert manifest.model is not None


def test_a_run_fn_that_trains_no_step_gives_a_record_that_says_so(train):
    manifest = open_record(train("trains_no_step").health.uri).manifest
    assert manifest.instrumented
    assert manifest.observed_steps == 0


@pytest.mark.parametrize(("asked", "planned"), [(0, None), (100, 100)])
def test_a_loop_by_hand_was_asked_for_train_steps(train, asked, planned):
    manifest = open_record(train("loops_by_hand", train_steps=asked).health.uri).manifest
    assert manifest.planned_steps == planned
    assert manifest.observed_steps == 40


def test_a_fit_knows_its_steps_better_than_train_steps(train):
    assert open_record(train("sound", train_steps=999).health.uri).manifest.planned_steps == 40


def test_an_error_is_raised_and_its_record_kept_where_tfx_does_not_delete_it(
    train, tmp_path_factory
):
    with pytest.raises(RuntimeError, match="the disk is full"):
        train("raises")
    (kept,) = tmp_path_factory.getbasetemp().glob("raises[0-9]*/kept/gradient_health-*")
    manifest = open_record(kept).manifest
    assert manifest.status == "failed"
    assert manifest.status_message == "RuntimeError: the disk is full"
    assert manifest.observed_steps == 10


def test_a_run_fn_that_exports_nothing_fails_as_in_tfx(train):
    with pytest.raises(RuntimeError, match="run_fn failed to generate model"):
        train("exports_nothing")


def _as_task(monkeypatch, job, number, cluster=("chief", "worker")):
    task = {"type": job, "index": number}
    config = {"cluster": {name: [f"{name}:1"] for name in cluster}, "task": task}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))


def test_a_worker_of_several_trains_and_leaves_nothing(train, monkeypatch):
    _as_task(monkeypatch, "worker", 0)
    helped = train("sound")
    left = {path.name for path in helped.folder.rglob("*") if path.is_file()}
    assert left == {"data"}  # of the examples
    assert not helped.health.has_custom_property("training_uid")


@pytest.mark.parametrize(
    ("job", "number", "cluster", "expected"),
    [
        ("chief", 0, ("chief", "worker"), True),
        ("master", 0, ("master", "worker"), True),
        ("worker", 0, ("chief", "worker"), False),
        ("worker", 0, ("worker",), True),
        ("worker", 1, ("worker",), False),
        ("evaluator", 0, ("chief", "worker"), False),
        ("ps", 0, ("chief", "worker", "ps"), False),
    ],
)
def test_who_is_chief_by_tf_config(monkeypatch, job, number, cluster, expected):
    from gradgate.tfx.trainer.task import is_chief

    _as_task(monkeypatch, job, number, cluster)
    assert is_chief() is expected


@pytest.mark.parametrize("text", ["", "{}", '{"cluster": {}}'])
def test_a_lone_process_is_chief(monkeypatch, text):
    from gradgate.tfx.trainer.task import is_chief

    monkeypatch.setenv("TF_CONFIG", text)
    assert is_chief()


@pytest.mark.parametrize("text", ["chief", "[1]", '{"task": {"type": "worker", "index": "x"}}'])
def test_a_tf_config_that_cannot_be_is_refused(monkeypatch, text):
    from gradgate.tfx.trainer.task import is_chief

    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG is not as TensorFlow has it"):
        is_chief()
