"""Runs `pipeline.distributed` in small clusters on loopback, and does something to one process.

Usage: clusters.py FOLDER. For each case leaves FOLDER/case/output, what each process said, and
FOLDER/case/ended.json, their exit statuses. Run by test_distributed.py. TensorFlow is imported
once, and every process is a fork of that: nothing of it has begun to work by then.
"""

import dataclasses
import functools
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras

from pipeline import distributed

STEPS_BEFORE, FOR_EVER = 60, 10**9
LIMITS = ("--silence-seconds", "6", "--hang-seconds", "8", "--grace-seconds", "2")
_SECONDS, _AT_A_TIME = 240, 2


def hang() -> None:
    time.sleep(FOR_EVER)


def send(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


# By case: the processes, and what happens to which of them.
CASES: dict[str, tuple[tuple[str, ...], str, Callable[[], None] | None]] = {
    "three": (("chief 0", "worker 0", "worker 1"), "", None),
    "killed": (("chief 0", "worker 0"), "worker 0", send(signal.SIGKILL)),
    "stopped": (("worker 0", "worker 1"), "worker 1", send(signal.SIGSTOP)),
    "hanging": (("chief 0", "worker 0"), "worker 0", hang),
    "chief killed": (("chief 0", "worker 0"), "chief 0", send(signal.SIGKILL)),
}


@dataclasses.dataclass
class Cluster:
    """A case while it runs: its processes, and the exit statuses that are known."""

    folder: Path
    running: dict[str, int]
    awaited: set[str]  # not what was stopped, or hangs
    until: float
    codes: dict[str, int | None] = dataclasses.field(default_factory=dict)

    def is_over(self) -> bool:
        """Whether all that are awaited have ended, or had the time; statuses are then written."""
        for task, pid in self.running.items():
            if task not in self.codes and (ended := os.waitpid(pid, os.WNOHANG))[0]:
                self.codes[task] = os.waitstatus_to_exitcode(ended[1])  # negative for a signal
        if self.awaited - set(self.codes) and time.monotonic() < self.until:
            return False
        for task, pid in self.running.items():
            if task not in self.codes:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                self.codes[task] = None  # it had to be killed here
        (self.folder / "ended.json").write_text(json.dumps(self.codes))
        return True


def main() -> Callable[[], None] | None:
    """Runs all cases, two at a time; in a process of a cluster, returns what it is to do."""
    clusters: list[Cluster] = []
    for name, (tasks, victim, act) in CASES.items():
        while len(clusters) == _AT_A_TIME:
            clusters = [each for each in clusters if not each.is_over()]
            time.sleep(0.1)
        folder = Path(sys.argv[1]) / name
        folder.mkdir()
        cluster, running = _addresses(tasks), {}
        for task in tasks:
            with (folder / f"{task}.log").open("w") as log:
                pid = os.fork()
                if not pid:
                    os.dup2(log.fileno(), 1)
                    os.dup2(log.fileno(), 2)
                    job, number = task.split()
                    config = {"cluster": cluster, "task": {"type": job, "index": int(number)}}
                    os.environ["TF_CONFIG"] = json.dumps(config)
                    is_victim = act is not None and task == victim
                    steps = 200 if act is None else FOR_EVER
                    return functools.partial(_train, folder, steps, act if is_victim else None)
            running[task] = pid
        awaited = set(tasks) - ({victim} if name in {"stopped", "hanging"} else set())
        clusters.append(Cluster(folder, running, awaited, time.monotonic() + _SECONDS))
    while clusters:
        clusters = [each for each in clusters if not each.is_over()]
        time.sleep(0.1)
    return None


def _train(folder: Path, steps: int, act: Callable[[], None] | None) -> None:
    if act is not None:
        batches = distributed.batches
        distributed.batches = lambda *given: _interrupted(batches(*given), act)
    if steps == FOR_EVER:  # who is lost shows with any model, and tracing costs more than training
        distributed.build_model = _one_layer
    output = str(folder / "output")
    distributed.main(["--output", output, "--steps", str(steps), *LIMITS])


def _one_layer(width: int) -> keras.Model:
    logit = keras.layers.Dense(1, name=distributed.LABEL)
    return keras.Sequential([keras.Input([width]), logit], name="taxi")


def _interrupted(batches: Iterator[Any], act: Callable[[], None]) -> Iterator[Any]:
    for number, batch in enumerate(batches):
        if number == STEPS_BEFORE:
            act()
        time.sleep(0.005)  # the processor is for others, while this waits to be ended
        yield batch


def _addresses(tasks: tuple[str, ...]) -> dict[str, list[str]]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in tasks]
    cluster: dict[str, list[str]] = {}
    for task, each in zip(tasks, sockets, strict=True):
        cluster.setdefault(task.split()[0], []).append(f"127.0.0.1:{each.getsockname()[1]}")
        each.close()
    return cluster


if __name__ == "__main__":
    act = main()
    if act is not None:
        act()
