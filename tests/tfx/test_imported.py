"""What a TFJob left: model and record by path, then gate and Pusher in a pipeline of their own."""

import pytest

pytestmark = [pytest.mark.tfx, pytest.mark.half("first")]


def test_gate_and_pusher_take_a_model_and_a_record_by_their_paths(sound, policy, tmp_path):
    from tfx.dsl.components.common.importer import Importer
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner
    from tfx.orchestration.metadata import sqlite_metadata_connection_config
    from tfx.orchestration.pipeline import Pipeline
    from tfx.proto import pusher_pb2
    from tfx.types.standard_artifacts import Model

    import gradgate

    model = Importer(source_uri=sound.model.uri, artifact_type=Model).with_id("model")
    record = Importer(source_uri=sound.health.uri, artifact_type=gradgate.GradientHealth)
    record = record.with_id("record")
    gate = gradgate.GradientGate(
        model=model.outputs["result"],
        gradient_health=record.outputs["result"],
        policy=f"{policy}\nrequire_evaluator: false\n",
    )
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(tmp_path / "serving"))
    )
    pusher = gradgate.VerifyingPusher(
        model=model.outputs["result"],
        model_blessing=gate.outputs["blessing"],
        verdict=gate.outputs["verdict"],
        push_destination=destination,
    )
    pipeline = Pipeline(
        pipeline_name="imported",
        pipeline_root=str(tmp_path / "root"),
        metadata_connection_config=sqlite_metadata_connection_config(str(tmp_path / "metadata")),
        components=[model, record, gate, pusher],
    )
    LocalDagRunner().run(pipeline)
    (version,) = [each for each in (tmp_path / "serving").iterdir() if each.name.isdigit()]
    assert (version / "saved_model.pb").is_file()
