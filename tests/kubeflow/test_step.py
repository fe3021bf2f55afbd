"""A step runs its node with all that TFX does: cache, resolver, verdict; and shows the verdict."""

import json

import pytest

from gradgate.kubeflow import step
from gradgate.kubeflow.publish import local_path
from tests.kubeflow.run_steps import FACTORY, executor_input, run_all

pytestmark = pytest.mark.tfx
NODES = ["examples", "LastBlessedModel", "Trainer", "GradientGate", "VerifyingPusher"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("kubeflow")


@pytest.fixture(scope="module")
def metadata(place):
    return f"sqlite://{place}/metadata.sqlite"


@pytest.fixture(scope="module")
def first(place, metadata):
    return run_all(metadata, "first", place)


def shown(place, run):
    folder = place / "kfp" / run / "GradientGate"
    output = json.loads((folder / "executor_output.json").read_text())
    (metrics,) = output["artifacts"]["metrics"]["artifacts"]
    return folder, (folder / "decision").read_text(), metrics["metadata"]


def test_a_sound_model_is_pushed_and_its_verdict_shown(place, first):
    assert first["Trainer"] == first["GradientGate"] == first["VerifyingPusher"] == "done"
    assert len([path for path in (place / "serving").iterdir() if path.name.isdigit()]) == 1
    folder, decision, metrics = shown(place, "first")
    assert decision == "ok"
    assert metrics["blessed"] == 1.0
    assert metrics["rules_fail"] == 0.0
    assert "<html" in (folder / "report").read_text()
    assert "OK" in (folder / "summary").read_text()
    assert json.loads((folder / "metrics").read_text()) == metrics


def test_the_second_run_is_cached_where_tfx_would_and_finds_the_model_of_the_first(
    place, metadata, first
):
    from tfx.orchestration import metadata as tfx_metadata

    from gradgate.kubeflow.metadata import connection

    second = run_all(metadata, "second", place)
    assert second["Trainer"] == "cached"
    # Its answer depends on what was there before, so that TFX never caches a resolver.
    assert second["LastBlessedModel"] == "done"
    with tfx_metadata.Metadata(connection(metadata)) as handle:
        (context,) = [
            c
            for c in handle.store.get_contexts_by_type("pipeline_run")
            if c.name.endswith("second")
        ]
        resolvers = [
            e
            for e in handle.store.get_executions_by_context(context.id)
            if handle.store.get_execution_types_by_id([e.type_id])[0].name.endswith("Resolver")
        ]
        events = handle.store.get_events_by_execution_ids([resolvers[0].id])
        found = handle.store.get_artifacts_by_id([event.artifact_id for event in events])
        pushed = handle.store.get_artifacts_by_type("Model")
    assert {a.uri for a in found} >= {pushed[0].uri}


def test_a_blocked_model_is_an_answer_and_turns_the_run_red_if_asked(place, metadata, capfd):
    with pytest.raises(Exception, match="FailIfBlocked is its last node") as red:
        run_all(metadata, "sick", place, code="sick", fail_run_on_block=True)
    assert "First offence" in str(red.value)
    _, decision, metrics = shown(place, "sick")
    assert decision == "block"
    assert metrics["blessed"] == 0.0
    assert metrics["rules_fail"] >= 1.0
    assert metrics["first_offence_step"] >= 0
    green = run_all(metadata, "sick-again", place, code="sick")
    assert green["FailIfBlocked"] == "done"
    assert shown(place, "sick-again")[1] == "block"


def arguments(place, metadata, **changes):
    class Node:
        verdict = None

    given = {"metadata": metadata, "job_id": "r", "root": str(place), **changes}
    options = {
        "--factory": FACTORY,
        "--node": "Trainer",
        "--graph": "0" * 64,
        "--executor-input": json.dumps(executor_input(Node, place, **given)),
    }
    return [text for pair in options.items() for text in pair]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "compiled from another pipeline than this image makes: it asks for 'Trainer'"),
        ({"root": 7}, "'root' is a str, got 7"),
        ({"metadata": "mlmd:8080"}, "metadata address 'mlmd:8080' is none. Use grpc://"),
    ],
)
def test_a_step_that_cannot_run_says_why_in_one_line(place, metadata, capsys, changes, says):
    assert step.main(arguments(place, **{"metadata": metadata, **changes})) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("artifact", "path"),
    [
        ({"uri": "/local/x"}, "/local/x"),
        ({"uri": "minio://mlpipeline/v2/x"}, "/minio/mlpipeline/v2/x"),
        ({"uri": "s3://bucket/x"}, "/s3/bucket/x"),
        ({"uri": "gs://bucket/x"}, "/gcs/bucket/x"),
        ({"uri": "s3://bucket/x", "customPath": "/here"}, "/here"),
    ],
)
def test_an_output_is_written_where_kubeflows_launcher_looks_for_it(artifact, path):
    assert str(local_path({"report": {"artifacts": [artifact]}}, "report")) == path
    assert local_path({}, "report") is None
