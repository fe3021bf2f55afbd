"""The folder of baselines: what is found there, what is refused, and nothing half written."""

import threading

import pytest

from gradgate.gate import keep_baseline, read_baselines
from gradgate.gate.baseline.folder import last_among, list_baselines

NOW = "2026-11-23T05:40:00Z"


@pytest.fixture
def read(before, tmp_path):
    """Reads the baselines of the folder, as for the training `run-1` of the conftest."""

    def read(policy=None, as_of=NOW, uid="run-1", **options):
        policy = policy or before.policy()
        return read_baselines(tmp_path, policy, training_uid=uid, as_of=as_of, **options)

    return read


def uids(baselines):
    return [verdict.subject.training_uid for verdict in baselines.last]


def test_what_is_kept_is_found_the_newest_first(before, read, tmp_path):
    for day in (3, 1, 2):
        keep_baseline(tmp_path, before.verdict(day))
    found = read()
    assert uids(found) == ["earlier-3", "earlier-2", "earlier-1"]
    assert found.problems == ()
    assert found.last[0] == before.verdict(3)


def test_the_last_five_are_read_and_no_others(before, read, tmp_path):
    for day in range(1, 8):
        path = keep_baseline(tmp_path, before.verdict(day))
        if day <= 2:
            path.write_text("damaged, and never looked at")
    assert uids(read()) == [f"earlier-{day}" for day in (7, 6, 5, 4, 3)]
    assert uids(read(before.policy(baseline={"last": 2}))) == ["earlier-7", "earlier-6"]


def test_only_those_from_before_the_judgement_count(before, read, tmp_path):
    for day in (1, 2, 3):
        keep_baseline(tmp_path, before.verdict(day))
    assert uids(read(as_of="2026-11-02T06:00:00Z")) == ["earlier-1"]
    assert uids(read(as_of="2026-11-02T08:00:01+02:00")) == ["earlier-2", "earlier-1"]


def test_since_begins_anew(before, read, tmp_path):
    for day in (1, 2, 3):
        keep_baseline(tmp_path, before.verdict(day))
    policy = before.policy(baseline={"since": "2026-11-03T06:00:00Z"})
    assert uids(read(policy)) == ["earlier-3"]


def test_a_training_that_is_judged_again_finds_what_it_found_before(before, read, tmp_path):
    keep_baseline(tmp_path, before.verdict(1))
    keep_baseline(tmp_path, before.verdict(2, uid="run-1"))
    assert uids(read()) == ["earlier-1"]


def test_a_training_that_was_judged_twice_counts_once_at_its_first_place(before, read, tmp_path):
    for day in (1, 2, 3):
        keep_baseline(tmp_path, before.verdict(day))
    keep_baseline(tmp_path, before.verdict(9, uid="earlier-1", headline="OK: judged again"))
    found = read(before.policy(baseline={"last": 3}))
    assert uids(found) == ["earlier-3", "earlier-2", "earlier-1"]
    assert found.last[-1].headline == "OK: judged again"
    assert uids(read(before.policy(baseline={"last": 2}))) == ["earlier-3", "earlier-2"]


def test_the_anchor_is_found_however_old(before, read, tmp_path):
    anchor = before.verdict(1)
    for day in range(1, 9):
        keep_baseline(tmp_path, before.verdict(day))
    rule = {**before.ratio, "compare": {"to": "anchor"}}
    policy = before.policy(rule, baseline={"anchor": anchor.verdict_id})
    assert read(policy).anchor == anchor
    policy = before.policy(rule, baseline={"anchor": "sha256:" + "0" * 64})
    assert read(policy).anchor is None


def test_some_can_be_named_by_the_beginning_of_their_id(before, read, tmp_path):
    wanted = before.verdict(1)
    for day in range(1, 9):
        keep_baseline(tmp_path, before.verdict(day))
    assert read(only=[wanted.verdict_id]).last == (wanted,)
    assert read(only=[wanted.verdict_id[:23]]).last == (wanted,)
    assert read(only=[]).last == ()
    found = read(only=["sha256:ffffffff"])
    assert found.problems == (
        "no baseline of the folder has an id that begins with sha256:ffffffff",
    )


def test_a_policy_that_compares_nothing_reads_nothing(before, make, tmp_path):
    (tmp_path / "damaged.json").write_text("{")
    policy = make.policy(before.absolute)
    found = read_baselines(tmp_path, policy, training_uid="run-1", as_of=NOW)
    assert (found.last, found.problems) == ((), ())


@pytest.mark.parametrize("name", [None, "not-there"])
def test_no_folder_has_no_baseline(before, tmp_path, name):
    folder = name and tmp_path / name
    found = read_baselines(folder, before.policy(), training_uid="run-1", as_of=NOW)
    assert (found.last, found.problems) == ((), ())


def test_a_folder_that_is_none_is_a_problem(before, tmp_path):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file"
    found = read_baselines(folder, before.policy(), training_uid="run-1", as_of=NOW)
    assert found.problems == (f"the baselines {folder} cannot be listed: Not a directory",)


def test_a_time_that_is_none_is_a_problem(read, tmp_path):
    (problem,) = read(as_of="yesterday").problems
    assert problem.startswith("the time of the judgement must be an RFC 3339 time")


# --- Damage ---------------------------------------------------------------------------------------
def cut_off(path, before):
    path.write_bytes(path.read_bytes()[:-1])


def edited(path, before):
    path.write_text(path.read_text().replace('"healthy":true', '"healthy":false'))


def emptied(path, before):
    path.write_bytes(b"")


def of_another_schema(path, before):
    path.write_text(path.read_text().replace("gradgate.verdict/v1", "gradgate.verdict/v9"))


def swapped(path, before):
    other = path.with_name("other")
    keep_baseline(other, before.verdict(7))
    (file,) = other.iterdir()
    file.replace(path)
    other.rmdir()


def a_link_to_nowhere(path, before):
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_off, "is no verdict"),
        (edited, "the verdict was changed after it was given"),
        (emptied, "is no verdict"),
        (of_another_schema, "is of schema gradgate.verdict/v9; this gradgate reads"),
        (swapped, "the file holds another verdict than its name says"),
        (a_link_to_nowhere, "No such file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_one_that_is_damaged_is_named_and_blocks(before, read, training, tmp_path, damage, reason):
    keep_baseline(tmp_path, before.verdict(1))
    path = keep_baseline(tmp_path, before.verdict(2))
    damage(path, before)
    found = read()
    assert uids(found) == ["earlier-1"]
    (problem,) = found.problems
    assert str(path) in problem
    assert reason in problem
    verdict = before.judge(training, found.last, problems=found.problems)
    assert verdict.headline.startswith(f"BLOCK B-INVALID: {path}")


def test_a_verdict_of_another_name_is_not_passed_over(before, read, tmp_path):
    keep_baseline(tmp_path, before.verdict(1)).rename(tmp_path / "verdict.json")
    (tmp_path / "README").write_text("is fine")
    (problem,) = read().problems
    assert problem == (
        f"{tmp_path / 'verdict.json'} is not named as a baseline; put it there by gradgate baseline"
        " add"
    )


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_file_that_is_cut_off_anywhere_is_no_baseline(before, read, tmp_path, cut):
    path = keep_baseline(tmp_path, before.verdict(1))
    path.write_bytes(path.read_bytes()[:cut])
    found = read()
    assert (found.last, len(found.problems)) == ((), 1)


# --- Keeping --------------------------------------------------------------------------------------
def test_a_model_that_is_not_healthy_is_not_kept(before, tmp_path):
    with pytest.raises(ValueError, match="can be no baseline: its model is not healthy"):
        keep_baseline(tmp_path / "new", before.verdict(healthy=False))
    assert not (tmp_path / "new").exists()


def test_one_that_measured_nothing_to_compare_with_is_not_kept(before, make, tmp_path):
    with pytest.raises(ValueError, match="its policy has no rule with compare"):
        keep_baseline(tmp_path, before.verdict(policy=make.policy(before.absolute)))


def test_the_name_says_when_of_what_and_which(before, tmp_path):
    verdict = before.verdict(4)
    path = keep_baseline(tmp_path / "made", verdict)
    digits = verdict.verdict_id.removeprefix("sha256:")[:16]
    assert path.name.startswith("20261104T060000.000000Z-")
    assert path.name.endswith(f"-{digits}.json")
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_many_gates_at_once_leave_whole_files_and_nothing_else(before, tmp_path):
    verdicts = [before.verdict(day) for day in (1, 2, 3)]
    barrier = threading.Barrier(6)

    def keep(verdict):
        barrier.wait()
        for _ in range(10):
            keep_baseline(tmp_path, verdict)

    threads = [threading.Thread(target=keep, args=(verdict,)) for verdict in (*verdicts, *verdicts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries, strangers = list_baselines(tmp_path)
    assert (len(entries), strangers) == (3, [])
    assert len(list(tmp_path.iterdir())) == 3


def test_what_a_killed_gate_left_half_written_is_passed_over(before, read, tmp_path):
    path = keep_baseline(tmp_path, before.verdict(1))
    (tmp_path / f"{path.name}.0123456789abcdef.partial").write_text("{")
    assert (uids(read()), read().problems) == (["earlier-1"], ())


def test_the_same_choice_is_made_of_verdicts_that_lie_nowhere(before):
    verdicts = [before.verdict(day) for day in (2, 1, 3)]
    policy = before.policy(baseline={"last": 2}).baseline
    found = last_among(verdicts, policy, training_uid="earlier-3", as_of=NOW)
    assert [verdict.subject.training_uid for verdict in found] == ["earlier-2", "earlier-1"]
    assert last_among(verdicts, policy, training_uid=None, as_of="?") == ()
