"""Who is lost, by what the processes said of themselves; and the lines that they say it on."""

import dataclasses
import json
import socket
import threading
import time

import pytest

from gradgate.training.workers import LOST, Watch, WatchLimits
from gradgate.training.workers.lines import ChiefLines, WorkerLines
from gradgate.training.workers.peers import Loss, Own, Peer, find_loss, is_stuck, suspect
from gradgate.training.workers.place import place_of

LIMITS = WatchLimits(silence_seconds=60, hang_seconds=1800, grace_seconds=30)
OWN = Own(
    name="chief 0",
    steps=812,
    stepped_at=1000.0,
    place="run in train.py:41",
    is_in_step=True,
    waits_since=1000.0,
)
PEER = Peer(name="worker 1", heard_at=1000.0, place="run in train.py:41", is_in_step=True)


def loss(own=OWN, now=1001.0, *, is_chief=True, **changes):
    other = dataclasses.replace(PEER, name="worker 0", heard_at=now)
    peer = dataclasses.replace(PEER, **changes)
    found = find_loss(own, [other, peer], LIMITS, now=now, is_chief=is_chief)
    return None if found is None else found.words


AFTER = "; chief 0 had taken 812 steps"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"now": 1060.0}, None),
        (
            {"now": 1061.0},
            (
                "worker 1 was lost (not heard for 61 s: it is stopped, or its machine or network is"
                " gone)"
            ),
        ),
        (
            {"now": 1061.0, "place": ""},
            "worker 1 was never heard in 61 s (is the chief's port open to it?)",
        ),
        (
            {"is_closed": True},
            (
                "worker 1 was lost (its connection closed without a word, as when it is killed: its"
                " pod or machine says why, such as out of memory)"
            ),
        ),
        (
            {"bye": "completed", "is_closed": True},
            "worker 1 ended its training (completed) while others went on",
        ),
        ({"bye": "failed", "message": "ValueError: x"}, "worker 1 failed (ValueError: x)"),
        (
            {"bye": "terminated"},
            "worker 1 was lost (told to end by SIGTERM, as when it is evicted)",
        ),
        ({"now": 2800.0, "heard_at": 2800.0}, None),
        (
            {"now": 2801.0, "heard_at": 2800.0, "place": "read in data.py:7", "is_in_step": False},
            "no step for 1801 s: worker 1 hangs at read in data.py:7, outside of a step",
        ),
        (
            {"now": 2801.0, "heard_at": 2800.0},
            (
                "no step for 1801 s, and all processes wait in one: worker 0 at run in train.py:41"
                " and worker 1 at run in train.py:41 and chief 0 at run in train.py:41"
            ),
        ),
    ],
)
def test_who_is_lost_and_how_one_knows(changes, words):
    assert loss(**changes) == (None if words is None else words + AFTER)


def test_who_ended_in_good_order_is_named_only_where_nobody_else_is():
    ended = dataclasses.replace(PEER, name="worker 0", bye="completed", heard_at=0.0)
    found = find_loss(OWN, [ended, PEER], LIMITS, now=1001.0, is_chief=True)
    assert found.is_end
    gone = dataclasses.replace(PEER, is_closed=True)
    found = find_loss(OWN, [ended, gone], LIMITS, now=1001.0, is_chief=True)
    assert found.words.startswith("worker 1 was lost (its connection closed")
    assert not found.is_end


def test_only_the_chief_decides_that_nothing_moves():
    assert loss(now=2801.0, heard_at=2801.0, is_chief=False) is None


def test_the_first_step_has_more_time():
    own = dataclasses.replace(OWN, steps=0)
    hasty = WatchLimits(silence_seconds=9999, hang_seconds=8)
    assert find_loss(own, [PEER], hasty, now=1600.0, is_chief=True) is None
    assert find_loss(own, [PEER], hasty, now=1601.0, is_chief=True).is_hang
    assert find_loss(OWN, [PEER], hasty, now=1009.0, is_chief=True).is_hang


def test_who_is_late_is_suspected_when_a_step_has_failed():
    said = suspect(OWN, [PEER], now=1005.0, late_seconds=4.0)
    assert said.startswith("worker 1 was lost (not heard for 5 s")
    assert suspect(OWN, [PEER], now=1003.0, late_seconds=4.0) == ""


@pytest.mark.parametrize(
    ("own", "is_hang", "stuck"),
    [
        ({}, False, True),
        ({"stepped_at": 1090.0}, False, False),  # it goes on
        ({"is_in_step": False}, False, False),  # it exports its model, say
        ({"waits_since": 1090.0}, False, False),  # it was somewhere else until now
        ({"is_in_step": False}, True, True),  # it keeps the others waiting itself
    ],
)
def test_nothing_is_ended_but_what_waits_in_a_step(own, is_hang, stuck):
    own = dataclasses.replace(OWN, **own)
    lost = Loss(words="worker 1 was lost", is_hang=is_hang)
    assert is_stuck(own, lost, found_at=1050.0, grace_seconds=30, now=1100.0) is stuck


class SilentLines:
    """Those to a worker that was heard 5 s ago."""

    def __init__(self):
        self.peer = dataclasses.replace(PEER, heard_at=time.monotonic() - 5)

    def exchange(self, beat):
        return (self.peer,)

    def close(self):
        pass


@pytest.mark.parametrize(("error", "leaves"), [("UnavailableError", True), ("ValueError", False)])
def test_whoever_is_suspected_of_an_error_ends_the_process_and_is_its_last_word(
    error, leaves, monkeypatch, caplog
):
    """TensorFlow may notice that a process is stopped long before `silence_seconds` are over."""
    at_exit = []
    monkeypatch.setattr("atexit.register", lambda *call: at_exit.append(call))
    limits = WatchLimits(silence_seconds=60, hang_seconds=0.2)
    watch = Watch(
        SilentLines(), limits, name="worker 0", is_chief=False, steps=lambda: 7, give_up=print
    )
    until(watch._lines, {}, lambda _: watch._peers)
    blamed = watch.cause(error)
    watch.end("failed", blamed)
    assert blamed.startswith("worker 1 was lost (not heard for 5 s") is leaves
    leave = [call for call in at_exit if call[1:]]
    assert len(leave) == leaves
    if leaves:
        monkeypatch.setattr("os._exit", at_exit.append)
        leave[0][0](*leave[0][1:])
        assert at_exit[-1] == LOST
        assert caplog.messages[-1] == f"gradgate: ends with status 75: {blamed}"


def test_a_place_is_the_training_codes_own_line():
    ready, done = threading.Event(), threading.Event()

    def read_the_data():
        ready.set()
        done.wait()

    thread = threading.Thread(target=read_the_data)
    thread.start()
    ready.wait()
    found = place_of(thread.ident)
    done.set()
    thread.join()
    assert found.words.startswith("wait in threading.py:")
    assert not found.is_in_step
    assert place_of(thread.ident).words == "a thread that has ended"


@pytest.mark.parametrize("field", ["silence_seconds", "hang_seconds", "grace_seconds"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "9", True])
def test_a_limit_that_cannot_be_is_refused(field, value):
    with pytest.raises(ValueError, match=rf"{field} must be a number of seconds above 0, got"):
        WatchLimits(**{field: value})


@pytest.mark.parametrize("port", [-1, 65536, "9", True])
def test_a_port_that_cannot_be_is_refused(port):
    with pytest.raises(ValueError, match="port must be"):
        WatchLimits(port=port)


# The lines


@pytest.fixture
def chief():
    lines = ChiefLines(["worker 0", "worker 1"], host="127.0.0.1", port=0, token="secret")
    yield lines
    lines.close()


@pytest.fixture
def worker(chief):
    lines = WorkerLines("chief 0", host="127.0.0.1", port=chief.port, token="secret")
    yield lines
    lines.close()


def until(lines, beat, is_so):
    """Exchanges beats until the others are as expected, 5 s at most."""
    for _ in range(500):
        peers = lines.exchange(beat)
        if is_so(peers):
            return peers
        time.sleep(0.01)
    raise AssertionError(peers)


BEAT = {"task": "worker 1", "place": "here", "is_in_step": True}


def test_both_ends_hear_each_other_and_a_good_bye(chief, worker):
    worker.exchange(BEAT)
    silent, heard = until(chief, {"task": "chief 0", "place": "there"}, lambda p: p[1].place)
    assert (heard.place, heard.is_in_step, heard.is_closed, heard.bye) == (
        "here",
        True,
        False,
        None,
    )
    assert silent.place == ""
    (other,) = until(worker, BEAT, lambda peers: peers[0].place)
    assert (other.name, other.place, other.is_in_step) == ("chief 0", "there", False)
    worker.exchange({**BEAT, "bye": "failed", "message": "no data"})
    worker.close()
    _, heard = until(chief, {}, lambda peers: peers[1].is_closed)
    assert (heard.bye, heard.message) == ("failed", "no data")


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        json.dumps({**BEAT, "token": "guessed"}).encode() + b"\n",
        json.dumps({**BEAT, "task": "worker 7", "token": "secret"}).encode() + b"\n",
        b"[" * 5000,
    ],
    ids=["another protocol", "another token", "another name", "too long"],
)
def test_a_stranger_is_not_heard_and_keeps_nobody_away(chief, worker, said):
    with socket.create_connection(("127.0.0.1", chief.port)) as stranger:
        stranger.sendall(said)
        for _ in range(5):
            assert not any(peer.place for peer in chief.exchange({}))
            time.sleep(0.01)
        worker.exchange(BEAT)
        until(chief, {}, lambda peers: peers[1].place == "here")


def test_a_worker_that_comes_before_the_chief_listens_tries_again():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    early = WorkerLines("chief 0", host="127.0.0.1", port=port, token="secret")
    early.exchange(BEAT)
    late = ChiefLines(["worker 1"], host="127.0.0.1", port=port, token="secret")
    early.exchange(BEAT)
    until(late, {}, lambda peers: peers[0].place == "here")
    early.close()
    late.close()
