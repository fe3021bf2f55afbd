"""The lines between the processes: each worker is connected to the chief.

A beat is a line `{"token": ..., "task": "worker 1", "place": ..., "is_in_step": ...}`, and the last
one has `"bye"` and `"message"`. Both ends send; a chief that is lost is noticed, too.
"""

import contextlib
import dataclasses
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast, get_args

from gradgate.training.workers.link import Link
from gradgate.training.workers.peers import Bye, Peer

_CONNECT_SECONDS = 1.0
_LONGEST_WORDS = 500  # characters of a place or a message


class Lines(Protocol):
    """The lines of one process to the others."""

    def exchange(self, beat: Mapping[str, Any]) -> tuple[Peer, ...]:
        """Sends a beat, and returns the others as they were heard last."""

    def close(self) -> None:
        """Closes all of them."""


class ChiefLines:
    """Those of the chief, to every worker.

    Args:
        workers: Their names.
        host: Name or address that the workers know the chief by.
        port: To listen on; 0 is any.
        token: That every line of a worker shows.

    Attributes:
        port: That it listens on.

    Raises:
        OSError: If nothing can listen there.
    """

    def __init__(self, workers: Sequence[str], *, host: str, port: int, token: str) -> None:
        self._peers = {name: Peer(name=name, heard_at=time.monotonic()) for name in workers}
        self._token, self._links = token, dict[str, Link]()
        self._strangers: list[Link] = []
        is_loopback = host == "localhost" or host.startswith("127.")
        # A service's name need not be an address of this machine: listen on all that it has.
        self._listener = socket.create_server(("127.0.0.1" if is_loopback else "", port))
        self._listener.settimeout(0)
        self.port = int(self._listener.getsockname()[1])

    def exchange(self, beat: Mapping[str, Any]) -> tuple[Peer, ...]:
        """See `Lines`."""
        with contextlib.suppress(BlockingIOError):
            while len(self._strangers) <= len(self._peers):
                self._strangers.append(Link(self._listener.accept()[0]))
        for stranger in tuple(self._strangers):
            self._meet(stranger)
        for name, link in self._links.items():
            link.send({**beat, "token": self._token})
            self._peers[name] = heard(self._peers[name], link.receive(), link, self._token)
        return tuple(self._peers.values())

    def close(self) -> None:
        """See `Lines`."""
        self._listener.close()
        for link in (*self._links.values(), *self._strangers):
            link.close()

    def _meet(self, stranger: Link) -> None:
        """Takes in a connection whose first line shows the token and a name that is expected."""
        lines = stranger.receive()
        if not lines and not stranger.is_closed:
            return
        self._strangers.remove(stranger)
        name = lines[0].get("task") if lines and lines[0].get("token") == self._token else None
        if name not in self._peers or name in self._links:
            stranger.close()
            return
        self._links[name] = stranger
        self._peers[name] = heard(self._peers[name], lines, stranger, self._token)


class WorkerLines:
    """The one of a worker, to the chief.

    Args:
        chief: Its name.
        host, port: Where it listens.
        token: That every line shows.
    """

    def __init__(self, chief: str, *, host: str, port: int, token: str) -> None:
        self._peer = Peer(name=chief, heard_at=time.monotonic())
        self._address, self._token = (host, port), token
        self._link: Link | None = None

    def exchange(self, beat: Mapping[str, Any]) -> tuple[Peer, ...]:
        """See `Lines`."""
        if self._link is None:
            with contextlib.suppress(OSError):  # tried again with the next beat
                self._link = Link(socket.create_connection(self._address, _CONNECT_SECONDS))
        if self._link is not None:
            self._link.send({**beat, "token": self._token})
            self._peer = heard(self._peer, self._link.receive(), self._link, self._token)
        return (self._peer,)

    def close(self) -> None:
        """See `Lines`."""
        if self._link is not None:
            self._link.close()


def heard(peer: Peer, lines: Sequence[Mapping[str, Any]], link: Link, token: str) -> Peer:
    """Returns what is known of a process after these lines of it."""
    for line in lines:
        if line.get("token") != token:
            continue
        bye = line.get("bye")
        peer = dataclasses.replace(
            peer,
            heard_at=time.monotonic(),
            place=str(line.get("place", ""))[:_LONGEST_WORDS],
            is_in_step=line.get("is_in_step") is True,
            bye=cast(Bye, bye) if bye in get_args(Bye) else peer.bye,
            message=str(line.get("message", ""))[:_LONGEST_WORDS],
        )
    return dataclasses.replace(peer, is_closed=peer.is_closed or link.is_closed)
