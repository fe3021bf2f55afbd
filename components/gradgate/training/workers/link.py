"""One connection between two processes: lines of JSON both ways, never waited for.

What comes in is believed only after the first line has shown the token that the processes shared in
their own collective; no line is longer than a page.
"""

import json
import socket
from typing import Any

_LONGEST = 4096  # bytes of a line


class Link:
    """A connected socket that sends and receives lines.

    Args:
        connected: The socket; not blocking from now on.

    Attributes:
        is_closed: Whether the other end closed it, or something broke it.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(0)
        self.socket = connected
        self.is_closed = False
        self._received = b""
        self._unsent = b""

    def send(self, line: dict[str, Any]) -> None:
        """Sends a line; one that does not go out at once waits for the next call."""
        if len(self._unsent) < 16 * _LONGEST:  # else nobody reads at the other end
            self._unsent += json.dumps(line).encode() + b"\n"
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self.is_closed = True

    def receive(self) -> list[dict[str, Any]]:
        """Returns the lines that have come in."""
        try:
            while data := self.socket.recv(1 << 16):
                self._received += data
            self.is_closed = True
        except BlockingIOError:
            pass
        except OSError:
            self.is_closed = True
        *lines, self._received = self._received.split(b"\n")
        if max(map(len, (*lines, self._received))) > _LONGEST:
            self.close()
            return []
        return [line for line in map(_parsed, lines) if line is not None]

    def close(self) -> None:
        """Closes it."""
        self.is_closed = True
        self.socket.close()


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
