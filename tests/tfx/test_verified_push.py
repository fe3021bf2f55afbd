"""What is pushed, and what never is. The letters are those of the scenarios that were measured
against TFX's own Pusher: E1 to E9 it got wrong, V0 to V7 are the same put to ours."""

import errno
import json
import os
import shutil
import time

import pytest

from gradgate.contracts import IntegrityCheck, bind_tree, canonical_json
from gradgate.contracts.verdict import OtherBlessing
from gradgate.tfx.pusher.checks import Blessing
from gradgate.tfx.pusher.serving_folder import ServingFolder
from gradgate.tfx.pusher.verified_push import push


def push_it(judged, serving, **changes):
    arguments = {
        "blessings": [judged.blessing],
        "verdict_dir": judged.verdict_dir,
        "base_directory": serving,
        **changes,
    }
    return push(arguments.pop("model", judged.model), **arguments)


def versions(serving):
    return sorted(p.name for p in serving.iterdir() if p.name.isdigit()) if serving.is_dir() else []


def assert_nothing_served(serving):
    left = {path.name for path in serving.iterdir()} if serving.is_dir() else set()
    assert left <= {".gradgate"}, left


def test_v0_a_blessed_model_is_pushed_with_exactly_its_bytes(judged, serving):
    run = judged()
    record = push_it(run, serving, now=1_795_000_000.7)
    assert record.pushed
    assert record.version == 1_795_000_000
    assert record.destination == str(serving / "1795000000")
    assert bind_tree(record.destination).digest == run.verdict.subject.model_digest
    assert record.reason == "pushed as version 1795000000: OK: 14 of 14 rules passed"


def test_v1_another_models_blessing_is_refused_and_the_files_are_named(judged, serving):
    good, sick = judged("good"), judged("sick", weights=b"NaN weights!!")
    record = push_it(good, serving, model=sick.model)
    assert not record.pushed
    assert record.differing_files == ("variables/variables.data-00000-of-00001 (changed)",)
    assert "these bytes are not those that were judged: variables/variables.data" in record.reason
    assert_nothing_served(serving)


def test_a_blessing_of_another_verdict_is_refused(judged, serving):
    good, other = judged("good"), judged("other", weights=b"other weights")
    record = push_it(other, serving, blessings=[good.blessing])
    assert record.reason == (
        f"not pushed: the blessing belongs to verdict {good.verdict.verdict_id}, not to"
        f" {other.verdict.verdict_id}."
    )
    assert_nothing_served(serving)


@pytest.mark.parametrize("count", [0, 2], ids=["v2_v3_none", "e5_two"])
def test_anything_but_one_blessing_is_refused(judged, serving, count):
    run = judged()
    record = push_it(run, serving, blessings=[run.blessing] * count)
    assert f"exactly one blessing is needed, the gate's; got {count}." in record.reason
    assert_nothing_served(serving)


def test_what_a_policy_in_shadow_would_have_blocked_is_pushed(judged, serving):
    finding = {"id": "r", "signal": "loss", "status": "fail", "level": "block", "message": "m"}
    finding |= {"severity": "block", "evidence": "reported"}
    shadow = {"mode": "shadow", "decision": "warn", "would_decide": "block", "healthy": False}
    assert push_it(judged(**shadow, findings=(finding,)), serving).pushed
    assert not push_it(judged("enforced", **{**shadow, "mode": "enforce"}), serving).pushed


@pytest.mark.parametrize("blessed", [None, 0, -1, 2])
def test_a_blessing_nobody_wrote_or_that_says_no_is_read_as_no(judged, serving, blessed):
    run = judged()
    blessing = Blessing(blessed=blessed, verdict_id=run.verdict.verdict_id)
    record = push_it(run, serving, blessings=[blessing])
    assert record.reason.startswith("not pushed: the gate did not bless this model.")
    assert_nothing_served(serving)


@pytest.mark.parametrize(
    "changes",
    [{"decision": "block", "healthy": False, "blessed": False}, {"blessed": False}],
    ids=["blocked", "not_blessed"],
)
def test_a_verdict_that_says_no_outweighs_a_blessing_that_says_yes(judged, serving, changes):
    run = judged(headline="BLOCK nonfinite-gradient: since step 0", **changes)
    yes = Blessing(blessed=1, verdict_id=run.verdict.verdict_id)
    record = push_it(run, serving, blessings=[yes])
    assert not record.pushed
    assert "BLOCK nonfinite-gradient: since step 0" in record.reason
    assert_nothing_served(serving)


def _blocking(verdict):
    finding = verdict.findings[0]
    return (finding, finding.model_copy(update={"id": "dead-units", "level": "block"}))


def _other(*, blessed, same_model):
    no = OtherBlessing(source="Evaluator", blessed=blessed, same_model=same_model, message="Why.")
    return (no.model_copy(update={"blessed": True, "same_model": True}), no)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"healthy": False},
            "the verdict does not call this model healthy. OK: 14 of 14 rules passed",
        ),
        ({"findings": ()}, "the verdict has no finding, so nothing about this model was proven."),
        (
            {"findings": _blocking},
            "the verdict's rule dead-units blocks: 0 of 20 steps, expected 0",
        ),
        (
            {"integrity": (IntegrityCheck(code="T-CORRUPT", status="fail", message="cut off"),)},
            "the verdict's check T-CORRUPT failed: cut off",
        ),
        (
            {"others": _other(blessed=False, same_model=True)},
            "Evaluator did not bless this model. Why.",
        ),
        (
            {"others": _other(blessed=True, same_model=False)},
            "Evaluator blessed another model. Why.",
        ),
    ],
    ids=["unhealthy", "no_finding", "rule", "check", "other_no", "other_model"],
)
def test_a_sealed_yes_whose_own_grounds_say_no_is_refused(judged, serving, changes, reason):
    sound = judged("sound").verdict
    run = judged(**{k: v(sound) if callable(v) else v for k, v in changes.items()})
    assert run.verdict.blessed
    assert push_it(run, serving).reason == f"not pushed: {reason}"
    assert_nothing_served(serving)


def test_a_yes_whose_every_ground_says_yes_is_pushed(judged, serving):
    passed = IntegrityCheck(code="I-MODEL-DIGEST", status="pass")
    others = tuple(
        OtherBlessing(source=source, blessed=True, same_model=True)
        for source in ("Evaluator", "InfraValidator")
    )
    assert push_it(judged(integrity=(passed,), others=others), serving).pushed


def test_a_warning_is_pushed(judged, serving):
    assert push_it(judged(decision="warn"), serving).pushed


def test_v4_bytes_swapped_after_the_verdict_are_refused(judged, serving):
    run = judged()
    weights = run.model / "variables" / "variables.data-00000-of-00001"
    weights.write_bytes(b"swapped weight")
    record = push_it(run, serving)
    assert not record.pushed
    assert "(changed)" in record.reason
    assert_nothing_served(serving)


def test_files_added_and_missing_are_named(judged, serving):
    run = judged()
    (run.model / "saved_model.pb").unlink()
    (run.model / "assets" / "extra.txt").write_text("x")
    record = push_it(run, serving)
    assert record.differing_files == ("assets/extra.txt (added)", "saved_model.pb (missing)")
    assert_nothing_served(serving)


def test_v5_bytes_altered_during_the_copy_are_refused(judged, serving, monkeypatch):
    run = judged()
    copyfile = shutil.copyfile

    def swapping(source, target, **options):
        if not str(source).endswith("saved_model.pb"):
            return copyfile(source, target, **options)
        (run.model / "saved_model.pb").write_bytes(b"other")
        try:
            return copyfile(source, target, **options)
        finally:
            (run.model / "saved_model.pb").write_bytes(b"graph")

    monkeypatch.setattr(shutil, "copyfile", swapping)
    record = push_it(run, serving)
    assert bind_tree(run.model).digest == run.verdict.subject.model_digest
    assert record.differing_files == ("saved_model.pb (changed)",)
    assert_nothing_served(serving)


def test_v6_two_pushes_in_one_second_are_two_versions_with_the_right_bytes(judged, serving):
    first, second = judged("first"), judged("second", weights=b"more weights!")
    one, two = (push_it(run, serving, now=1000.0) for run in (first, second))
    assert (one.version, two.version) == (1000, 1001)
    assert bind_tree(serving / "1000").digest == first.verdict.subject.model_digest
    assert bind_tree(serving / "1001").digest == second.verdict.subject.model_digest


def test_v7_a_clock_set_back_400_days_does_not_lower_the_version(judged, serving):
    now = 1_795_000_000.0
    push_it(judged("a"), serving, now=now)
    record = push_it(judged("b", weights=b"newer weights"), serving, now=now - 400 * 86_400)
    assert record.version == 1_795_000_001


@pytest.mark.parametrize("place", ["saved_model.pb", "variables"])
def test_a_link_in_the_model_is_refused_and_not_followed(judged, serving, tmp_path, place):
    run = judged()
    outside = tmp_path / "outside"
    shutil.move(run.model / place, outside)
    (run.model / place).symlink_to(outside)
    record = push_it(run, serving)
    assert not record.pushed
    assert "neither a file nor a directory" in record.reason
    assert_nothing_served(serving)


def test_a_pipe_in_the_model_is_refused_and_not_waited_for(judged, serving):
    run = judged()
    os.mkfifo(run.model / "assets" / "pipe")
    record = push_it(run, serving)
    assert not record.pushed
    assert "pipe" in record.reason
    assert_nothing_served(serving)


def test_a_model_that_is_gone_is_refused(judged, serving):
    run = judged()
    shutil.rmtree(run.model)
    assert push_it(run, serving).reason == f"not pushed: there is no model at {run.model}."
    assert_nothing_served(serving)


@pytest.mark.parametrize("below", [".", "Format-Serving"])
def test_a_model_that_is_a_file_is_refused(judged, serving, tmp_path, below):
    (tmp_path / "file").write_text("not a model")
    model = tmp_path / "file" / below
    record = push_it(judged(), serving, model=model)
    assert record.reason == f"not pushed: the model at {model} is no directory."
    assert_nothing_served(serving)


def test_a_verdict_that_is_missing_is_refused(judged, serving, tmp_path):
    record = push_it(judged(), serving, verdict_dir=tmp_path / "nowhere")
    assert "there is no verdict to go by" in record.reason
    assert_nothing_served(serving)


def test_a_verdict_cut_off_anywhere_is_refused(judged, serving):
    run = judged()
    path = run.verdict_dir / "verdict.json"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        record = push_it(run, serving)
        assert not record.pushed, length
        assert "is no verdict" in record.reason
    assert_nothing_served(serving)


def test_an_edited_verdict_is_refused(judged, serving):
    run = judged(decision="block", blessed=False, healthy=False)
    path = run.verdict_dir / "verdict.json"
    document = json.loads(path.read_bytes())
    document.update(decision="ok", blessed=True)
    path.write_bytes(canonical_json(document))
    yes = Blessing(blessed=1, verdict_id=run.verdict.verdict_id)
    record = push_it(run, serving, blessings=[yes])
    assert "the verdict was changed after it was given" in record.reason
    assert_nothing_served(serving)


def test_a_verdict_of_another_schema_is_refused(judged, serving):
    run = judged(schema_id="gradgate.verdict/v2")
    record = push_it(run, serving)
    assert "of schema gradgate.verdict/v2; this gradgate reads gradgate.verdict/v1" in record.reason


def test_a_verdict_about_no_model_is_refused(judged, serving):
    from gradgate.contracts.verdict import Subject

    record = push_it(judged(subject=Subject()), serving)
    assert record.reason == "not pushed: the verdict names no model."


def test_a_refusal_leaves_what_is_served_alone(judged, serving):
    push_it(judged("good"), serving, now=1000.0)
    before = bind_tree(serving / "1000").digest
    sick = judged("sick", decision="block", blessed=False, healthy=False, weights=b"sick")
    assert not push_it(sick, serving, now=2000.0).pushed
    assert versions(serving) == ["1000"]
    assert bind_tree(serving / "1000").digest == before


def test_each_push_is_remembered_outside_the_versions(judged, serving):
    run = judged()
    push_it(run, serving, now=1000.0)
    push_it(run, serving, now=1000.0)
    lines = (serving / ".gradgate" / "pushes.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["version"] for entry in entries] == [1000, 1001]
    assert {entry["verdict_id"] for entry in entries} == {run.verdict.verdict_id}
    assert not list(serving.glob("*/.gradgate"))


@pytest.mark.parametrize("blocked", [".gradgate", ".gradgate/pushes.jsonl"])
def test_where_no_push_can_be_remembered_nothing_is_served(judged, serving, blocked):
    wrong = serving / blocked
    wrong.parent.mkdir(parents=True)
    if blocked == ".gradgate":
        wrong.write_text("a file where a folder belongs")
    else:
        wrong.mkdir()
    with pytest.raises(OSError, match="gradgate"):
        push_it(judged(), serving)
    assert_nothing_served(serving)


@pytest.mark.parametrize(
    ("step", "remark"),
    [
        ("remember", "the push is not in the history"),
        ("settle", "a power cut may undo the push"),
    ],
)
def test_what_fails_once_the_model_is_served_is_a_remark(
    judged, serving, monkeypatch, caplog, step, remark
):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ServingFolder, step, fail)
    record = push_it(judged(), serving, now=1000.0)
    assert record.pushed
    assert versions(serving) == ["1000"]
    assert record.reason == (
        "pushed as version 1000: OK: 14 of 14 rules passed;"
        f" {remark}: [Errno 28] No space left on device"
    )
    assert remark in caplog.text


# 2^63 - 1, the greatest number that a server reads, and numbers above it.
@pytest.mark.parametrize("there", [2**63 - 1, 2**63, 10**20])
def test_where_no_greater_version_can_be_served_the_push_is_refused(judged, serving, there):
    (serving / str(there)).mkdir(parents=True)
    record = push_it(judged(), serving)
    assert not record.pushed
    assert record.reason == (
        f"not pushed: no version is left in {serving}: the next would be {there + 1}, and a model"
        " server reads numbers up to 9223372036854775807. Remove the greatest version there."
    )
    assert versions(serving) == [str(there)]
    assert not list(serving.glob(".incoming-*"))


def test_what_a_killed_push_left_is_removed_after_a_day_and_not_before(judged, serving):
    serving.mkdir(parents=True)
    old, young = serving / ".incoming-old", serving / ".incoming-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"half")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    push_it(judged(), serving, now=1000.0)
    assert not old.exists()
    assert young.exists()
    assert versions(serving) == ["1000"]
