"""The metadata store under the gate and the Pusher: locked by somebody else, and edited.

Rows 19 and 20 of `docs/faults.md`. The nodes run by TFX's own launcher on a real store.
"""

import sqlite3
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.tfx


class Watch:
    """A listener that acts when a node begins."""

    def __init__(self, before):
        self.outcomes, self._before = {}, before

    def expect(self, stages):
        pass

    def stage_started(self, stage):
        self._before.get(stage, lambda: None)()

    def stage_finished(self, stage, outcome, seconds):
        self.outcomes[stage] = outcome


@pytest.fixture
def store(tmp_path):
    return tmp_path / "metadata.sqlite"


@pytest.fixture
def run(tmp_path, store, policy):
    """Judges a training and pushes its model, node by node; acts before a node."""
    from tfx.dsl.components.common.importer import Importer
    from tfx.orchestration.metadata import sqlite_metadata_connection_config
    from tfx.orchestration.pipeline import Pipeline
    from tfx.proto import pusher_pb2
    from tfx.types.standard_artifacts import Model

    from gradgate import GradientGate, GradientHealth, VerifyingPusher
    from pipeline.local_runner import ListeningRunner

    def go(trained, before):
        model = Importer(source_uri=trained.model.uri, artifact_type=Model).with_id("model")
        health = Importer(source_uri=trained.health.uri, artifact_type=GradientHealth)
        health = health.with_id("health")
        gate = GradientGate(
            model=model.outputs["result"],
            gradient_health=health.outputs["result"],
            policy=f"{policy}\nrequire_evaluator: false\n",
        )
        pusher = VerifyingPusher(
            model=model.outputs["result"],
            model_blessing=gate.outputs["blessing"],
            verdict=gate.outputs["verdict"],
            push_destination=pusher_pb2.PushDestination(
                filesystem=pusher_pb2.PushDestination.Filesystem(
                    base_directory=str(tmp_path / "serving")
                )
            ),
        )
        watch = Watch(before)
        runner = ListeningRunner(watch)
        runner.run(
            Pipeline(
                pipeline_name="test",
                pipeline_root=str(tmp_path / "root"),
                components=[model, health, gate, pusher],
                metadata_connection_config=sqlite_metadata_connection_config(str(store)),
            )
        )
        pushed = runner.outputs("VerifyingPusher")["pushed_model"].custom_properties
        return watch.outcomes, pushed["pushed"].int_value, pushed["reason"].string_value

    return go


def test_a_store_that_is_locked_for_a_second_is_waited_for(run, store, sound):
    lockers, waited = [], []

    def lock():
        held = threading.Event()

        def hold():
            connection = sqlite3.connect(store, isolation_level=None)
            connection.execute("BEGIN EXCLUSIVE")
            begin = time.monotonic()
            held.set()
            time.sleep(1.0)
            connection.execute("COMMIT")
            connection.close()
            waited.append(time.monotonic() - begin)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        lockers.append(thread)

    outcomes, pushed, reason = run(sound, {"GradientGate": lock, "VerifyingPusher": lock})
    for thread in lockers:
        thread.join()
    assert outcomes["GradientGate"] == outcomes["VerifyingPusher"] == "done"
    assert pushed == 1, reason
    assert len(waited) == 2


def test_a_blessing_that_was_edited_in_the_store_pushes_nothing(run, store, train, tmp_path):
    def edit():
        connection = sqlite3.connect(store, isolation_level=None)
        changed = connection.execute(
            "UPDATE ArtifactProperty SET int_value = 1 WHERE name = 'blessed'"
        )
        assert changed.rowcount == 1
        connection.close()

    outcomes, pushed, reason = run(train("sick"), {"VerifyingPusher": edit})
    assert outcomes["VerifyingPusher"] == "done"
    assert pushed == 0
    assert reason.startswith("not pushed: the gate did not bless this model. BLOCK ")
    serving = Path(tmp_path / "serving")
    assert not serving.exists() or not [p for p in serving.iterdir() if p.name.isdigit()]
