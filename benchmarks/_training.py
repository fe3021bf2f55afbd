"""Trains one program as a user would, under the guard, while the rules of others look on."""

import dataclasses
import gc
import json
import math
import time
from pathlib import Path

import keras
import numpy as np
from _autotrainer import autotrainer
from _debugger import debugger
from _seen import Watch, accuracy_of
from programs.case import Case

import gradgate

OFTEN, SELDOM = 10, 500  # steps between those that Debugger sees; the latter is its default


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """What came of a training, beside its record.

    Attributes:
        seconds: That it took, the callback included.
        held: On what was kept from it: accuracy of a classifier, else 1 less the squared error over
            that of the mean; None where that is no number.
        usual: The same of the most frequent class, or of the mean.
        autotrainer: Issues; None of what is no classifier.
        debugger_often, debugger_seldom: Rules.
        error: Why `fit` ended early, if it raised.
    """

    seconds: float
    held: float | None
    usual: float
    autotrainer: list[str] | None
    debugger_often: list[str]
    debugger_seldom: list[str]
    error: str = ""


def train(case: Case, seed: int, place: Path) -> Training:
    """Trains it, unless that was done before, and leaves `record` and `training.json` there."""
    told = place / "training.json"
    if told.exists():
        return Training(**json.loads(told.read_text()))
    start = time.perf_counter()
    keras.backend.clear_session()
    gc.collect()
    program = case.make(seed)
    order = np.random.default_rng(0).permutation(len(program.x))
    kept, out = np.split(order, [len(order) * 4 // 5])
    x, y = program.x[kept], program.y[kept]
    held = program.x[out], program.y[out]
    watch = Watch((x, y), held, batch_size=program.batch_size, every=OFTEN)
    model, error = program.model, ""
    model(x[:1], training=False)  # the callback needs its variables before the first step
    with gradgate.instrument(
        model, place / "record", clip=program.clip, constant_loss=program.constant_loss
    ):
        try:
            model.fit(
                x,
                y,
                epochs=program.epochs,
                batch_size=program.batch_size,
                callbacks=[watch, *program.callbacks],
                verbose=0,
            )
        except Exception as problem:  # noqa: BLE001 - a program may break, and is judged all the same
            error = f"{type(problem).__name__}: {str(problem).splitlines()[0]}"
    issues = autotrainer(watch.seen, epochs=program.epochs)
    score, usual = _scores(np.asarray(model(held[0], training=False)), held[1], y, model)
    training = Training(
        seconds=round(time.perf_counter() - start, 2),
        held=score if np.isfinite(score) else None,
        usual=usual,
        autotrainer=None if issues is None else list(issues),
        debugger_often=list(debugger(watch.seen, save_every=OFTEN)),
        debugger_seldom=list(debugger(watch.seen, save_every=SELDOM)),
        error=error,
    )
    told.write_text(json.dumps(dataclasses.asdict(training), indent=1))
    return training


def _scores(
    answers: np.ndarray, held: np.ndarray, y: np.ndarray, model: keras.Model
) -> tuple[float, float]:
    loss = model.loss if isinstance(model.loss, str) else getattr(model.loss, "name", "entropy")
    accuracy = accuracy_of(answers, held, loss)
    if accuracy is not None:
        labels = y.argmax(-1) if y.ndim == 2 and y.shape[1] > 1 and "sparse" not in loss else y
        usual = float(np.unique(labels, return_counts=True)[1].max() / labels.size)
        return accuracy if np.isfinite(answers).all() else math.nan, usual
    error = np.square(answers.astype(np.float64).ravel() - held.ravel()).mean()
    return float(1 - error / np.var(held)), 0.0
