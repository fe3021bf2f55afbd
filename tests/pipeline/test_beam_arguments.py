"""The arguments of Beam reach what runs on Beam, and Beam itself takes them."""

import warnings

import pytest

from pipeline.beam import Dataflow, InMemory, MultiProcessing
from pipeline.configs import load
from pipeline.load_beam import parse_beam
from pipeline.workspace import Workspace
from tests.pipeline.test_beam import DATAFLOW, IMAGE, POOL

pytestmark = pytest.mark.tfx

ON_BEAM = {"CsvExampleGen", "StatisticsGen", "Transform", "Evaluator", "GradientGate"}


@pytest.fixture
def compiled(tmp_path):
    """Compiles the pipeline as TFX's local runner does; returns each node's arguments of Beam."""
    from tfx.dsl.compiler.compiler import Compiler
    from tfx.orchestration.local import runner_utils
    from tfx.proto.orchestration import executable_spec_pb2

    from pipeline.pipeline import create_pipeline

    def compile_with(engine):
        made = create_pipeline(load("sound"), Workspace(tmp_path / "w"), beam=engine)
        intermediate = Compiler().compile(made)
        deployment = runner_utils.extract_local_deployment_config(intermediate)
        specs = {
            node.pipeline_node.node_info.id: runner_utils.extract_executor_spec(
                deployment, node.pipeline_node.node_info.id
            )
            for node in intermediate.nodes
        }
        on_beam = executable_spec_pb2.BeamExecutableSpec
        return made, {
            name: tuple(spec.beam_pipeline_args)
            for name, spec in specs.items()
            if isinstance(spec, on_beam)
        }

    return compile_with


def test_every_beam_component_and_the_gate_get_the_arguments(compiled):
    engine = MultiProcessing(workers=2, gate_engine="beam", arguments=("--labels=team=rides",))
    made, given = compiled(engine)
    assert given == dict.fromkeys(ON_BEAM, engine.pipeline_args())
    (gate,) = (node for node in made.components if node.id == "GradientGate")
    assert gate.exec_properties["engine"] == "beam"


def test_without_a_word_they_run_in_this_process(compiled):
    _, given = compiled(None)
    assert given == dict.fromkeys(ON_BEAM, InMemory().pipeline_args())


def test_dataflow_on_a_local_workspace_is_refused(compiled):
    from pipeline.beam import BeamError

    with pytest.raises(BeamError, match="Dataflow's workers see no file of this machine"):
        compiled(parse_beam(DATAFLOW, source="d.yaml"))


@pytest.mark.parametrize("text", [DATAFLOW, POOL, IMAGE], ids=["dataflow", "flink", "spark"])
def test_beam_knows_every_argument_and_finds_none_missing(text):
    """By Beam's own parser and validator: the runner itself needs a cluster."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
        from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
        from apache_beam.runners.runner import create_runner

        engine = parse_beam(text, source="engine.yaml")
        options = PipelineOptions(list(engine.pipeline_args()))
        said = options.get_all_options(drop_default=True)
        names = {argument[2:].partition("=")[0] for argument in engine.pipeline_args()}
        assert names <= said.keys()
        if isinstance(engine, Dataflow):  # the whole validation asks Google's services
            validator = PipelineOptionsValidator(options, create_runner("DirectRunner"))
            google = options.view_as(GoogleCloudOptions)
            assert validator.validate_cloud_options(google) == []
            assert validator.validate_gcs_path(google, "temp_location") == []
        else:
            runner = create_runner("PortableRunner")
            assert PipelineOptionsValidator(options, runner).validate() == []
