"""One process, one batch after the other: memory does not grow with the length of the run."""

from collections.abc import Sequence

from gradgate.gate.engines.base import Watcher
from gradgate.gate.evidence import Evidence


def in_process(evidence: Evidence, watchers: Sequence[Watcher]) -> None:
    """Shows all steps of the evidence to all watchers, once."""
    for batch in evidence.batches():
        for watcher in watchers:
            watcher.feed(batch)
