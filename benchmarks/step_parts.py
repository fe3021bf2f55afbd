"""What makes up the cost of full statistics every 50 steps: CPU time of single steps, by kind.

A usual step, the step before a sample (the cosine needs a sketch of its gradients), a sample, a
read of the device, and the end of an epoch. All variants train in one process, in turns; a median
over thousands of steps says what the ratio of two rounds cannot on a machine that is not quiet.

    python benchmarks/step_parts.py [--models "tiny MLP" CNN transformer] [--rounds 10]
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import keras
from _models import MODELS, Sample
from _variants import BASELINE, VARIANTS
from step_overhead import Training, data_of

from gradgate.training.guard import Guard

_EVERY = 50
_NAMES = ("same thing twice", "gradgate, always-on", "gradgate, full statistics every 50")
_KINDS = {0: "sample", _EVERY - 1: "step before"}
_PARTS = ("usual step", "fastest tenth", "step before", "sample", "read", "end of an epoch")
Parts = dict[str, list[float]]


class Clock(keras.callbacks.Callback):
    """Notes the CPU time of all threads at the begin of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self._times: list[float] = []
        self._taken = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Notes the time."""
        self._times.append(time.process_time())

    def move_to(self, parts: Parts) -> None:
        """Adds the steps of a round, but for its first and last one, in microseconds."""
        times, first = self._times, self._taken
        for i in range(1, len(times) - 1):
            kind = _KINDS.get((first + i) % _EVERY, "usual step")
            parts[kind].append((times[i + 1] - times[i]) * 1e6)
        self._taken, self._times = first + len(times), []


def timed(flush: Callable[..., int], parts: Parts) -> Callable[..., int]:
    """Returns a `Guard.flush` that notes what it took, in microseconds."""

    def timed_flush(guard: Guard, *, is_epoch_end: bool = False) -> int:
        begun = time.process_time()
        steps = flush(guard, is_epoch_end=is_epoch_end)
        kind = "end of an epoch" if is_epoch_end else "read"
        parts[kind].append((time.process_time() - begun) * 1e6)
        return steps

    return timed_flush


def measure(sample: Sample, rounds: int) -> dict[str, Parts]:
    """Returns the microseconds of each part, by variant."""
    found: dict[str, Parts] = {}
    with contextlib.ExitStack() as stack:
        root, data = Path(stack.enter_context(tempfile.TemporaryDirectory())), data_of(sample)
        trainings = []
        for number, name in enumerate(("baseline", *_NAMES)):
            clock = Clock()
            variant = VARIANTS.get(name, BASELINE)
            training = Training(sample, data, variant, root / str(number), stack, (clock,))
            trainings.append((name, training, clock))
        for number in range(rounds + 1):
            found = found if number > 1 else defaultdict(lambda: defaultdict(list))  # warmed up
            for name, training, clock in trainings[number % 4 :] + trainings[: number % 4]:
                with mock.patch.object(Guard, "flush", timed(Guard.flush, found[name])):
                    training.seconds()
                clock.move_to(found[name])
    return found


def table(found: dict[str, Parts]) -> str:
    """Returns medians in microseconds as a Markdown table, a row for each variant."""
    rows = [["", *_PARTS], ["---", *("---:" for _ in _PARTS)]]
    for name in ("baseline", *_NAMES):
        parts = found[name]
        fastest = statistics.quantiles(parts["usual step"], n=10)[0]
        medians = {kind: statistics.median(each) for kind, each in parts.items()}
        medians["fastest tenth"] = fastest
        rows.append([name, *(f"{medians[p]:,.0f}" if p in medians else "" for p in _PARTS)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["tiny MLP", "CNN"])
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    for model in given.models:
        print(
            f"{model}, microseconds\n\n{table(measure(MODELS[model], given.rounds))}\n", flush=True
        )


if __name__ == "__main__":
    main()
