"""A tracking server that misbehaves: the training does not notice, and nothing is lost or twice.

Each training here is told to a real server through a proxy that breaks; one sender process serves
them all, as in a workspace.
"""

import contextlib
import functools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from gradgate.contracts import Tracking
from gradgate.telemetry.reader import open_record
from gradgate.telemetry.sinks.mlflow import MlflowSink
from gradgate.telemetry.sinks.mlflow_outbox import Outbox
from gradgate.telemetry.sinks.mlflow_series import all_points, final_series, live_series
from gradgate.telemetry.writer import RecordWriter
from tests.telemetry.tracking_server import Postgres, Proxy, Server, postgres_programs

pytestmark = pytest.mark.half("alone")  # it waits for many processes: beside one suite at most

PIECES, PIECE = 6, 10
STEPS = PIECES * PIECE
SLOWEST = 4.0  # seconds that the mirror may cost a training here; a fault would add more
PATIENCE = 240  # seconds to wait for what happens at once on a quiet machine
TIMEOUT = 1  # second that the sender waits for an answer; it waits longer for a slow server


@pytest.fixture(scope="module", autouse=True)
def _patience():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of the outbox; its sender goes when the module is over."""
    folder = tmp_path_factory.mktemp("mlflow")
    yield folder
    kill_sender(folder)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    server = Server(f"sqlite:///{folder / 'mlflow.db'}", folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def proxy(server):
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def train(folder, proxy, tmp_path, card, batch):
    """Begins a training that is told to the server behind the proxy."""
    proxy.heal()
    proxy.seen.clear()
    number = len(list(tmp_path.parent.iterdir()))
    return Training(folder, tmp_path / "record", proxy.address, card, batch, f"t{number}")


@pytest.fixture
def postgres(tmp_path_factory):
    """A cluster, and a proxy before a server on it."""
    with tempfile.TemporaryDirectory() as cluster:  # its user does not get into pytest's folders
        database = Postgres(Path(cluster), postgres_programs())
        server = Server(database.address, tmp_path_factory.mktemp("server"))
        try:
            server.start()
            yield database, server
        finally:
            server.kill()
            database.stop()


@pytest.fixture
def store(server):
    return SqliteStore(server.folder / "mlflow.db")


class Training:
    """Numbers in place of a model; what the guard does with them."""

    def __init__(self, folder, record, uri, card, batch, uid):
        self.folder, self.record, self.uid = folder, record, uid
        self.tracking = Tracking(uri=uri, experiment="faults", wait_seconds=0.0)
        self.card, self.batch = card, batch
        self.seconds = 0.0  # that the mirror cost
        self._writer, self._first = RecordWriter(record), 0
        self.sink = MlflowSink(self.tracking, record, folder)
        self._logged = len(self.log())

    def begin(self):
        self._writer.begin_training(self.uid)
        self._writer.begin(self.card)
        self._time(self.sink.begin, self.card, training_uid=self.uid, planned_steps=STEPS)
        return self

    def go_on(self, pieces=1):
        for _ in range(pieces):
            batch = self.batch(self._first, PIECE)
            self._writer.append(batch)
            self._writer.flush()
            self._time(self.sink.write, batch)
            self._first += PIECE
        return self

    def end(self):
        self._time(
            self.sink.end,
            self._writer.finalize(training_uid=self.uid, status="completed", instrumented=True),
        )
        return self

    def run(self):
        return self.begin().go_on(PIECES).end()

    def kill_one_after(self, pieces):
        """Another process begins this training, takes some steps and is killed."""
        program = Path(__file__).with_name("killed_training.py")
        arguments = [self.record, self.folder, self.uid, self.tracking.uri, pieces]
        with subprocess.Popen(
            [sys.executable, program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        ) as process:
            assert process.stdout.readline() == b"recorded\n"
            process.kill()

    def resume(self, at, seed):
        self.batch = functools.partial(self.batch, seed=seed)
        self._writer, self._first = RecordWriter.resume(self.record), at
        self._writer.rewind(at, "a test")
        self._time(self.sink.begin, self.card, training_uid=self.uid, planned_steps=STEPS)

    def wait(self, seconds=PATIENCE):
        """Until all of it was sent."""
        assert Outbox(self.folder).wait_until_empty(seconds), self.log()
        assert not (self.folder / "outbox-failed").exists(), self.log()

    def log(self):
        path = self.folder / "sender.log"
        return path.read_text() if path.exists() else ""

    def new_log(self):
        """What the sender said since this was made."""
        return self.log()[self._logged :]

    def points(self):
        """What MLflow is to hold when it is over."""
        series = final_series(self.card, self.tracking, STEPS, self._first)
        return as_rows(all_points(series, open_record(self.record).batches()))

    def _time(self, call, *args, **kwargs):
        start = time.perf_counter()
        call(*args, **kwargs)
        self.seconds += time.perf_counter() - start


class Store:
    """What is in the server's database, read beside it."""

    def runs(self, uid, stage="active"):
        """Ids and states of the runs of a training."""
        rows = self._ask(
            "SELECT r.run_uuid, r.status FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid WHERE"
            f" t.key = 'gradgate.training_uid' AND t.value = '{uid}'"
            f" AND r.lifecycle_stage = '{stage}'"
        )
        return [tuple(row) for row in rows]

    def points(self, run_id):
        """How often each (key, step, value) of a step is there."""
        rows = self._ask(f"SELECT key, step, value FROM metrics WHERE run_uuid = '{run_id}'")
        return Counter(
            (key, int(step), float(value))
            for key, step, value in rows
            if not key.startswith(("summary/", "system/"))  # one number a run, or of the machine
        )

    def live_points(self, uid):
        """Those of a training whose run may not be there yet."""
        runs = self.runs(uid)
        return self.points(runs[0][0]) if runs else Counter()


class SqliteStore(Store):
    def __init__(self, path):
        self._path = path

    def _ask(self, query):
        connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)
        with contextlib.closing(connection):
            return connection.execute(query).fetchall()


class PostgresStore(Store):
    def __init__(self, database):
        self._ask = database.ask


def as_rows(points):
    return Counter((point.key, point.step, point.value) for point in points)


def assert_delivered(training, store, status="FINISHED"):
    """One run, in the right state, with every point once."""
    ((run_id, found),) = store.runs(training.uid)
    assert found == status
    points = store.points(run_id)
    assert points == training.points()
    assert set(points.values()) == {1}


def assert_held_up(training, proxy, jobs=2):
    """It was tried and did not get through, the training did not notice, its record is whole."""
    assert training.seconds < SLOWEST
    assert open_record(training.record).manifest.observed_steps == STEPS
    wait_for(lambda: training.new_log().count("not sent") >= 2)
    assert len(Outbox(training.folder).paths()) == jobs


def wait_for(condition, seconds=PATIENCE):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def kill_sender(folder):
    """kill -9; returns whether there was one."""
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in (process.info["cmdline"] or ())
    ]
    for process in found:
        process.kill()
        process.wait(10)
    return bool(found)


def test_charts_grow_while_the_training_runs(train, store):
    train.begin().go_on(2)
    wait_for(lambda: "train/loss" in {key for key, _, _ in store.live_points(train.uid)})
    ((_, status),) = store.runs(train.uid)
    assert status == "RUNNING"
    live = store.live_points(train.uid)
    train.go_on(PIECES - 2).end().wait()
    assert set(live) <= set(train.points())
    assert train.seconds < SLOWEST
    assert_delivered(train, store)


@pytest.mark.parametrize("fault", ["refuse", "reset", "500", "503", "429", "half", "lose"])
def test_what_a_fault_held_up_is_delivered_once(fault, train, store, proxy):
    proxy.break_by(fault)
    train.run()
    assert_held_up(train, proxy)
    proxy.heal()
    train.wait()
    assert_delivered(train, store)


def test_a_lost_answer_to_the_making_of_a_run_makes_no_second_one(train, store, proxy):
    proxy.break_by("lose", "runs/create")
    train.run().wait()  # the run is found, and not asked for again
    assert sum("runs/create" in line for line in proxy.seen) == 1
    assert_delivered(train, store)


def test_a_run_that_the_server_makes_too_late_is_not_a_second_one(train, store, proxy):
    proxy.break_by(f"delay {5 * TIMEOUT}", "runs/create")
    train.run()
    wait_for(lambda: sum("runs/create" in line for line in proxy.seen) == 2)
    proxy.heal()
    train.wait()
    wait_for(lambda: proxy.busy == 0)  # they were made after all
    train.sink.end(open_record(train.record).manifest)  # as a verdict would, it finds them
    train.wait()
    assert store.runs(train.uid, "deleted")
    assert_delivered(train, store)


def test_a_server_that_hangs_holds_up_nobody(train, store, proxy):
    train.begin().go_on()
    wait_for(lambda: "sent begin of training" in train.new_log())
    proxy.break_by("hang")
    train.go_on(PIECES - 1).end()
    assert_held_up(train, proxy, jobs=1)
    proxy.heal()
    train.wait()
    assert_delivered(train, store)


def test_a_server_that_is_slow_gets_more_time(train, store, proxy):
    proxy.break_by(f"delay {1.5 * TIMEOUT}")
    train.run()
    wait_for(lambda: store.runs(train.uid) and "sent begin of training" in train.new_log())
    proxy.heal()
    train.wait()
    assert train.seconds < SLOWEST
    assert_delivered(train, store)


def test_a_training_that_is_killed_leaves_its_points_and_can_go_on(train, store):
    train.kill_one_after(3)
    wait_for(lambda: "KILLED" in dict(store.runs(train.uid)).values())
    ((run_id, _),) = store.runs(train.uid)
    recorded = live_series(train.card, train.tracking, STEPS)
    batches = [train.batch(first, PIECE) for first in range(0, 3 * PIECE, PIECE)]
    told = [point for batch in batches for point in recorded.add(batch)] + recorded.close()
    assert store.points(run_id) == as_rows(told)

    train.resume(at=2 * PIECE, seed=1)  # the last piece is taken back, and comes out otherwise
    wait_for(lambda: dict(store.runs(train.uid)) == {run_id: "RUNNING"})
    train.go_on(PIECES - 2).end().wait()
    assert dict(store.runs(train.uid)) == {run_id: "FINISHED"}
    points = store.points(run_id)
    assert set(train.points()) <= set(points)
    stale = set(points) - set(train.points())
    assert stale <= {(key, step, value) for key, step, value in as_rows(told) if step >= 2 * PIECE}
    assert set(points.values()) == {1}


def test_another_sender_goes_on_when_one_was_killed(train, store, monkeypatch):
    monkeypatch.setattr("gradgate.telemetry.sinks.mlflow._LOOK_SECONDS", 0.2)
    train.sink = MlflowSink(train.tracking, train.record, train.folder)
    train.begin().go_on(2)
    wait_for(lambda: store.live_points(train.uid))
    assert kill_sender(train.folder)
    time.sleep(0.2)
    train.go_on()
    wait_for(lambda: Outbox(train.folder).is_being_sent())
    train.go_on(PIECES - 3).end()
    assert train.seconds < SLOWEST
    train.wait()
    assert_delivered(train, store)


def test_a_server_that_is_killed_and_started_again_gets_everything(train, store, server):
    train.begin().go_on(2)
    wait_for(lambda: store.live_points(train.uid))
    server.kill()
    train.go_on(PIECES - 2).end()
    assert train.seconds < SLOWEST
    server.start()
    train.wait()
    assert_delivered(train, store)


def test_sync_goes_on_trying_says_what_it_sent_and_ends_well(train, store, proxy):
    proxy.break_by("refuse")
    train.run()
    wait_for(lambda: "Connection refused" in train.new_log())
    at_work = (train.folder / "sender.lock").read_text()
    arguments = [train.record, "--format", "json"]  # the record says where its outbox is
    with subprocess.Popen(
        [sys.executable, "-m", "gradgate", "sync", *map(str, arguments)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        # Only then is it `sync` that tries: what the sender before it sends, it does not tell.
        wait_for(lambda: (train.folder / "sender.lock").read_text() not in ("", at_work))
        tries = train.new_log().count("Connection refused")
        wait_for(lambda: train.new_log().count("Connection refused") >= tries + 3)
        proxy.heal()
        answer = json.loads(process.stdout.read())
    assert process.returncode == 0
    assert [(event["did"], event["what"]) for event in answer.pop("done")] == [
        ("sent", "begin"),
        ("sent", "training"),
    ]
    assert answer == {"left": [], "set_aside": [], "running": []}
    assert_delivered(train, store)


@pytest.mark.skipif(postgres_programs() is None, reason="no `postgres` program on this machine")
def test_postgresql_that_crashes_and_comes_back_gets_everything(postgres, train):
    database, server = postgres
    train.tracking = train.tracking.model_copy(update={"uri": f"http://127.0.0.1:{server.port}"})
    train.sink = MlflowSink(train.tracking, train.record, train.folder)
    store = PostgresStore(database)
    train.begin().go_on(2)
    wait_for(lambda: store.live_points(train.uid))
    database.stop()
    train.go_on(PIECES - 2).end()
    assert train.seconds < SLOWEST
    wait_for(lambda: "training.json: not sent" in train.new_log())
    database.start()
    train.wait()
    assert_delivered(train, store)
