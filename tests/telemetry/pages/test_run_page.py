"""What MLflow keeps of a training, read back by its own client."""

import hashlib
import json

import pytest

from gradgate.telemetry.sinks.mlflow_links import read_run
from gradgate.telemetry.sinks.mlflow_view import TAG, ship_view

pytestmark = pytest.mark.half("second")  # it asks MLflow and nothing of the stack


@pytest.fixture(scope="module")
def run(client, story):
    return lambda name: client.get_run(read_run(story[name].record).run_id)


def test_the_first_offence_can_be_searched_for_by_each_of_its_parts(client, run):
    found = client.search_runs(
        [run("sound").info.experiment_id],
        filter_string="tags.`gradgate.first_offence_rule` = 'nonfinite-gradient'"
        " AND tags.`gradgate.first_offence_step` = '130'"
        " AND tags.`gradgate.first_offence_variable` = 'net/dense/kernel'"
        " AND metrics.`summary/first_offence_step` < 131",
    )
    assert [one.info.run_name for one in found] == ["taxi blocked #1"]
    assert run("sound").data.tags["gradgate.first_offence_step"] == "none"


def test_tags_say_where_the_evidence_is(run, story):
    tags = run("blocked").data.tags
    verdict = json.loads((story["blocked"].verdict / "verdict.json").read_text())
    assert tags["gradgate.record_uri"] == str(story["blocked"].record)
    assert tags["gradgate.record_digest"] == verdict["inputs"]["record_digest"]
    assert tags["gradgate.policy_sha256"] == verdict["inputs"]["policy"]["sha256"]


def test_the_description_says_verdict_first_offence_cause_and_cure_in_that_order(run):
    text = run("blocked").data.tags["mlflow.note.content"]
    order = (
        "## BLOCKED",
        "**First offence:** step 130",
        "**Likely cause:**",
        "**What to change:**",
    )
    places = [text.index(part) for part in (*order, "### 1. ", "| rule |")]
    assert places == sorted(places)


def test_a_warning_says_what_to_change_too(run):
    text = run("warned").data.tags["mlflow.note.content"]
    assert text.startswith("## BLESSED, with warnings\n\nclip-saturation")
    assert "**Likely cause:** The clip is too tight" in text
    assert "**What to change:** ClipByGlobalNorm(max_norm=" in text


def test_numbers_for_comparison_are_one_finite_point_each(client, run):
    sick, sound = run("blocked").data.metrics, run("sound").data.metrics
    # The golden run spike-and-recovery is clipped on 3 of its 240 steps.
    assert sound["summary/clip_rate"] == 3 / 240
    assert sound["summary/rules_blocking"] == 0
    assert "summary/final_loss" in sound
    assert "summary/final_loss" not in sick  # it was NaN, which the next line says
    assert sick["summary/nonfinite_loss_steps"] > 100
    history = client.get_metric_history(run("sound").info.run_id, "summary/clip_rate")
    assert len(history) == 1


def test_the_data_are_inputs_with_their_digests(run):
    inputs = {one.dataset.name: one for one in run("sound").inputs.dataset_inputs}
    assert set(inputs) == {"examples/train", "examples/eval (names and sizes)"}
    train = inputs["examples/train"]
    digest = hashlib.sha256(b"examples/train").hexdigest()
    assert train.dataset.digest == digest[:36]  # MLflow keeps so many
    assert json.loads(train.dataset.profile) == {"digest": f"sha256:{digest}"}
    assert [tag.value for tag in train.tags] == ["training"]
    params = run("sound").data.params
    assert params["data.examples/train"] == f"sha256:{digest}"
    assert "data.examples/eval names and sizes" in params


def test_pictures_of_the_verdict_are_artifacts(client, run):
    names = {file.path for file in client.list_artifacts(run("blocked").info.run_id, "gradgate")}
    wanted = ("report.html", "verdict.json", "policy.yaml", "gradient-flow.svg", "record")
    assert {f"gradgate/{name}" for name in wanted} <= names
    assert not {"gradgate/tracking.json", "gradgate/mlflow_run.json"} & names


def test_telling_it_again_changes_nothing(client, run, story, place):
    from gradgate.telemetry.sinks.mlflow_jobs import send

    before = run("warned")
    for what in ("begin", "training", "verdict"):
        send(story["warned"].job(what), place)
    after = run("warned")
    assert after.data.to_dictionary() == before.data.to_dictionary()
    assert len(after.inputs.dataset_inputs) == 2
    assert len(client.search_runs([before.info.experiment_id])) == 3


def test_a_view_that_somebody_changed_stays_theirs(client, run):
    experiment = run("sound").info.experiment_id
    ours = client.get_experiment(experiment).tags[TAG]
    assert not ship_view(client, experiment)
    client.set_experiment_tag(experiment, TAG, "theirs")
    assert not ship_view(client, experiment)
    assert client.get_experiment(experiment).tags[TAG] == "theirs"
    client.set_experiment_tag(experiment, TAG, ours)
