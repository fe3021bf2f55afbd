"""The runner says what each node did, and does not go on as if nothing had happened."""

import pytest

pytestmark = pytest.mark.tfx

POLICY = """
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: tiny, revision: 1, owner: tests}
rules:
  - id: nonfinite-loss
    signal: loss.nonfinite_applied
    aggregate: {fn: sum}
    expect: {op: "==", value: 0}
"""


class Watch:
    def __init__(self):
        self.told = []

    def expect(self, stages):
        self.expected = list(stages)

    def stage_started(self, stage):
        self.told.append(("started", stage))

    def stage_finished(self, stage, outcome, seconds):
        assert seconds >= 0
        self.told.append((outcome, stage))


@pytest.fixture
def run(tmp_path):
    from tfx.orchestration.metadata import sqlite_metadata_connection_config
    from tfx.orchestration.pipeline import Pipeline

    from pipeline.local_runner import ListeningRunner

    def go(*components):
        watch = Watch()
        runner = ListeningRunner(watch)
        pipeline = Pipeline(
            pipeline_name="test",
            pipeline_root=str(tmp_path / "root"),
            components=list(components),
            enable_cache=True,
            metadata_connection_config=sqlite_metadata_connection_config(
                str(tmp_path / "metadata.sqlite")
            ),
        )
        try:
            runner.run(pipeline)
        finally:
            go.told = watch.told
        return runner

    return go


@pytest.fixture
def schema(tmp_path):
    from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen

    path = tmp_path / "schema.pbtxt"

    def make(text="feature { name: 'x' type: INT }"):
        if text is not None:
            path.write_text(text)
        return ImportSchemaGen(schema_file=str(path))

    return make


def test_a_node_is_done_and_the_same_again_is_cached(run, schema):
    run(schema())
    assert run.told == [("started", "ImportSchemaGen"), ("done", "ImportSchemaGen")]
    runner = run(schema())
    assert run.told[-1] == ("cached", "ImportSchemaGen")
    assert runner.outputs("ImportSchemaGen")["schema"].uri


def test_a_node_that_raises_is_failed_and_its_error_comes_out(run, schema):
    with pytest.raises(Exception, match=r"schema\.pbtxt"):
        run(schema(text=None))
    assert run.told[-1] == ("failed", "ImportSchemaGen")


def test_inputs_that_cannot_be_resolved_are_an_error(run):
    from tfx.types.channel import Channel
    from tfx.types.standard_artifacts import Model

    from gradgate import GradientGate, GradientHealth
    from gradgate.tfx.node import NodeFailedError

    gate = GradientGate(
        model=Channel(type=Model), gradient_health=Channel(type=GradientHealth), policy=POLICY
    )
    with pytest.raises(NodeFailedError, match="GradientGate could not run"):
        run(gate)
    assert run.told[-1] == ("failed", "GradientGate")
