"""Versions by reference, and an alias that is never fought over, in a real store."""

import hashlib
import json
import logging

import pytest
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner

from gradgate.cli import app
from gradgate.cli.exits import Exit
from gradgate.contracts import Verdict
from gradgate.telemetry.sinks.mlflow_alias import ALIAS, ORDER, PREVIOUS, move_alias
from gradgate.telemetry.sinks.mlflow_links import read_run
from gradgate.telemetry.sinks.mlflow_registry import DIGEST, register

pytestmark = pytest.mark.half("second")  # it asks MLflow and nothing of the stack


@pytest.fixture
def name(request):
    return f"model-{request.node.name}"


@pytest.fixture
def verdict_of(story):
    """The sound verdict, of other bytes."""

    def verdict_of(text, **changes):
        data = (story["sound"].verdict / "verdict.json").read_bytes()
        verdict = Verdict.model_validate_json(data)
        digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        subject = verdict.subject.model_copy(update={"model_digest": digest})
        return verdict.model_copy(update={"subject": subject} | changes).sealed()

    return verdict_of


@pytest.fixture
def push(client, name, story, verdict_of):
    """Registers a push of bytes that are named by a word."""
    run_id = read_run(story["sound"].record).run_id

    def push(text, version, through=client):
        return register(through, name, run_id, verdict_of(text), f"/serving/{version}", version)

    return push


def versions(client, name):
    found = client.search_model_versions(f"name='{name}'")
    return {one.tags[ORDER]: str(one.version) for one in found}


def alias(client, name, which=ALIAS):
    return str(client.get_model_version_by_alias(name, which).version)


class Meanwhile:
    """A client before one of whose calls somebody else does something, once."""

    def __init__(self, client, call, act, *, after=False):
        self._client, self._call, self._act, self._after = client, call, act, after

    def __getattr__(self, name):
        real = getattr(self._client, name)
        if name != self._call or self._act is None:
            return real

        def call(*args, **kwargs):
            act, self._act = self._act, None
            if act and not self._after:
                act()
            result = real(*args, **kwargs)
            if act and self._after:
                act()
            return result

        return call


def test_the_alias_follows_pushes_and_remembers_the_one_before(client, name, push):
    push("a", "100")
    move = push("b", "200")
    assert move.is_ours
    assert alias(client, name) == versions(client, name)["200"]
    assert alias(client, name, PREVIOUS) == versions(client, name)["100"]


@pytest.mark.parametrize(("mine", "theirs"), [("100", "200"), ("200", "100")])
@pytest.mark.parametrize(
    "call", ["set_registered_model_tag", "set_registered_model_alias", "get_registered_model"]
)
def test_two_pushes_at_once_register_both_and_agree_on_the_later(
    client, push, mine, theirs, call, request
):
    name = f"model-{request.node.name}"
    other = Meanwhile(client, call, lambda: push("b", theirs))
    move = push("a", mine, through=other)
    assert set(versions(client, name)) == {"100", "200"}
    assert alias(client, name) == versions(client, name)["200"] == move.version
    assert move.is_ours
    assert move_alias(client, name) == move  # and it stays there


def test_an_alias_that_somebody_else_moved_is_left_and_it_is_said(client, name, push, caplog):
    push("a", "100")
    push("b", "200")
    first = versions(client, name)["100"]
    client.set_registered_model_alias(name, ALIAS, first)  # a person rolls back
    with caplog.at_level(logging.WARNING):
        move = push("c", "300")
    assert alias(client, name) == first
    assert not move.is_ours
    assert f"was moved to version {first} by somebody else" in move.message
    assert move.message in caplog.text
    client.set_registered_model_alias(name, ALIAS, versions(client, name)["300"])  # hands it back
    assert push("d", "400").is_ours
    assert alias(client, name) == versions(client, name)["400"]


def test_somebody_who_moves_the_alias_right_after_us_keeps_it(client, name, push):
    push("a", "100")
    push("b", "200")
    first = versions(client, name)["100"]

    class AfterOurs:
        """A client after whose move of the champion a person rolls back."""

        def __getattr__(self, called):
            real = getattr(client, called)

            def set_alias(model, which, version):
                real(model, which, version)
                if which == ALIAS:
                    client.set_registered_model_alias(model, ALIAS, first)

            return set_alias if called == "set_registered_model_alias" else real

    move = push("c", "300", through=AfterOurs())
    assert alias(client, name) == first == move.version
    assert not move.is_ours
    assert not push("c", "300").is_ours  # told again, it is still theirs
    assert alias(client, name) == first


def test_an_alias_that_was_there_before_us_is_left(client, name, push, story):
    client.create_registered_model(name)
    run_id = read_run(story["sound"].record).run_id
    model = client.search_logged_models([client.get_run(run_id).info.experiment_id])[0]
    made = client.create_model_version(name, model.artifact_location, run_id)
    client.set_registered_model_alias(name, ALIAS, str(made.version))
    assert not push("a", "100").is_ours
    assert alias(client, name) == str(made.version)


def test_a_push_told_late_does_not_move_the_alias_back(client, name, push):
    push("a", "100")
    push("b", "200")
    push("a", "100")
    assert alias(client, name) == versions(client, name)["200"]


def test_the_same_bytes_pushed_again_are_the_same_version_and_have_the_alias(client, name, push):
    push("a", "100")
    push("b", "200")
    push("a", "300")
    assert set(versions(client, name)) == {"300", "200"}
    version = client.get_model_version_by_alias(name, ALIAS)
    assert version.tags["gradgate.pushed"] == "/serving/300 (version 300)"


@pytest.mark.parametrize("call", ["create_logged_model", "create_model_version"])
def test_a_lost_answer_makes_nothing_twice(client, push, call, request):
    name = f"model-{request.node.name}"

    def lose():
        raise MlflowException("the answer was lost")

    with pytest.raises(MlflowException, match="lost"):
        push("a", "100", through=Meanwhile(client, call, lose, after=True))
    move = push("a", "100")
    (version,) = client.search_model_versions(f"name='{name}'")
    assert move.version == str(version.version) == alias(client, name)
    experiment = client.get_run(version.run_id).info.experiment_id
    assert len(client.search_logged_models([experiment], filter_string=f"name = '{name}'")) == 1


def test_nothing_is_registered_of_a_verdict_that_blesses_nothing(client, name, verdict_of):
    blocked = verdict_of("a", decision="block", blessed=False)
    with pytest.raises(ValueError, match="blesses no model, so none is registered"):
        register(client, name, "run", blocked, "/serving/1", "1")
    assert client.search_registered_models(f"name='{name}'") == []


def test_only_what_was_pushed_is_registered(client):
    (version,) = client.search_model_versions("name='taxi'")
    assert version.tags["gradgate.decision"] == "ok"
    assert version.tags[DIGEST].startswith("sha256:")


@pytest.fixture
def drift(name, place):
    def drift(*more):
        wanted = ["drift", "--model", name, "--store", str(place), *more]
        done = CliRunner().invoke(app, wanted)
        return done.exit_code, done.output

    return drift


def test_drift_is_an_alias_that_is_not_what_was_pushed_last(client, name, push, drift):
    push("a", "100")
    push("b", "200")
    assert drift()[0] == Exit.OK
    first = versions(client, name)["100"]
    client.set_registered_model_alias(name, ALIAS, first)
    status, said = drift()
    assert status == Exit.DRIFTED
    assert f"champion of {name} is version {first}" in said
    client.delete_registered_model_alias(name, ALIAS)
    status, said = drift()
    assert status == Exit.DRIFTED
    assert "has no alias champion" in said


def test_drift_compares_the_alias_with_what_the_serving_folder_says(push, drift, tmp_path):
    push("a", "100")
    history = tmp_path / ".gradgate" / "pushes.jsonl"
    history.parent.mkdir()
    entry = {"pushed": True, "version": 100, "model_digest": "sha256:" + "0" * 64}
    history.write_text(json.dumps(entry) + "\n")
    (tmp_path / "100").mkdir()
    (tmp_path / "100" / "saved_model.pb").write_bytes(b"")
    status, said = drift("--serving", str(tmp_path), "--format", "json")
    assert status == Exit.DRIFTED
    assert len(json.loads(said)["differences"]) == 2  # neither folder nor alias is what was pushed


def test_a_model_that_nobody_registered_cannot_be_compared(drift):
    status, said = drift()
    assert status == Exit.CANNOT_JUDGE
    assert "not found" in said
