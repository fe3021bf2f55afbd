"""Makes the golden runs: small records of trainings that went well, and badly in every known way.

`python tests/golden/make_runs.py` writes them to where the package ships them, for `gradgate policy
test`. Each is written by the RecordWriter, so it is what a training leaves; the numbers are chosen
by hand and hold no random ones. A test compares what is shipped with what this makes.
"""

import argparse
import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

from gradgate.contracts import ActivationCard, ModelCard, VariableCard, Verdict
from gradgate.contracts.references import MeasuredValue, Measurement, Reference
from gradgate.contracts.verdict import Inputs, Subject
from gradgate.gate import keep_baseline
from gradgate.telemetry.batch import ActivationBatch, StatisticsBatch, StepBatch
from gradgate.telemetry.writer import RecordWriter

RUNS = Path(__file__).parents[2] / "components" / "gradgate" / "gate" / "golden_runs"
STEPS, EVERY, EPOCH = 240, 20, 80
PATHS = ("net/dense/kernel", "net/dense/bias", "net/head/kernel")
LAYERS = ("net/dense",)
CONSTANT_LOSS = 0.6875  # what the best constant prediction would have
FINISHED = "2026-01-31T12:00:00Z"
_CARD = ModelCard(
    model_name="net",
    variables=tuple(
        VariableCard(
            path=path,
            layer=path.split("/")[1],
            shape=(8, 8) if path.endswith("kernel") else (8,),
            dtype="float32",
            initializer="HeNormal",
            activation="sigmoid" if "head" in path else "relu",
        )
        for path in PATHS
    ),
    optimizer="Adam",
    optimizer_config={"learning_rate": 0.001},
    loss="binary_crossentropy",
    clips=({"name": "clip_by_global_norm", "max_norm": 4.0},),
    statistics_every=EVERY,
    activations=tuple(ActivationCard(layer=layer, activation="relu") for layer in LAYERS),
    seed=1,
)


def sound(first: int = 0, stop: int = STEPS) -> StepBatch:
    """Steps of a training that learns: the loss falls from 0.75 to 0.25, gradients are 0.5."""
    step = np.arange(first, stop)
    n, v = len(step), len(PATHS)
    sampled = step[step % EVERY == 0]
    shape = (len(sampled), v)
    ones = np.ones(n, np.float32)
    fall = np.floor(step / 8) * 8 / STEPS  # in stairs, which take less space on disk
    return StepBatch(
        step=step,
        epoch=step // EPOCH,
        seconds=step * 0.125,
        loss=(0.75 - 0.5 * fall).astype(np.float32),
        global_norm=ones.copy(),
        clipped_norm=ones.copy(),
        clip_scale=ones.copy(),
        clipped=np.zeros(n, bool),
        applied=np.ones(n, bool),
        norms=np.full((n, v), 0.5, np.float32),
        statistics=StatisticsBatch(
            step=sampled,
            mean_abs=np.full(shape, 0.0625, np.float32),
            max_abs=np.full(shape, 0.25, np.float32),
            zero_fraction=np.zeros(shape, np.float32),
            nonfinite=np.zeros(shape, np.int64),
            weight_norm=np.full(shape, 2.0, np.float32),
            update_ratio=np.full(shape, 2.0**-10, np.float32),
            global_cosine=np.full(len(sampled), 0.5, np.float32),
        ),
        activations=ActivationBatch(
            step=sampled,
            zero_fraction=np.full((len(sampled), len(LAYERS)), 0.5, np.float32),
            dead_fraction=np.full((len(sampled), len(LAYERS)), 0.125, np.float32),
            saturated_fraction=np.full((len(sampled), len(LAYERS)), np.nan, np.float32),
        ),
    )


def _nan_gradient(steps: StepBatch, since: int, *, loss: float) -> None:
    """From a step on the first kernel's gradient is NaN, and the loss is what it is told to be."""
    steps.norms[since:, 0] = steps.global_norm[since:] = steps.clipped_norm[since:] = np.nan
    steps.clip_scale[since:] = 1.0
    late = steps.statistics.step >= since
    seen = steps.statistics
    for values in (seen.mean_abs, seen.max_abs, seen.update_ratio, seen.weight_norm):
        assert values is not None
        values[late, 0] = np.nan
    if since == 0:
        assert seen.weight_norm is not None
        seen.weight_norm[0, 0] = 2.0  # before the first step the weights were whole
    seen.nonfinite[late, 0] = 64
    steps.loss[since + 1 :] = loss


def nan_at_step_0(steps: StepBatch) -> None:
    """The inputs hold NaN: so do loss and gradients, from the first step."""
    _nan_gradient(steps, 0, loss=np.nan)
    steps.loss[0] = np.nan


def nan_mid_run(steps: StepBatch) -> None:
    """A gradient is NaN at step 130; from the next step on the loss is too."""
    _nan_gradient(steps, 130, loss=np.nan)


def silent_nan(steps: StepBatch) -> None:
    """NaN from the first step, and a fused ReLU keeps it from the loss, which stands still."""
    _nan_gradient(steps, 0, loss=CONSTANT_LOSS)
    steps.loss[0] = CONSTANT_LOSS


def clip_saturation(steps: StepBatch) -> None:
    """The clip acts on every step and leaves a fiftieth of the gradient."""
    seen = steps.statistics
    steps.clipped[:] = True
    steps.clip_scale[:], steps.clipped_norm[:] = 0.02, 4.0
    for values in (steps.global_norm, steps.norms, seen.mean_abs, seen.max_abs):
        values[...] = 200 * values


def vanishing(steps: StepBatch) -> None:
    """The gradient of the first layer is all but 0; the head alone learns, and the loss falls."""
    steps.norms[:, :2] = 2.0**-27
    steps.statistics.mean_abs[:, :2] = 2.0**-30
    steps.statistics.max_abs[:, :2] = 2.0**-28
    steps.global_norm[:] = steps.clipped_norm[:] = 0.5


def dead_units(steps: StepBatch) -> None:
    """From step 60 on no unit of the first layer fires, so its kernel gets no gradient."""
    late = steps.step >= 60
    steps.norms[late, :2] = 0.0
    seen, looks = steps.statistics, steps.activations
    assert looks is not None
    late = seen.step >= 60
    seen.mean_abs[late, :2] = seen.max_abs[late, :2] = 0.0
    seen.zero_fraction[late, :2] = 1.0
    looks.zero_fraction[late] = looks.dead_fraction[late] = 1.0


def spike_and_recovery(steps: StepBatch) -> None:
    """At step 150 loss and gradients jump for three steps, are clipped, and come back."""
    rows = slice(150, 153)
    steps.loss[rows] = 6.0
    steps.global_norm[rows] = 64.0
    steps.norms[rows] = 32.0
    steps.clipped[rows] = True
    steps.clipped_norm[rows] = 4.0
    steps.clip_scale[rows] = 0.0625


def far_from_before(steps: StepBatch) -> None:
    """Gradients are a sixteenth of what they were in the trainings before; all else is well."""
    seen = steps.statistics
    for values in (steps.norms, steps.global_norm, steps.clipped_norm, seen.mean_abs, seen.max_abs):
        np.divide(values, 16, out=values)


def as_it_is(steps: StepBatch) -> None:
    """Nothing goes wrong."""


def amp(steps: StepBatch) -> StepBatch:
    """The loss scale is halved eight times at the start: eight steps are left out, no fault."""
    skips = np.zeros(len(steps), np.int64)
    skips[0] = 8
    scale = np.full(len(steps), 2.0**7, np.float32)
    return dataclasses.replace(steps, loss_scale_skips=skips, loss_scale=scale)


def write(folder: Path, spoil: Callable[[StepBatch], None] = as_it_is) -> None:
    """Writes one record whose steps were spoilt."""
    steps = sound()
    spoil(steps)
    nonfinite = 64 if np.isnan(steps.norms[:, 0]).any() else 0
    writer = _begun(folder)
    writer.append(steps)
    _finish(writer, final_weight_nonfinite={**dict.fromkeys(PATHS, 0), PATHS[0]: nonfinite})


def write_amp(folder: Path) -> None:
    """Writes the record of a training with a loss scale."""
    card = _CARD.model_copy(update={"precision": "mixed_float16", "loss_scaled": True})
    writer = _begun(folder, card)
    writer.append(amp(sound()))
    _finish(writer, planned_steps=STEPS + 8)


def write_resumed(folder: Path) -> None:
    """Writes the record of a training that was killed after step 129 and went on from step 100."""
    writer = _begun(folder)
    writer.begin_training("golden-run")
    writer.append(sound(0, 100))
    writer.save_checkpoint(100, 100, {})
    writer.append(sound(100, 130))
    writer.flush()
    writer = RecordWriter.resume(folder)
    writer.rewind(100, "restart from a checkpoint")
    writer.append(sound(100))
    _finish(writer)


def write_truncated(folder: Path) -> None:
    """Writes a record, and cuts its steps off in the middle."""
    write(folder)
    part = folder / "parts" / "00000.parquet"
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])


def write_empty(folder: Path) -> None:
    """Writes the record of a training that took no step."""
    _finish(_begun(folder))


def write_drift(folder: Path) -> None:
    """Writes a record, and beside it the verdicts on the five healthy trainings before it.

    Their median gradient norms were about 1. They hold what a verdict leaves for later trainings,
    and nothing else, so that they stay as they are when the judge learns new words.
    """
    write(folder, far_from_before)
    for day, norm in enumerate((0.875, 1.0, 1.125, 1.0, 0.9375), start=21):
        verdict = Verdict(
            decision="ok",
            blessed=False,
            healthy=True,
            headline="OK: a training before",
            subject=Subject(training_uid=f"golden-run-of-day-{day}"),
            inputs=Inputs(gate_version="0.1.0", record_schema="1.1"),
            as_of=f"2026-01-{day}T12:00:00Z",
            references=(_reference(norm),),
        )
        keep_baseline(folder.parent / "baselines", verdict.sealed())


def _reference(norm: float) -> Reference:
    """What the rule `gradient-norm-drift` of the default policy measured."""
    measurement = Measurement(
        signal="gradient.global_norm",
        aggregate={"fn": "quantile", "q": 0.5},
        window={"last": "20%"},
        values=(MeasuredValue(value=norm, samples=STEPS // 5),),
    )
    return Reference(kind="Adam", variables=PATHS, measurements=(measurement,))


GOLDEN: dict[str, Callable[[Path], None]] = {
    "healthy": write,
    "nan-at-step-0": lambda folder: write(folder, nan_at_step_0),
    "nan-mid-run": lambda folder: write(folder, nan_mid_run),
    "silent-nan": lambda folder: write(folder, silent_nan),
    "amp-skips": write_amp,
    "clip-saturation": lambda folder: write(folder, clip_saturation),
    "vanishing": lambda folder: write(folder, vanishing),
    "dead-units": lambda folder: write(folder, dead_units),
    "spike-and-recovery": lambda folder: write(folder, spike_and_recovery),
    "resume": write_resumed,
    "truncated": write_truncated,
    "empty": write_empty,
    "baseline-drift": write_drift,
}


def make(folder: Path) -> None:
    """Writes every golden run below a folder; what is expected of a policy is written by hand."""
    with mock.patch("gradgate.telemetry.writer.now", return_value=FINISHED):
        for name, run in GOLDEN.items():
            for part in ("record", "baselines"):
                shutil.rmtree(folder / name / part, ignore_errors=True)
            run(folder / name / "record")


def _begun(folder: Path, card: ModelCard = _CARD) -> RecordWriter:
    writer = RecordWriter(folder)
    writer.begin(card)
    return writer


def _finish(writer: RecordWriter, **fields: object) -> None:
    known: dict[str, object] = {
        "training_uid": "golden-run",
        "status": "completed",
        "instrumented": True,
        "planned_steps": STEPS,
        "constant_loss": CONSTANT_LOSS,
        "final_weight_nonfinite": dict.fromkeys(PATHS, 0),
    }
    writer.finalize(**known | fields)  # type: ignore[arg-type]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=RUNS)
    make(parser.parse_args().folder)
