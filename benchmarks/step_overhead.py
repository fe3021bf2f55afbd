"""What a step costs: ratios to the same `fit` with Keras's own `global_clipnorm`.

All variants train in one process, in turns, and a ratio is the median over rounds of paired CPU
times (all threads), so that other work on the machine strikes all alike. "Same thing twice" is the
baseline against itself: what a ratio means on this machine today. What is switched on for a whole
process gets one of its own, where the baseline's rounds come first: Debugger V2 crashes when it is
switched on a second time.

    python benchmarks/step_overhead.py [--models "tiny MLP" CNN] [--variants ...] [--out FILE]
"""

import argparse
import contextlib
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf
from _models import MODELS, Sample
from _variants import BASELINE, VARIANTS, Variant, model_class, prepare, switch_on

_WARM_UP = 2  # rounds: tracing, caches
Ratios = dict[str, float]


class Training:
    """One model that trains in one way, a fixed number of steps a round."""

    def __init__(
        self,
        sample: Sample,
        data: tf.data.Dataset,
        variant: Variant,
        folder: Path,
        stack: contextlib.ExitStack,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        self._steps, self._data = sample.steps, data
        self._model = sample.build(model_class(variant))
        self._callbacks = [*prepare(variant, self._model, folder, stack), *callbacks]

    def seconds(self) -> float:
        """Trains a round; returns the CPU time of it."""
        start = time.process_time()
        self._model.fit(
            self._data, steps_per_epoch=self._steps, verbose=0, callbacks=self._callbacks
        )
        return time.process_time() - start


def data_of(sample: Sample) -> tf.data.Dataset:
    """Returns the batches of a sample, again and again; all trainings of a process share them."""
    return tf.data.Dataset.from_tensor_slices(sample.data()).repeat()


def measure(
    sample: Sample, names: Sequence[str], *, rounds: int, peer_rounds: int
) -> tuple[float, Ratios]:
    """Returns ms of CPU time of a baseline step, and the ratio of each variant to the baseline."""
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        variants = [BASELINE, *(VARIANTS[name] for name in names)]
        data = data_of(sample)
        trainings = [
            Training(sample, data, variant, root / str(number), stack)
            for number, variant in enumerate(variants)
        ]
        base: list[float] = []
        ratios: list[list[float]] = [[] for _ in trainings]
        # A dozen models in one process are a heap that no training has: without this the collector
        # walks all of it, again and again, at the cost of whoever allocates.
        gc.collect()
        gc.freeze()
        for number in range(-_WARM_UP, rounds):
            taking_part = [
                index
                for index, variant in enumerate(variants)
                if number < peer_rounds or not variant.is_peer
            ]
            start = number % len(taking_part)
            turns = taking_part[start:] + taking_part[:start]
            seconds = {index: trainings[index].seconds() for index in turns}
            if number >= 0:
                base.append(seconds[0])
                for index, each in seconds.items():
                    ratios[index].append(each / seconds[0])
    medians = [statistics.median(each) for each in ratios]
    return statistics.median(base) / sample.steps * 1e3, dict(zip(names, medians[1:], strict=True))


def measure_switch(sample: Sample, variant: Variant, rounds: int) -> float:
    """Returns the ratio to the baseline of what is switched on for the whole process."""
    medians = []
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data = data_of(sample)
        for each in (BASELINE, variant):
            training = Training(sample, data, each, root / "baseline", stack)
            switch_on(each, root / "debug")
            seconds = [training.seconds() for _ in range(_WARM_UP + rounds)]
            medians.append(statistics.median(seconds[_WARM_UP:]))
    return medians[1] / medians[0]


def measure_apart(model: str, variant: str, rounds: int) -> float:
    """Returns what `measure_switch` does, from a process of its own."""
    command = [sys.executable, __file__, "--models", model, "--variants", variant]
    command += ["--peer-rounds", str(rounds), "--apart"]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return float(answer.stdout.splitlines()[-1])


def table(results: dict[str, tuple[float, Ratios]], variants: Sequence[str]) -> str:
    """Returns the results as a Markdown table: a row for each variant, a column for each model."""
    sizes = [f"{MODELS[model].build().count_params():,}" for model in results]
    rows = [
        ["", *results],
        ["---", *("---:" for _ in results)],
        ["parameters", *sizes],
        ["step with `global_clipnorm`", *(f"{base:.2f} ms" for base, _ in results.values())],
        *([name, *(f"{ratios[name]:.3f}" for _, ratios in results.values())] for name in variants),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rounds", type=int, default=15, help="paired measurements, ours")
    parser.add_argument("--peer-rounds", type=int, default=5, help="and of others: they are slow")
    parser.add_argument("--out", type=Path, help="file for the table, besides")
    parser.add_argument("--apart", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.apart:
        variant = VARIANTS[given.variants[0]]
        print(measure_switch(MODELS[given.models[0]], variant, given.peer_rounds))
        return
    apart = [name for name in given.variants if VARIANTS[name].switch]
    together = [name for name in given.variants if name not in apart]
    results = {}
    for model in given.models:
        base, ratios = measure(
            MODELS[model], together, rounds=given.rounds, peer_rounds=given.peer_rounds
        )
        ratios |= {name: measure_apart(model, name, given.peer_rounds) for name in apart}
        results[model] = base, ratios
        print(f"{model}: {base:.2f} ms, {ratios}", file=sys.stderr, flush=True)
    versions = (
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}, Python {sys.version.split()[0]}"
    )
    text = (
        f"CPU time relative to `global_clipnorm`; median of {given.rounds} rounds, of others"
        f" {min(given.rounds, given.peer_rounds)}; {versions}, {os.cpu_count()} cores\n\n"
        f"{table(results, given.variants)}"
    )
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
