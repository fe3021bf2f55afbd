"""Baselines on the command line: kept, listed, compared with, and named where they are wrong."""

import json

import pytest

from gradgate.cli.exits import Exit

POLICY = """\
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: mine, revision: 1, owner: me}
rules:
  - {id: nan, signal: loss.nonfinite, aggregate: {fn: sum}, expect: {op: "==", value: 0}}
  - id: drift
    signal: gradient.global_norm
    aggregate: {fn: quantile, q: 0.5}
    compare: {to: baseline, as: ratio}
    expect: {op: between, low: 0.2, high: 5}
"""


def large(steps):
    steps.global_norm[:] = 40


@pytest.fixture
def judged(call, make_record, tmp_path):
    """Judges a training, and keeps its verdict in `before`; returns the verdict's document."""
    (tmp_path / "mine.yaml").write_text(POLICY)
    (tmp_path / "before").mkdir()

    def judge(day, spoil=lambda steps: None):
        name = f"day-{day}"
        make_record(name, spoil, training_uid=name)
        check(call, name, "--as-of", f"2199-01-0{day}T00:00:00Z", "--out", f"{name}.json")
        call("baseline", "add", "before", f"{name}.json")
        return json.loads((tmp_path / f"{name}.json").read_text())

    return judge


def check(call, record, *arguments, form="json"):
    return call(
        "check", record, "--training-only", "--policy", "mine.yaml", "--baselines", "before",
        "--format", form, *arguments,
    )  # fmt: skip


@pytest.fixture
def new(make_record):
    return make_record("new", large, training_uid="new")


def test_a_training_is_compared_with_those_before_it(call, judged, new):
    first = judged(1)
    assert (first["decision"], first["bootstrap"]) == ("warn", True)
    assert judged(2)["decision"] == "ok"
    done = check(call, new, "--as-of", "2199-02-01T00:00:00Z", form="text")
    assert done.returncode == Exit.BLOCKED
    assert "baseline 1 (median of 2), ratio 40; expected from 0.2 to 5 times" in done.stdout
    assert done.stderr == ""


def test_the_same_command_gives_the_same_verdict_when_others_came_since(call, judged, new):
    judged(1)
    again = ("--as-of", "2199-01-02T00:00:00Z")
    first = check(call, new, *again).stdout
    judged(3, large)
    assert check(call, new, *again).stdout == first


def test_baselines_can_be_named_or_left_out(call, judged, new):
    wanted = judged(1)["verdict_id"]
    judged(2)
    one = json.loads(check(call, new, "--baseline", wanted[:23]).stdout)
    assert [seen["verdict_id"] for seen in one["inputs"]["baselines"]] == [wanted]
    none = json.loads(check(call, new, "--baseline", "none").stdout)
    assert none["bootstrap"]
    both = json.loads(
        check(call, new, "--baseline", wanted, "--as-of", "2199-02-01T00:00:00Z").stdout
    )
    assert len(both["inputs"]["baselines"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--baselines", "nowhere"],
            "--baselines nowhere: there is no such folder; make it before the first training",
        ),
        (
            ["--baseline", "none", "--baseline", "auto"],
            "--baseline is auto, none, or ids: not several of these",
        ),
        (
            ["--baseline", "sha256:0123456789"],
            "--baseline needs the folder that holds it: name it by --baselines",
        ),
    ],
)
def test_wrong_usage_is_2(call, judged, new, arguments, message):
    done = call("check", new, "--training-only", "--policy", "mine.yaml", *arguments)
    assert (done.returncode, done.stderr) == (Exit.USAGE, f"{message}\n")


def test_who_names_no_folder_is_told(call, judged, new):
    done = call("check", new, "--training-only", "--policy", "mine.yaml")
    assert done.returncode == Exit.OK
    assert done.stderr == "some rules compare with baselines: name their folder by --baselines\n"


def test_a_damaged_baseline_is_12_and_named(call, judged, new, tmp_path):
    judged(1)
    (file,) = (tmp_path / "before").iterdir()
    file.write_text(file.read_text().replace("day-1", "day-9"))
    done = check(call, new, "--as-of", "2199-02-01T00:00:00Z", form="text")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stdout.startswith(f"BLOCK B-INVALID: before/{file.name}: the verdict was changed")
    listed = call("baseline", "list", "before")
    assert listed.returncode == Exit.CANNOT_JUDGE
    assert "the verdict was changed after it was given" in listed.stdout


# --- gradgate baseline ----------------------------------------------------------------------------
def test_what_was_added_is_listed_the_newest_first(call, judged):
    first, second = judged(1), judged(2)
    done = call("baseline", "list", "before", "--format", "json")
    assert done.returncode == Exit.OK
    answers = json.loads(done.stdout)
    ids = [second["verdict_id"], first["verdict_id"]]
    assert [answer["verdict_id"] for answer in answers] == ids
    text = call("baseline", "list", "before").stdout.splitlines()
    assert text[0].split() == ["judged", "verdict", "policy", "training"]
    assert text[1].split() == ["2199-01-02T00:00:00Z", ids[0], "mine,", "revision", "1", "day-2"]


def test_adding_says_where(call, judged, tmp_path):
    verdict = judged(1)
    done = call("baseline", "add", "made/for/it", "day-1.json", "--format", "json")
    document = json.loads(done.stdout)
    assert document["verdict_id"] == verdict["verdict_id"]
    assert (tmp_path / document["file"]).is_file()


def test_what_is_not_healthy_is_not_added(call, judged, new, tmp_path):
    judged(1)
    check(call, new, "--as-of", "2199-02-01T00:00:00Z", "--out", "sick.json")
    done = call("baseline", "add", "before", "sick.json")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stderr.startswith("cannot add: verdict sha256:")
    assert done.stderr.endswith(" can be no baseline: its model is not healthy\n")


def test_what_is_not_there_is_12(call, tmp_path):
    done = call("baseline", "add", "before", "nothing.json")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stderr.startswith("cannot add: nothing.json: No such file")
    done = call("baseline", "list", "before")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stderr == "cannot list: before: No such file or directory\n"
    (tmp_path / "before").mkdir()
    assert call("baseline", "list", "before").stdout == "no baseline\n"


# --- replay and policy test -----------------------------------------------------------------------
def test_replay_compares_each_with_the_healthy_ones_before_it(
    call, judged, make_record, monkeypatch
):
    for day, spoil in ((1, None), (2, None), (3, large), (4, None)):
        finished = f"2026-01-0{day}T00:00:00Z"
        monkeypatch.setattr("gradgate.telemetry.writer.now", lambda: finished)  # noqa: B023
        make_record(f"past/day-{day}", spoil or (lambda steps: None), training_uid=f"day-{day}")
    done = call("replay", "past", "--policy", "mine.yaml", "--format", "json")
    records = json.loads(done.stdout)["records"]
    assert [record["would_be"] for record in records] == ["warn", "ok", "block", "ok"]


def test_replay_of_a_policy_in_shadow_compares_too(
    call, judged, make_record, monkeypatch, tmp_path
):
    (tmp_path / "mine.yaml").write_text(POLICY + "mode: shadow\n")
    for day, spoil in ((1, None), (2, large)):
        finished = f"2026-01-0{day}T00:00:00Z"
        monkeypatch.setattr("gradgate.telemetry.writer.now", lambda: finished)  # noqa: B023
        make_record(f"past/day-{day}", spoil or (lambda steps: None), training_uid=f"day-{day}")
    done = call("replay", "past", "--policy", "mine.yaml", "--format", "json")
    records = json.loads(done.stdout)["records"]
    assert [record["would_be"] for record in records] == ["warn", "block"]


def test_a_fixture_may_bring_its_baselines(call, judged, make_record, tmp_path, monkeypatch):
    judged(1)
    monkeypatch.setattr("gradgate.telemetry.writer.now", lambda: "2199-02-01T00:00:00Z")
    make_record("fixture/record", large, training_uid="new")
    (tmp_path / "before").rename(tmp_path / "fixture" / "baselines")
    (tmp_path / "fixture" / "expect.yaml").write_text("decision: block\nfailed: [drift]\n")
    done = call("policy", "test", "fixture", "--policy", "mine.yaml")
    assert done.returncode == Exit.OK, done.stdout
