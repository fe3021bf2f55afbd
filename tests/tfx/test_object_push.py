"""What comes into force in an object store, and what never does."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys

import pytest

from gradgate.tfx.pusher.object_push import push_to_store
from gradgate.tfx.pusher.object_store import open_store
from gradgate.tfx.pusher.pointer import POINTER, read_pointer

NOW = 1_795_000_000.7


def push_it(judged, store, **changes):
    arguments = {
        "blessings": [judged.blessing],
        "verdict_dir": judged.verdict_dir,
        "store": store,
        "now": NOW,
        **changes,
    }
    return push_to_store(arguments.pop("model", judged.model), **arguments)


def files(store, folder):
    """Every file in a folder, by its SHA-256."""
    return {
        key: "sha256:" + hashlib.sha256(b"".join(store.chunks(f"{folder}/{key}"))).hexdigest()
        for key in store.keys(folder)
    }


def judged_files(judged):
    return {file.path: file.sha256 for file in judged.verdict.subject.model_files}


def in_force(store):
    return read_pointer(store)[0]


def numbers(store):
    return sorted(int(name) for name in store.folders() if name.isdigit())


def test_a_blessed_model_is_in_force_with_exactly_its_bytes(judged, store):
    run = judged()
    record = push_it(run, store)
    digest = run.verdict.subject.model_digest
    folder = f"by-digest/{digest.removeprefix('sha256:')}"
    assert record.pushed, record.reason
    assert (record.version, record.destination) == (1_795_000_000, f"{store.url}/{folder}")
    assert record.reason == "pushed as version 1795000000: OK: 14 of 14 rules passed"
    assert files(store, folder) == judged_files(run)
    pointer = json.loads(store.read(POINTER).data)
    assert pointer.pop("pushed_at").startswith("20")
    assert pointer == {
        "schema": "gradgate.pointer/v1",
        "version": 1_795_000_000,
        "model_digest": digest,
        "prefix": folder,
        "previous_prefix": None,
        "verdict_id": run.verdict.verdict_id,
    }
    assert numbers(store) == []


def test_the_pointer_says_where_to_go_back_to(judged, store):
    first, second = judged("first"), judged("second", weights=b"newer weights")
    push_it(first, store)
    before = in_force(store)
    record = push_it(second, store)
    assert record.version == before.version + 1
    assert in_force(store).previous_prefix == before.prefix
    assert files(store, before.prefix) == judged_files(first)


def test_a_clock_set_back_does_not_lower_the_version(judged, store):
    push_it(judged("a"), store)
    record = push_it(judged("b", weights=b"newer weights"), store, now=NOW - 400 * 86_400)
    assert record.version == 1_795_000_001


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"decision": "block", "blessed": False, "healthy": False}, "the gate did not bless"),
        ({"healthy": False}, "the verdict does not call this model healthy"),
    ],
)
def test_what_is_not_blessed_is_not_even_uploaded(judged, store, changes, reason):
    record = push_it(judged(**changes), store)
    assert not record.pushed
    assert reason in record.reason
    assert (store.folders(), store.read(POINTER)) == ([], None)


def test_other_bytes_than_those_judged_are_not_even_uploaded(judged, store):
    run = judged()
    (run.model / "saved_model.pb").write_bytes(b"swapped")
    record = push_it(run, store)
    assert record.differing_files == ("saved_model.pb (changed)",)
    assert (store.folders(), store.read(POINTER)) == ([], None)


def test_bytes_that_arrive_otherwise_than_they_were_sent_do_not_come_into_force(
    judged, store, meddled
):
    def damage(path, key):
        if key.endswith("saved_model.pb"):
            path.write_bytes(b"damaged on the way")

    run = judged()
    record = push_it(run, meddled(store, upload=damage))
    assert record.reason.startswith(
        "not pushed: these bytes are not those that were judged: saved_model.pb (changed)."
    )
    assert store.read(POINTER) is None
    assert push_it(run, store).pushed  # and the next push mends them
    assert files(store, in_force(store).prefix) == judged_files(run)


def test_what_lies_there_already_is_read_and_not_sent_again(judged, store, meddled):
    run = judged()
    first = push_it(run, store)
    watched = meddled(store)
    again = push_it(run, watched)
    assert (again.version, again.destination) == (first.version + 1, first.destination)
    called = [call[0] for call in watched.calls]
    assert "upload" not in called
    assert called.count("chunks") == len(judged_files(run))


def test_a_file_that_was_changed_there_is_mended_before_anything_points_at_it(judged, store):
    run = judged()
    folder = push_it(run, store).destination.removeprefix(f"{store.url}/")
    key = f"{folder}/saved_model.pb"
    assert store.write(key, b"tampered with", over=store.read(key))
    assert push_it(run, store).pushed
    assert files(store, folder) == judged_files(run)


def test_a_file_that_does_not_belong_there_is_refused_and_named(judged, store):
    run = judged()
    record = push_it(run, store)
    folder = record.destination.removeprefix(f"{store.url}/")
    store.write(f"{folder}/assets/extra", b"x", over=None)
    before = in_force(store)
    record = push_it(run, store)
    assert record.differing_files == ("assets/extra (added)",)
    assert in_force(store) == before


def test_of_two_pushers_at_once_the_one_that_was_overtaken_gives_way(judged, store, meddled):
    slow, fast = judged("slow"), judged("fast", weights=b"faster weights")
    push_it(judged("before", weights=b"older weights"), store)

    def overtake(key, _, over):
        if key == POINTER and over is not None and not done:
            done.append(push_it(fast, store, now=NOW + 60))

    done = []
    record = push_it(slow, meddled(store, write=overtake), numeric_versions=True)
    (other,) = done
    assert other.pushed
    assert record.reason == (
        "not pushed: the pointer was changed during this push, and version 1795000060 is in force"
        " now. Run the Pusher again to put this model over it."
    )
    assert in_force(store).verdict_id == fast.verdict.verdict_id
    assert numbers(store) == []  # nor does a server of numbered versions see half of it


def test_two_first_pushers_at_once_are_told_apart_too(judged, store, meddled):
    def overtake(key, _, over):
        if key == POINTER and not done:
            done.append(push_it(judged("fast", weights=b"faster weights"), store))

    done = []
    record = push_it(judged("slow"), meddled(store, write=overtake))
    assert (done[0].pushed, record.pushed) == (True, False)
    assert in_force(store).version == done[0].version != record.version


def test_an_answer_that_was_lost_on_its_way_back_is_still_a_push(judged, store, meddled):
    class Forgetful(meddled):
        def write(self, key, data, *, over):
            is_written = store.write(key, data, over=over)
            return is_written and key != POINTER  # as a second try of the client is answered

    assert push_it(judged(), Forgetful(store)).pushed


class Killed(BaseException):
    """What no code of a push may catch."""


@pytest.mark.parametrize("numeric_versions", [False, True])
def test_a_push_that_stops_anywhere_leaves_what_is_in_force_in_force(
    judged, store, meddled, numeric_versions
):
    old, new = judged("old", weights=b"older weights"), judged("new")
    push_it(old, store)
    before = in_force(store)
    for step in range(100):
        count = iter(range(100))

        def stop(*_, at=step, count=count, **__):
            if next(count) == at:
                raise Killed

        stopping = meddled(store, **dict.fromkeys(("upload", "copy", "write"), stop))
        with contextlib.suppress(Killed):
            push_it(new, stopping, numeric_versions=numeric_versions, now=NOW + 10 * step)
        if in_force(store) != before:
            break
        assert numbers(store) == []
    assert step > len(judged_files(new))
    assert in_force(store).verdict_id == new.verdict.verdict_id


def test_a_numbered_version_is_a_copy_whose_last_file_a_server_waits_for(judged, store, meddled):
    run = judged()
    watched = meddled(store)
    record = push_it(run, watched, numeric_versions=True)
    assert record.pushed, record.reason
    assert numbers(store) == [record.version]
    assert files(store, str(record.version)) == judged_files(run)
    pointed = [call for call in watched.calls if call[:2] == ("write", POINTER)]
    copied = [call for call in watched.calls if call[0] == "copy"]
    assert copied[-1][2] == f"{record.version}/saved_model.pb"
    assert watched.calls.index(pointed[0]) < watched.calls.index(copied[-1])


def test_a_numbered_version_is_above_every_other(judged, store):
    store.write("1795000099/saved_model.pb", b"of somebody else", over=None)
    assert push_it(judged(), store, numeric_versions=True).version == 1_795_000_100


def test_where_the_last_file_cannot_be_copied_the_push_says_so(judged, store, meddled):
    def fail(_, to):
        if to.endswith("/saved_model.pb"):
            raise OSError(28, "No space left on device")

    record = push_it(judged(), meddled(store, copy=fail), numeric_versions=True)
    assert record.pushed
    assert record.reason.endswith(
        f"; a server of numbered versions does not see it: {store.url}/1795000000 is not whole:"
        " [Errno 28] No space left on device"
    )


def test_a_model_that_no_server_could_load_gets_no_number(judged, store):
    run = judged(without=["saved_model.pb"])
    record = push_it(run, store, numeric_versions=True)
    assert record.reason == (
        "not pushed: the model has no saved_model.pb, so a model server could not load it."
    )
    assert in_force(store) is None
    assert push_it(run, store).pushed  # whoever follows the pointer may know what to do


KILLED = """
import os, sys
from gradgate.tfx.pusher.checks import Blessing
from gradgate.tfx.pusher.object_push import push_to_store
from gradgate.tfx.pusher.object_store import open_store
from gradgate.tfx.pusher.serving_prefix import ServingPrefix

ServingPrefix.point = lambda *_: os._exit(9)
model, verdict_dir, verdict_id, url, now = sys.argv[1:]
blessings = [Blessing(blessed=1, verdict_id=verdict_id)]
push_to_store(model, verdict_dir=verdict_dir, blessings=blessings, store=open_store(url),
              numeric_versions=True, now=float(now))
"""


def test_what_a_killed_push_left_under_a_number_is_removed_after_a_day_and_not_before(
    judged, s3_url
):
    store, run = open_store(s3_url), judged()
    arguments = [run.model, run.verdict_dir, run.verdict.verdict_id, s3_url, NOW]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == 9
    left = 1_795_000_000
    assert numbers(store) == [left]
    assert "saved_model.pb" not in store.keys(str(left))
    assert in_force(store) is None
    other = judged("other", weights=b"other weights")
    assert push_it(other, store, numeric_versions=True, now=NOW - 3600).pushed
    assert numbers(store) == [left, left + 1]
    store.remove(POINTER)
    again = push_it(other, store, numeric_versions=True, now=NOW + 25 * 3600)
    assert numbers(store) == [left + 1, again.version]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"1795000000", "Input should be an object"),
        (b'{"schema": "gradgate.pointer/v1"}', "version: Field required"),
        (b"{", "Expecting"),
        (b"\xff", "decode"),
    ],
)
def test_something_else_where_the_pointer_belongs_is_not_written_over(judged, store, data, reason):
    store.write(POINTER, data, over=None)
    record = push_it(judged(), store)
    assert not record.pushed
    assert f"{store.url}/{POINTER} is no pointer that a push may write over: " in record.reason
    assert reason in record.reason
    assert store.read(POINTER).data == data


def test_a_pointer_of_another_schema_is_not_written_over(judged, store):
    push_it(judged(), store)
    found = store.read(POINTER)
    newer = found.data.replace(b"pointer/v1", b"pointer/v2")
    store.write(POINTER, newer, over=found)
    record = push_it(judged("again"), store)
    assert "it is of schema gradgate.pointer/v2; this gradgate reads" in record.reason


def test_every_push_is_remembered_with_its_verdict(judged, store):
    run = judged()
    record = push_it(run, store)
    entry = json.loads(store.read(f".gradgate/pushes/{record.version}.json").data)
    assert entry["verdict_id"] == run.verdict.verdict_id
    assert (entry["pushed"], entry["destination"]) == (True, record.destination)


def test_where_no_push_can_be_remembered_nothing_comes_into_force(judged, store, meddled):
    def fail(key, *_, **__):
        if key.startswith(".gradgate/"):
            raise OSError(13, "Permission denied")

    with pytest.raises(OSError, match="Permission denied"):
        push_it(judged(), meddled(store, write=fail))
    assert in_force(store) is None


def test_where_no_greater_version_is_left_the_push_is_refused(judged, store):
    store.write(f"{2**63 - 1}/saved_model.pb", b"x", over=None)
    record = push_it(judged(), store)
    assert f"the next would be {2**63}, and a model server reads numbers up to" in record.reason
    assert in_force(store) is None
