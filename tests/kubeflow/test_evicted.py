"""A pod that is evicted is started anew: the same step of the same run, once more."""

import json

import pytest

from gradgate.contracts.tree import bind_tree
from gradgate.kubeflow.read_graph import read_graph
from gradgate.kubeflow.step import run_step
from tests.kubeflow.run_steps import FACTORY, executor_input

pytestmark = [pytest.mark.tfx, pytest.mark.half("second")]


class Evicted(BaseException):
    """Nobody catches it, as nobody catches SIGKILL: what was begun is not ended."""


@pytest.fixture
def evicted():
    """In the place of a function: the pod is gone when it is called."""

    def evicted(*_, **__):
        raise Evicted

    return evicted


@pytest.fixture
def step(tmp_path):
    """Runs a step of one run, as often as is asked."""
    graph = read_graph(FACTORY, {"root": str(tmp_path)})
    nodes = {node.id: node for node in graph.nodes}
    values = {"metadata": f"sqlite://{tmp_path}/metadata.sqlite", "job_id": "one", "run_id": ""}
    values["root"] = str(tmp_path)

    def step(name):
        given = executor_input(nodes[name], tmp_path / "kfp" / name, **values)
        return run_step(FACTORY, name, graph.digest, given)

    return step


@pytest.fixture
def trained(step):
    for name in ("examples", "LastBlessedModel", "Trainer"):
        step(name)


@pytest.fixture
def versions(tmp_path):
    """Lists the versions that are served."""

    def versions():
        folder = tmp_path / "serving"
        found = folder.iterdir() if folder.exists() else ()
        return sorted(path.name for path in found if path.name.isdigit())

    return versions


def verdict_ids(root):
    """Of all verdicts below a folder, by their time."""
    paths = sorted(root.rglob("verdict.json"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(path.read_text())["verdict_id"] for path in paths]


@pytest.mark.parametrize("at", ["_write_verdict", "_write_blessing", "_keep", "publish_verdict"])
def test_a_gate_that_was_evicted_blesses_nothing_and_judges_again(
    step, trained, versions, tmp_path, monkeypatch, evicted, at
):
    monkeypatch.setattr(f"gradgate.tfx.gate.executor.{at}", evicted)
    with pytest.raises(Evicted):
        step("GradientGate")
    monkeypatch.undo()
    assert step("GradientGate") == "done"
    step("VerifyingPusher")
    assert len(versions()) == 1
    assert len(set(verdict_ids(tmp_path))) == 1


def test_a_gate_that_was_done_gives_the_same_verdict_again(step, trained, versions, tmp_path):
    assert step("GradientGate") == step("GradientGate") == "done"
    ids = verdict_ids(tmp_path)
    assert len(ids) >= 1
    assert len(set(ids)) == 1
    assert step("VerifyingPusher") == "done"
    assert len(versions()) == 1


def test_a_pusher_that_is_started_again_leaves_one_whole_version_in_force(
    step, trained, versions, tmp_path
):
    step("GradientGate")
    assert step("VerifyingPusher") == "done"
    (version,) = versions()
    assert step("VerifyingPusher") == "done"
    assert versions() == [version]
    assert not [path.name for path in (tmp_path / "serving").iterdir() if "incoming" in path.name]


@pytest.mark.parametrize(("at", "pushes"), [("push", 0), ("_archive", 1), ("_describe", 1)])
def test_a_pusher_that_was_evicted_serves_what_was_judged_and_nothing_else(
    step, trained, versions, tmp_path, monkeypatch, evicted, at, pushes
):
    """One that was evicted after its push pushes the same bytes again, as a newer version."""
    step("GradientGate")
    monkeypatch.setattr(f"gradgate.tfx.pusher.executor.{at}", evicted)
    with pytest.raises(Evicted):
        step("VerifyingPusher")
    assert len(versions()) == pushes
    monkeypatch.undo()
    assert step("VerifyingPusher") == "done"
    assert len(versions()) == pushes + 1
    (verdict,) = tmp_path.rglob("verdict.json")
    judged = json.loads(verdict.read_text())["subject"]["model_digest"]
    served = {bind_tree(tmp_path / "serving" / version).digest for version in versions()}
    assert served == {judged}
