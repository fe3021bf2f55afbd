"""A component and the gate, for real, on Beam's engines that this machine can be.

Flink and Spark stand behind a job server and a pool of workers. Beam has both in Python as well:
the same protocol with no engine behind it, so the arguments of those presets drive a real job.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.beam import Flink, MultiProcessing

pytestmark = pytest.mark.tfx
ROWS = 60


@pytest.fixture(scope="module")
def flink(tmp_path_factory):
    """The preset, on Beam's own job server; `.log` is where the job server writes."""
    folder = tmp_path_factory.mktemp("flink")
    jobs, pool = _free_port(), _free_port()
    # The pool starts `python`: it must be one that has gradgate, TFX and Beam.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with contextlib.ExitStack() as stack:
        for name, module, arguments, port in (
            ("jobs", "portability.local_job_service_main", f"--job_port={jobs}", jobs),
            ("pool", "worker.worker_pool_main", f"--service_port={pool}", pool),
        ):
            log = stack.enter_context((folder / name).open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", f"apache_beam.runners.{module}", arguments],
                env=os.environ | {"PATH": path},
                stdout=log,
                stderr=log,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            _wait_for(port, process)
        preset = Flink(
            job_server=f"127.0.0.1:{jobs}", worker_pool=f"127.0.0.1:{pool}", parallelism=2
        )
        yield preset, folder / "jobs"


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_for(port, process):
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.2)
    pytest.fail(f"the process on port {port} ended with status {process.returncode}")


@pytest.fixture
def example_gen(tmp_path):
    """Runs CsvExampleGen with the arguments of an engine; returns its shards by split."""
    from tfx.components.example_gen.csv_example_gen.component import CsvExampleGen
    from tfx.orchestration.metadata import sqlite_metadata_connection_config
    from tfx.orchestration.pipeline import Pipeline

    from pipeline.listener import Silence
    from pipeline.local_runner import ListeningRunner

    def run(engine):
        (tmp_path / "data").mkdir()
        rows = "".join(f"{number},{number % 7}\n" for number in range(ROWS))
        (tmp_path / "data" / "rows.csv").write_text("a,b\n" + rows)
        runner = ListeningRunner(Silence())
        runner.run(
            Pipeline(
                pipeline_name="test",
                pipeline_root=str(tmp_path / "root"),
                components=[CsvExampleGen(input_base=str(tmp_path / "data"))],
                metadata_connection_config=sqlite_metadata_connection_config(
                    str(tmp_path / "metadata.sqlite")
                ),
                beam_pipeline_args=list(engine.pipeline_args()),
            )
        )
        folder = Path(runner.outputs("CsvExampleGen")["examples"].uri)
        return {split: sorted(folder.glob(f"Split-{split}/*")) for split in ("train", "eval")}

    return run


def _rows(shards):
    import tensorflow as tf

    names = [str(path) for path in shards]
    return sorted(
        tf.train.Example.FromString(row).features.feature["a"].int64_list.value[0]
        for row in tf.data.TFRecordDataset(names, "GZIP").as_numpy_iterator()
    )


@pytest.fixture(autouse=True)
def _no_arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", sys.argv[:1])  # TFX hands them on to Beam


@pytest.mark.half("first")
def test_a_component_on_worker_processes(example_gen):
    shards = example_gen(MultiProcessing(workers=2))
    assert len(shards["train"]) == 2  # one from each worker
    assert sorted(_rows(shards["train"]) + _rows(shards["eval"])) == list(range(ROWS))


@pytest.mark.half("second")
def test_a_component_behind_a_job_server(example_gen, flink):
    preset, log = flink
    shards = example_gen(preset)
    assert sorted(_rows(shards["train"]) + _rows(shards["eval"])) == list(range(ROWS))
    assert log.read_text().count("Running job 'job-") == 1


@pytest.mark.half("first")
def test_the_gate_on_worker_processes_says_what_it_says_alone(sound, gate):
    engine = MultiProcessing(workers=2, gate_engine="beam")
    _says_the_same(sound, gate, engine)


@pytest.mark.half("second")
def test_the_gate_behind_a_job_server_says_what_it_says_alone(sound, gate, flink):
    preset, log = flink
    before = log.read_text().count("Running job 'job-")
    _says_the_same(sound, gate, preset)
    assert log.read_text().count("Running job 'job-") > before


def _says_the_same(sound, gate, engine):
    alone, _, _ = gate(sound.model, sound.health)
    other, blessing, _ = gate(
        sound.model, sound.health, properties={"engine": "beam"}, beam=engine.pipeline_args()
    )
    assert alone.decision == "ok"
    assert other.verdict_id == alone.verdict_id
    assert blessing.get_int_custom_property("blessed") == 1
