"""Whether the process of a training still runs, asked later and by another process.

A process id alone is not enough: it is used again, at once in a container that is started anew, and
in another container it means another process.
"""

import os
import socket
from pathlib import Path
from typing import Literal


def this_process() -> str:
    """Returns what tells this process from all others: host, id, and when it started."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}"


def state(process: str | None) -> Literal["alive", "gone", "elsewhere"]:
    """Returns how a process is; "elsewhere" when it is of another host, so nobody here knows.

    Args:
        process: From `this_process`; None is gone.
    """
    if process is None:
        return "gone"
    host, pid, started = process.rsplit("/", 2)
    if host != socket.gethostname():
        return "elsewhere"
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    return "alive" if _started(int(pid)) == started else "gone"


def _started(pid: int) -> str:
    """When it started, in ticks since the system did; empty where the system does not say.

    A process that has ended and that its parent did not ask for yet counts as gone.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "gone" if fields[0] in {"Z", "X"} else fields[19]
