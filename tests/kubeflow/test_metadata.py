"""One metadata store for all runs: addresses, a real PostgreSQL, and two runs at once on it."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from gradgate.kubeflow import metadata
from gradgate.kubeflow.metadata import MetadataError
from tests.telemetry.tracking_server import Postgres, free_port, postgres_programs

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = postgres_programs()
needs_postgres = pytest.mark.skipif(
    PROGRAMS is None, reason="needs PostgreSQL's programs: apt-get install postgresql"
)


@pytest.mark.tfx
def test_addresses_become_what_ml_metadata_connects_by():
    server = metadata.connection("grpc://mlmd:9000", {})
    assert (server.host, server.port) == ("mlmd", 9000)
    secret = {metadata.PASSWORD: "hush"}
    postgres = metadata.connection("postgresql://me@db/mlmd", secret).postgresql
    assert (postgres.host, postgres.port, postgres.user) == ("db", "5432", "me")
    assert (postgres.password, postgres.dbname) == ("hush", "mlmd")
    mysql = metadata.connection("mysql://me@db:3307/mlmd", secret).mysql
    assert (mysql.host, mysql.port, mysql.user) == ("db", 3307, "me")
    assert (mysql.password, mysql.database) == ("hush", "mlmd")
    assert metadata.connection("sqlite:///a/b.sqlite", {}).sqlite.filename_uri == "/a/b.sqlite"


@pytest.mark.tfx
@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "is none"),
        ("http://mlmd:8080", "Use grpc://HOST:PORT"),
        ("grpc://:8080", "names no host"),
        ("grpc://mlmd:port", "mlmd:port"),
        ("postgresql://db/mlmd", "names no user"),
        ("mysql://me@db", "no database"),
        ("sqlite://relative.sqlite", "absolute, after three slashes"),
        ("postgresql://me:secret@db/mlmd", "into the environment as GRADGATE_METADATA_PASSWORD"),
    ],
)
def test_an_address_that_cannot_be_used_says_how_one_looks(address, says):
    with pytest.raises(MetadataError, match=says) as error:
        metadata.connection(address, {})
    assert "secret@" not in str(error.value)


@pytest.mark.tfx
def test_a_store_that_does_not_answer_is_named_in_time():
    nowhere = metadata.connection(f"postgresql://me@127.0.0.1:{free_port()}/mlmd", {})
    with pytest.raises(MetadataError, match=r"did not answer for 1 s: .*[Cc]onnection"):
        metadata.wait_for(nowhere, seconds=1, pause=0.2)


@pytest.fixture(scope="module")
def postgres():
    with tempfile.TemporaryDirectory() as folder:  # its user does not get into pytest's folders
        server = Postgres(Path(folder), PROGRAMS, "mlmd")
        yield server
        server.stop()


@pytest.fixture(scope="module")
def address(postgres):
    return f"postgresql://{postgres.name}@127.0.0.1:{postgres.port}/{postgres.name}"


@needs_postgres
@pytest.mark.tfx
def test_steps_that_come_to_an_empty_database_together_all_get_in(postgres, address):
    config, problems = metadata.connection(address, {}), []

    def come():
        try:
            metadata.wait_for(config, seconds=60, pause=0.1)
        except MetadataError as error:
            problems.append(error)

    steps = [threading.Thread(target=come) for _ in range(4)]
    for step in steps:
        step.start()
    for step in steps:
        step.join()
    assert problems == []
    assert postgres.ask("SELECT count(*) FROM mlmdenv") == [["1"]]


@needs_postgres
@pytest.mark.tfx
def test_a_policy_that_the_databases_index_refuses_says_what_to_run(postgres, address, tmp_path):
    from tests.kubeflow.run_steps import run_all

    metadata.wait_for(metadata.connection(address, {}))
    noise = "".join(f"# {number * 7919 % 10007:05d}\n" for number in range(1500))
    text = (ROOT / "tests" / "tfx" / "policy.yaml").read_text()
    with pytest.raises(MetadataError, match=r"kubeflow/mlmd-postgresql\.sql"):
        run_all(address, "too-long", tmp_path, policy=f"{text}\nrequire_evaluator: false\n{noise}")
    postgres.run_file(ROOT / "kubeflow" / "mlmd-postgresql.sql")
    again = run_all(address, "fits", tmp_path, policy=f"{text}\nrequire_evaluator: false\n{noise}")
    assert again["GradientGate"] == "done"


@needs_postgres
@pytest.mark.tfx
def test_two_runs_at_once_do_not_disturb_each_other(postgres, address, tmp_path):
    """A sound run and a sick one, side by side, each node after the other's or before it."""
    metadata.wait_for(metadata.connection(address, {}))
    postgres.run_file(ROOT / "kubeflow" / "mlmd-postgresql.sql")
    runs = {}
    for code in ("sound", "sick"):
        runs[code] = subprocess.Popen(
            [
                *(sys.executable, ROOT / "tests" / "kubeflow" / "run_steps.py"),
                *(address, f"at-once-{code}", tmp_path / "shared", f"code={code}"),
            ],
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'components'}:{ROOT}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(0.2)
    became = {}
    for code, process in runs.items():
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err[-3000:]
        became[code] = json.loads(out.splitlines()[-1])
    places = {code: tmp_path / "shared" / "kfp" / f"at-once-{code}" for code in runs}
    decisions = {c: (p / "GradientGate" / "decision").read_text() for c, p in places.items()}
    assert decisions == {"sound": "ok", "sick": "block"}
    assert became["sound"]["VerifyingPusher"] == "done"
    versions = [p for p in (tmp_path / "shared" / "serving").iterdir() if p.name.isdigit()]
    assert len(versions) == 1
