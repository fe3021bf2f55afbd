"""Health records of runs that never were: as long and as wide as is asked for, sound but for noise.

A record of any length is written in the memory of one part: some parts are drawn, and repeated with
the numbers of later steps. Norms are rounded to 1 %, so that the longest fits on a small disk.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gradgate.contracts import (
    FileDigest,
    Manifest,
    ModelCard,
    Recorded,
    Summary,
    VariableCard,
    canonical_json,
    sha256,
)
from gradgate.contracts.summary import SeriesSummary, VariableSummary
from gradgate.telemetry.batch import StatisticsBatch, StepBatch
from gradgate.telemetry.parts import PARTS, Parts
from gradgate.telemetry.writer import CARD, MANIFEST, SUMMARY, now

ROWS = 4096  # of a part, as the writer has it
EVERY = 50  # steps from one row of statistics to the next
_DRAWN = 25  # parts that are drawn: together a whole number of rows of statistics


def write_record(folder: Path, *, steps: int, variables: int) -> Path:
    """Writes the record of a run and returns its directory.

    Args:
        folder: Made if it is missing; must not hold a record.
        steps: Of the run.
        variables: Kernels and biases in turns, so two make a layer.
    """
    paths = [f"layer_{i // 2}/{'bias' if i % 2 else 'kernel'}" for i in range(variables)]
    (folder / PARTS).mkdir(parents=True)
    parts = Parts(folder)
    for batch in _batches(steps, variables):
        parts.add(batch)
    summary = Summary(
        steps=steps,
        constant_loss=1.0,
        clip_scale=SeriesSummary(count=steps, total=float(steps)),
        variables=tuple(VariableSummary(path=path, final_weight_nonfinite=0) for path in paths),
    )
    manifest = Manifest(
        training_uid="benchmark",
        status="completed",
        instrumented=True,
        planned_steps=steps,
        observed_steps=steps,
        parts=tuple(parts.written),
        card=_write(folder, CARD, _card(paths)),
        summary=_write(folder, SUMMARY, summary),
        started_at=now(),
        finished_at=now(),
    )
    _write(folder, MANIFEST, manifest.sealed())
    return folder


def _write(folder: Path, name: str, document: Recorded) -> FileDigest:
    data = canonical_json(document.model_dump(mode="json"))
    (folder / name).write_bytes(data)
    return FileDigest(path=name, size=len(data), sha256=sha256(data))


def _card(paths: list[str]) -> ModelCard:
    return ModelCard(
        model_name="benchmark",
        variables=tuple(
            VariableCard(
                path=path,
                layer=path.split("/")[0],
                shape=(64, 64) if path.endswith("kernel") else (64,),
                dtype="float32",
                initializer="he_normal",
                activation="relu",
            )
            for path in paths
        ),
        optimizer="Adam",
        loss="mse",
        statistics_every=EVERY,
    )


def _batches(steps: int, variables: int) -> Iterator[StepBatch]:
    drawn: list[StepBatch] = []
    for number, start in enumerate(range(0, steps, ROWS)):
        step = np.arange(start, min(start + ROWS, steps))
        if number < _DRAWN:
            drawn.append(_drawn(step, variables, np.random.default_rng(number)))
        batch = drawn[number % _DRAWN]
        if len(step) < len(batch):
            batch = _drawn(step, variables, np.random.default_rng(number))
        noise = np.random.default_rng(start).lognormal(0, 0.1, len(step))
        yield dataclasses.replace(
            batch,
            step=step,
            epoch=step // 1000,
            seconds=step * 0.05,
            loss=((0.2 + np.exp(-4 * step / steps)) * noise).astype(np.float32),
            statistics=dataclasses.replace(batch.statistics, step=step[step % EVERY == 0]),
        )


def _drawn(step: np.ndarray, variables: int, generator: np.random.Generator) -> StepBatch:
    """A part without what depends on how far the run has come."""
    norms = np.exp(np.round(generator.normal(-2, 0.5, (len(step), variables)), 2))
    norms = norms.astype(np.float32)
    sampled = step[step % EVERY == 0]
    rows = (len(sampled), variables)
    global_norm = np.sqrt(np.square(norms).sum(axis=1))
    return StepBatch(
        step=step,
        epoch=step,
        seconds=step * 0.05,
        loss=global_norm,
        global_norm=global_norm,
        clipped_norm=global_norm,
        clip_scale=np.ones(len(step), np.float32),
        clipped=np.zeros(len(step), bool),
        applied=np.ones(len(step), bool),
        norms=norms,
        statistics=StatisticsBatch(
            step=sampled,
            mean_abs=generator.lognormal(-6, 0.5, rows).astype(np.float32),
            max_abs=generator.lognormal(-4, 0.5, rows).astype(np.float32),
            zero_fraction=generator.random(rows, np.float32) / 10,
            nonfinite=np.zeros(rows, np.int64),
            weight_norm=np.full(rows, 3, np.float32),
            update_ratio=generator.lognormal(-7, 0.3, rows).astype(np.float32),
        ),
    )
