"""The product's promise, on real data: the sound model is served, no sick one ever is."""

import json
import math

import pytest

from gradgate.contracts import bind_tree
from gradgate.telemetry.reader import open_record
from pipeline.configs import load

pytestmark = pytest.mark.e2e

BEFORE_THE_TRAINER = {
    "CsvExampleGen",
    "StatisticsGen",
    "ImportSchemaGen",
    "ExampleValidator",
    "Transform",
}


def versions(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.isdigit())


def others(result):
    return {other.source: other.blessed for other in result.verdict.others}


def finding(result, rule):
    return next(finding for finding in result.verdict.findings if finding.id == rule)


def test_the_sound_model_is_blessed_and_pushed(sound):
    result, outcomes = sound
    assert (result.decision, result.blessed) == ("ok", True), result.headline
    assert result.first_offence is None
    assert result.pushed_version == result.served_version
    assert set(outcomes.values()) == {"done"}
    assert result.report_path.is_file()


def test_the_data_satisfy_their_reviewed_schema(sound):
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    result, _ = sound
    found = list(result.model.parents[3].glob("ExampleValidator/anomalies/*/Split-*/*"))
    # Of each example that ran in this workspace; one of them has a split of its own, too.
    assert {"Split-train", "Split-eval"} <= {path.parent.name for path in found}
    for path in found:
        anomalies = anomalies_pb2.Anomalies()
        data = path.read_bytes()
        if path.suffix == ".pbtxt":
            text_format.Parse(data, anomalies)
        else:
            anomalies.ParseFromString(data)
        assert not anomalies.anomaly_info, anomalies


def test_the_silent_nan_is_blocked_at_its_first_step_and_in_its_layer(silent_nan, sound):
    result, _ = silent_nan
    assert result.decision == "block"
    assert (result.first_offence.step, result.first_offence.variable) == (0, "taxi/dense_1/kernel")
    assert "taxi/dense_1/kernel" in result.headline
    assert result.pushed_version is None
    assert result.served_version == sound[0].pushed_version
    assert "the gate did not bless this model" in result.push_reason


def test_neither_the_loss_nor_an_accuracy_floor_would_have_seen_the_silent_nan(silent_nan):
    result, _ = silent_nan
    record = open_record(result.record)
    losses = [float(loss) for batch in record.batches() for loss in batch.loss]
    assert len(losses) == 800
    assert all(map(math.isfinite, losses))
    assert finding(result, "nonfinite-loss").status == "pass"
    assert others(result) == {"Evaluator": True}


def test_the_saturated_clip_is_blocked_by_the_users_own_rule_alone(saturated, sound):
    result, _ = saturated
    assert result.decision == "block"
    blocking = [f.id for f in result.verdict.findings if f.level == "block"]
    assert blocking == ["clip-saturation"]
    assert others(result) == {"Evaluator": True}
    assert result.served_version == sound[0].pushed_version


def test_what_was_done_before_is_taken_from_the_cache(silent_nan, saturated):
    # The census column is transformed differently, so Transform runs again for it alone.
    assert _cached(silent_nan[1]) == BEFORE_THE_TRAINER - {"Transform"}
    assert _cached(saturated[1]) == BEFORE_THE_TRAINER


def _cached(outcomes):
    return {stage for stage, outcome in outcomes.items() if outcome == "cached"}


def test_the_serving_folder_holds_exactly_the_sound_model(sound, saturated):
    result, _ = sound
    assert versions(result.serving) == [str(result.pushed_version)]
    served = bind_tree(result.serving / str(result.pushed_version))
    assert served.digest == result.verdict.subject.model_digest == bind_tree(result.model).digest
    assert {path.name for path in result.serving.iterdir()} == {
        str(result.pushed_version),
        ".gradgate",
    }


def test_the_served_model_answers_raw_examples_without_label_or_tips(sound):
    import tensorflow as tf

    result, _ = sound
    loaded = tf.saved_model.load(str(result.serving / str(result.served_version)))
    by_card = _example(payment_type=b"Credit Card", fare=12.5, trip_miles=3.0, trip_seconds=900)
    in_cash = _example(payment_type=b"Cash", fare=12.5, trip_miles=3.0, trip_seconds=900)
    answer = loaded.signatures["serving_default"](examples=tf.constant([by_card, in_cash]))
    card, cash = answer["probability"].numpy().ravel()
    # Tips are recorded for cards only: 68 % of the trips paid by card are labelled 1, 0.04 % of
    # those paid in cash.
    assert card > 0.4
    assert cash < 0.1


def _example(**features):
    import tensorflow as tf

    filled = {
        "trip_start_hour": 12,
        "trip_start_day": 3,
        "trip_start_month": 6,
        **features,
    }
    example = tf.train.Example()
    for name, value in filled.items():
        feature = example.features.feature[name]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif isinstance(value, float):
            feature.float_list.value.append(value)
        else:
            feature.int64_list.value.append(value)
    return example.SerializeToString()


IMPOSSIBLE = """
  - id: impossible
    signal: gradient.global_norm
    aggregate: {fn: max}
    expect: {op: "<", value: 1.0e-12}
"""


@pytest.fixture(scope="session")
def stricter(run_pipeline, saturated, tmp_path_factory):
    """The sound training again, by a policy file that was changed under the same path."""
    config = load("sound")
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    text = config.policy_file.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    config = config.model_copy(update={"policy": str(path)})
    before = run_pipeline(config)
    path.write_text(text + IMPOSSIBLE, encoding="utf-8")
    return before, run_pipeline(config)


def test_a_changed_policy_is_asked_anew_and_all_before_it_comes_from_the_cache(stricter):
    (before, _), (result, outcomes) = stricter
    assert before.decision == "ok"
    assert result.decision == "block"
    assert finding(result, "impossible").status == "fail"
    assert result.pushed_version is None
    assert _cached(outcomes) >= {*BEFORE_THE_TRAINER, "Trainer"}
    assert (outcomes["GradientGate"], outcomes["VerifyingPusher"]) == ("done", "done")


def test_the_gate_is_asked_anew_even_if_nothing_changed(stricter):
    (before, outcomes), _ = stricter
    assert outcomes["Trainer"] == "cached"
    assert outcomes["GradientGate"] == "done"
    assert before.verdict.subject.training_uid


@pytest.fixture(scope="session")
def red(run_pipeline, stricter, workspace):
    """The same blocked training twice, by a pipeline whose last node fails if it is blocked.

    Returns of each run the error, the outcomes, and the verdict's folder.
    """
    from gradgate.tfx.fail_if_blocked.executor import BlockedError

    (_, _), (blocked, _) = stricter
    policy = blocked.verdict_path.with_name("policy.yaml")
    config = load("sound").model_copy(update={"policy": str(policy)})
    runs = []
    for _ in range(2):
        with pytest.raises(BlockedError) as caught:
            run_pipeline(config, fail_run_on_block=True)
        folders = (workspace / "artifacts" / "GradientGate" / "verdict").iterdir()
        newest = max(folders, key=lambda folder: int(folder.name))
        runs.append((str(caught.value), run_pipeline.outcomes, newest))
    return runs


def test_the_last_node_turns_the_run_red_after_everything_was_recorded(red, stricter):
    (_, _), (blocked, _) = stricter
    for error, outcomes, folder in red:
        assert error.startswith("BLOCK impossible: ")
        assert f"gradgate explain {folder}" in error
        assert [name for name, outcome in outcomes.items() if outcome == "failed"] == [
            "FailIfBlocked"
        ]
        assert (outcomes["GradientGate"], outcomes["VerifyingPusher"]) == ("done", "done")
        verdict = json.loads((folder / "verdict.json").read_bytes())
        assert verdict["headline"] == blocked.headline
        assert (folder / "report.html").stat().st_size > 1000
        blessing = folder.parents[1] / "blessing" / folder.name
        assert [path.name for path in blessing.iterdir()] == ["NOT_BLESSED"]


def test_a_blocked_run_is_red_again_though_all_before_the_gate_comes_from_the_cache(red):
    (_, first, one), (_, again, other) = red
    assert one != other
    for outcomes in (first, again):
        assert _cached(outcomes) >= {*BEFORE_THE_TRAINER, "Trainer"}
        assert outcomes["FailIfBlocked"] == "failed"


def test_the_page_in_mlflow_says_so_after_a_red_run(red, workspace):
    from mlflow import MlflowClient

    from gradgate.telemetry.sinks.mlflow_outbox import Outbox
    from gradgate.telemetry.sinks.mlflow_place import embedded_uri
    from pipeline.workspace import Workspace

    _, (_, _, folder) = red
    place = Workspace(workspace)
    assert Outbox(place.mlflow).wait_until_empty(120)
    Outbox(place.mlflow).stop_sender()
    verdict = json.loads((folder / "verdict.json").read_bytes())
    client = MlflowClient(embedded_uri(place.mlflow))
    (run,) = client.search_runs(
        [client.get_experiment_by_name(load("sound").example).experiment_id],
        filter_string=f"tags.`gradgate.verdict_id` = '{verdict['verdict_id']}'",
    )
    assert run.data.tags["gradgate.training_uid"] == verdict["subject"]["training_uid"]
    assert run.data.tags["mlflow.note.content"].startswith("## BLOCKED")


def test_what_the_gate_lets_through_leaves_the_last_node_green(run_pipeline, sound, red):
    result, outcomes = run_pipeline("sound", fail_run_on_block=True)
    assert result.is_pushed
    assert (outcomes["Trainer"], outcomes["FailIfBlocked"]) == ("cached", "done")


def test_only_what_our_gate_blessed_is_the_baseline(sound, stricter):
    # The Evaluator blessed every model here, the sick ones too. TFX's own resolver, not told
    # whose blessing counts, would take the last of those.
    from tfx.orchestration import metadata

    result, _ = sound
    path = result.model.parents[4] / "metadata.sqlite"
    with metadata.Metadata(metadata.sqlite_metadata_connection_config(str(path))) as handle:
        resolved = handle.store.get_executions_by_type(
            "tfx.dsl.components.common.resolver.Resolver"
        )
        last = max(resolved, key=lambda execution: execution.id)
        events = handle.store.get_events_by_execution_ids([last.id])
        artifacts = handle.store.get_artifacts_by_id([event.artifact_id for event in events])
    uris = {artifact.uri for artifact in artifacts}
    assert str(result.model.parent) in uris


def test_bytes_swapped_between_gate_and_pusher_are_not_pushed(run_pipeline, stricter, sound):
    weights = sound[0].model / "variables" / "variables.data-00000-of-00001"
    whole = weights.read_bytes()

    def swap():
        weights.write_bytes(bytes(len(whole)))

    served = versions(sound[0].serving)
    try:
        result, outcomes = run_pipeline("sound", after={"GradientGate": swap})
    finally:
        weights.write_bytes(whole)
    assert outcomes["Trainer"] == "cached"
    assert result.decision == "ok"
    assert result.pushed_version is None
    assert result.push_reason.startswith(
        "not pushed: these bytes are not those that were judged:"
        " variables/variables.data-00000-of-00001 (changed)."
    )
    assert versions(result.serving) == served


def test_bytes_swapped_before_the_gate_are_blocked(run_pipeline, stricter, sound):
    weights = sound[0].model / "variables" / "variables.data-00000-of-00001"
    whole = weights.read_bytes()
    try:
        result, _ = run_pipeline(
            "sound", after={"Trainer": lambda: weights.write_bytes(bytes(len(whole)))}
        )
    finally:
        weights.write_bytes(whole)
    assert result.decision == "block"
    failed = {check.code for check in result.verdict.integrity if check.status == "fail"}
    assert "I-MODEL-DIGEST" in failed
    assert result.pushed_version is None


def test_every_push_is_remembered_with_its_verdict(sound, stricter):
    result, _ = sound
    lines = (result.serving / ".gradgate" / "pushes.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    assert first["verdict_id"] == result.verdict.verdict_id
    assert first["version"] == result.pushed_version
