"""An engine says what Beam is to be given, or says what is missing, before anything is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.beam import BeamError, Dataflow, Flink, InMemory, MultiProcessing, Spark
from pipeline.load_beam import RUNNERS, load_beam, parse_beam, with_more

ROOT = Path(__file__).resolve().parents[2]
DATAFLOW = """
runner: dataflow
project: rides-prod
region: europe-west4
temp_location: gs://rides/tmp
worker_image: registry.example/gradgate:0.1.0
"""
POOL = "runner: flink\njob_server: flink-jobs:8099\nworker_pool: localhost:50000\n"
IMAGE = "runner: spark\njob_server: spark-jobs:8099\nworker_image: registry.example/gradgate:1\n"


def test_the_engines():
    assert RUNNERS == ("in_memory", "multi_processing", "dataflow", "flink", "spark")
    assert load_beam("in_memory") == InMemory()
    assert load_beam("multi_processing") == MultiProcessing(workers=0)


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (
            MultiProcessing(workers=3),
            (
                "--runner=apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner",
                "--direct_running_mode=multi_processing",
                "--direct_num_workers=3",
                "--sdk_container_image=unused",
            ),
        ),
        (
            parse_beam(
                DATAFLOW + "max_workers: 9\npublic_ips: false\narguments: [--experiments=a]",
                source="d.yaml",
            ),
            (
                "--runner=DataflowRunner",
                "--project=rides-prod",
                "--region=europe-west4",
                "--temp_location=gs://rides/tmp",
                "--sdk_container_image=registry.example/gradgate:0.1.0",
                "--sdk_location=container",
                "--max_num_workers=9",
                "--no_use_public_ips",
                "--experiments=a",
            ),
        ),
        (
            parse_beam(POOL + "parallelism: 4", source="f.yaml"),
            (
                "--runner=PortableRunner",
                "--job_endpoint=flink-jobs:8099",
                "--job_server_timeout=86400",
                "--environment_type=EXTERNAL",
                "--environment_config=localhost:50000",
                "--sdk_container_image=unused",
                "--parallelism=4",
            ),
        ),
        (
            parse_beam(IMAGE + "artifact_server: spark-jobs:8098", source="s.yaml"),
            (
                "--runner=PortableRunner",
                "--job_endpoint=spark-jobs:8099",
                "--job_server_timeout=86400",
                "--artifact_endpoint=spark-jobs:8098",
                "--environment_type=DOCKER",
                "--sdk_container_image=registry.example/gradgate:1",
            ),
        ),
    ],
    ids=["multi_processing", "dataflow", "flink", "spark"],
)
def test_what_beam_is_given(engine, expected):
    assert engine.pipeline_args() == expected


def test_a_file_names_its_engine(tmp_path):
    path = tmp_path / "engine.yaml"
    path.write_text(DATAFLOW)
    assert isinstance(load_beam(str(path)), Dataflow)
    assert isinstance(parse_beam(POOL, source="f.yaml"), Flink)
    assert isinstance(parse_beam(IMAGE, source="s.yaml"), Spark)


def test_more_arguments_come_last():
    engine = with_more(InMemory(arguments=("--a=1",)), arguments=["--b=2"], gate_engine="beam")
    assert engine.pipeline_args()[-2:] == ("--a=1", "--b=2")
    assert engine.gate_engine == "beam"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flnk", "--beam: there is no engine 'flnk'; did you mean 'flink'? Engines are in_memory,"),
        (
            "dataflow",
            (
                "--beam dataflow: it needs project, region, temp_location, worker_image. Write them"
                " into a YAML file, with `runner: dataflow`, and give its path."
            ),
        ),
        ("spark", "--beam spark: it needs job_server, worker_pool or worker_image. Write them"),
        ("nowhere/x.yaml", "nowhere/x.yaml: cannot be read: No such file or directory."),
    ],
)
def test_a_name_that_does_not_do_is_an_error_with_a_remedy(name, message):
    with pytest.raises(BeamError) as caught:
        load_beam(name)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "x.yaml: a mapping with `runner:` is wanted, got list."),
        ("project: p", "x.yaml: runner: there is no engine None. Engines are in_memory,"),
        (
            "runner: dataflow\nproject: rides-prod",
            "x.yaml: dataflow needs region, temp_location, worker_image as well.",
        ),
        ("runner: flink\nworker_pool: a:1", "x.yaml: flink needs job_server as well."),
        ("runner: flink\njob_server: a:1", "x.yaml: flink needs worker_pool or worker_image as"),
        (
            POOL + "worker_image: x",
            "x.yaml: Python workers come from worker_pool (host:port, a container beside each",
        ),
        (
            POOL.replace("flink-jobs:8099", "flink-jobs"),
            "x.yaml: job_server: wants host:port, as flink-jobs:8099, got 'flink-jobs'.",
        ),
        (
            DATAFLOW.replace("gs://rides/tmp", "/tmp"),
            "x.yaml: temp_location: wants a folder, gs://BUCKET/FOLDER, got '/tmp'.",
        ),
        (
            DATAFLOW.replace("rides-prod", "'1234567'"),
            "x.yaml: project: wants a project's id, not its number or title, got '1234567'.",
        ),
        (
            DATAFLOW.replace("europe-west4", "europe"),
            "x.yaml: region: wants a region, as europe-west4, got 'europe'.",
        ),
        (
            DATAFLOW + "max_worker: 3",
            "x.yaml: unknown field 'max_worker'; did you mean 'max_workers'? Fields:",
        ),
        (POOL + "arguments: [parallelism=3]", "x.yaml: arguments: 0: wants an argument,"),
        ("runner: [", "x.yaml: "),
    ],
)
def test_a_file_that_does_not_do_says_what_is_wrong(text, message):
    with pytest.raises(BeamError) as caught:
        parse_beam(text, source="x.yaml")
    assert str(caught.value).startswith(message)


def test_a_word_that_is_no_argument_is_refused():
    with pytest.raises(BeamError, match="--beam-pipeline-args: 'x=1': each is --NAME=VALUE"):
        with_more(InMemory(), arguments=["x=1"])


def test_dataflow_sees_no_folder_of_this_machine():
    engine = parse_beam(DATAFLOW, source="d.yaml")
    engine.check_root("gs://rides/runs")
    with pytest.raises(BeamError, match=r"Dataflow's workers see no file .* root is /w/artifacts"):
        engine.check_root("/w/artifacts")
    InMemory().check_root("/w/artifacts")


def test_the_command_line_refuses_before_it_loads_anything(tmp_path):
    arguments = ("--workspace", tmp_path / "w", "--beam", "dataflow")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "components")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("cannot run: --beam")
    assert not (tmp_path / "w").exists()
