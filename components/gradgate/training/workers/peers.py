"""What is known of the other processes, and which of them is lost: pure, on plain values."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Literal

from gradgate.training.workers.limits import WatchLimits

Bye = Literal["completed", "stopped", "failed", "terminated"]
_IN_GOOD_ORDER = ("completed", "stopped")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peer:
    """Another process, as far as it was heard. Times are seconds of one monotonic clock.

    Attributes:
        name: Such as `worker 1`.
        heard_at: When it was heard last, or when one began to listen.
        place: Where its training code was then; empty before it was ever heard.
        is_in_step: Whether that was a step.
        is_closed: Whether its end of the line is closed.
        bye: How its training ended, as it said itself; None while it goes on.
        message: Why.
    """

    name: str
    heard_at: float
    place: str = ""
    is_in_step: bool = False
    is_closed: bool = False
    bye: Bye | None = None
    message: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Own:
    """This process.

    Attributes:
        name: Such as `chief 0`.
        steps: Steps that it took.
        stepped_at: When the last of them was seen, or the watch began.
        place: Where its training code is.
        is_in_step: Whether that is a step.
        waits_since: When it was first seen in that step; of no meaning elsewhere.
    """

    name: str
    steps: int
    stepped_at: float
    place: str
    is_in_step: bool
    waits_since: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """A process that the others wait for in vain.

    Attributes:
        words: Who, and how one knows, in one sentence.
        is_hang: Whether all answer, and still nothing moves.
        is_end: Whether they ended in good order, which matters only to one that waits for them.
    """

    words: str
    is_hang: bool = False
    is_end: bool = False


def find_loss(
    own: Own, peers: Sequence[Peer], limits: WatchLimits, *, now: float, is_chief: bool
) -> Loss | None:
    """Returns who is lost; None when nobody is.

    Whoever said good-bye, or whose line is closed, is named before one that is silent, and that
    one before one that hangs: the first is sure, the last may only wait for the others.
    """
    lost = _lost(own, peers, now, limits.silence_seconds)
    if lost is not None:
        return lost
    patience = limits.hang_seconds if own.steps else limits.first_seconds
    if is_chief and now - own.stepped_at > patience:
        return Loss(words=_hanging(own, peers, now), is_hang=True)
    return None


def is_stuck(own: Own, loss: Loss, *, found_at: float, grace_seconds: float, now: float) -> bool:
    """Says whether this process waits in vain: in one and the same step since somebody was lost.

    A chief that exports its model when a worker has gone is not stuck, nor is one that goes on.
    """
    since = max(found_at, own.stepped_at)
    if not loss.is_hang:
        if not own.is_in_step:
            return False
        since = max(since, own.waits_since)
    return now - since > grace_seconds


def suspect(own: Own, peers: Sequence[Peer], *, now: float, late_seconds: float) -> str:
    """Returns who it most likely was when a step has failed already; empty when nobody stands out.

    Args:
        own: This process.
        peers: The others.
        now: Seconds.
        late_seconds: After which a process is late. Much less than `silence_seconds`: that
            something is wrong is known.
    """
    lost = _lost(own, peers, now, late_seconds)
    return "" if lost is None else lost.words


def _lost(own: Own, peers: Sequence[Peer], now: float, late_seconds: float) -> Loss | None:
    ended = [peer for peer in peers if peer.bye in _IN_GOOD_ORDER]
    gone = [peer for peer in peers if (peer.is_closed or peer.bye) and peer not in ended]
    late = [p for p in peers if p not in ended and now - p.heard_at > late_seconds]
    for found, say in ((gone, _gone), (late, functools.partial(_silent, now=now)), (ended, _gone)):
        if found:
            words = f"{_listed([say(peer) for peer in found])}; {_after(own)}"
            return Loss(words=words, is_end=found is ended)
    return None


def _gone(peer: Peer) -> str:
    if peer.bye == "failed":
        return f"{peer.name} failed ({peer.message})" if peer.message else f"{peer.name} failed"
    if peer.bye == "terminated":
        return f"{peer.name} was lost (told to end by SIGTERM, as when it is evicted)"
    if peer.bye is not None:
        return f"{peer.name} ended its training ({peer.bye}) while others went on"
    return (
        f"{peer.name} was lost (its connection closed without a word, as when it is killed: its"
        " pod or machine says why, such as out of memory)"
    )


def _silent(peer: Peer, now: float) -> str:
    silent = f"{now - peer.heard_at:.0f} s"
    if not peer.place:
        return f"{peer.name} was never heard in {silent} (is the chief's port open to it?)"
    return (
        f"{peer.name} was lost (not heard for {silent}: it is stopped, or its machine or network is"
        " gone)"
    )


def _hanging(own: Own, peers: Sequence[Peer], now: float) -> str:
    """Who is in no step keeps the others waiting in theirs."""
    places = [(peer.name, peer.place, peer.is_in_step) for peer in peers]
    places.append((own.name, own.place, own.is_in_step))
    elsewhere = [f"{name} hangs at {place}" for name, place, is_in_step in places if not is_in_step]
    idle = f"no step for {now - own.stepped_at:.0f} s"
    if elsewhere:
        return f"{idle}: {_listed(elsewhere)}, outside of a step; {_after(own)}"
    everybody = _listed([f"{name} at {place}" for name, place, _ in places])
    return f"{idle}, and all processes wait in one: {everybody}; {_after(own)}"


def _after(own: Own) -> str:
    return f"{own.name} had taken {own.steps} steps"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(parts)
