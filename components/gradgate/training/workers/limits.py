"""How long the processes of a training wait for each other."""

import dataclasses
import math
from typing import Final

LOST: Final = 75
"""Exit status of a process that ends since another one was lost.

EX_TEMPFAIL of sysexits.h: try again. Below 128, so Kubeflow's training operator does not start the
pod again beside a record that is finished.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WatchLimits:
    """When a process that trains together with others is given up.

    Whatever is found, a process that still takes steps, or is busy outside of one, is not ended:
    only one that waits in a step for what will not come.

    Attributes:
        silence_seconds: Without a word from another process. Each sends one a second from a thread
            of its own; a process that was stopped, or whose machine or network is gone, sends none.
        hang_seconds: Without a step, while all processes answer: one of them does something else.
            Longer than the longest evaluation or export between two steps. Before the first
            step, which is traced and compiled, at least 600.
        grace_seconds: Between knowing and ending the process, for TensorFlow and the training code
            to notice, and to end in their own way.
        port: That the chief listens on; 0 is any that is free. Name one where a network policy
            lets only named ports through.
    """

    silence_seconds: float = 60.0
    hang_seconds: float = 1800.0
    grace_seconds: float = 30.0
    port: int = 0

    def __post_init__(self) -> None:
        for name in ("silence_seconds", "hang_seconds", "grace_seconds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise ValueError(
                    f"WatchLimits: {name} must be a number of seconds above 0, got {value!r}. For"
                    " no limit use float('inf')."
                )
        if isinstance(self.port, bool) or not isinstance(self.port, int):
            raise ValueError(f"WatchLimits: port must be a whole number, got {self.port!r}.")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"WatchLimits: port must be from 0 to 65535, got {self.port}.")

    @property
    def first_seconds(self) -> float:
        """Of patience with the first step."""
        return max(self.hang_seconds, 600.0)

    @property
    def beat_seconds(self) -> float:
        """Between two words to each other: often enough that some may be late."""
        least = min(self.silence_seconds, self.hang_seconds, self.grace_seconds)
        return min(1.0, least / 5) if math.isfinite(least) else 1.0
