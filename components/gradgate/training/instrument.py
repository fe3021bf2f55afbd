"""The one call that guards a training."""

import dataclasses
import math
import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import keras
import tensorflow as tf

from gradgate.contracts import Tracking
from gradgate.gradients import Clip
from gradgate.training.context import TrainingContext
from gradgate.training.guard import Guard
from gradgate.training.hooks import names
from gradgate.training.mirrors import mirrors
from gradgate.training.preconditions import check_is_model, check_model
from gradgate.training.scope import is_chief
from gradgate.training.seed import last_seed, nondeterminism, reproducible
from gradgate.training.settings import GuardSettings, OnNonfinite
from gradgate.training.workers import WatchLimits


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final[Any] = _Unset()
"""Not said here: the training's own settings hold, or the default."""


def instrument(
    model: keras.Model,
    target: Any,
    *,
    optimizers: keras.optimizers.Optimizer | Mapping[str, keras.optimizers.Optimizer] | None = None,
    clip: Clip | tuple[Clip, ...] = UNSET,
    on_nonfinite: OnNonfinite = UNSET,
    statistics_every: int = UNSET,
    seed: int | None = UNSET,
    lint_ignore: Sequence[str] = UNSET,
    planned_steps: int | None = None,
    constant_loss: float | None = None,
    resume: bool = False,
    tracking: Tracking | None = None,
    tensorboard: str | os.PathLike[str] | None = None,
    watch: WatchLimits | None = None,
) -> Guard:
    """Observes every training step of a model, and writes its health record.

    `model.fit` and hand-written loops stay as they are. Until the guard is closed, the model's
    optimizer and `fit` are observed on this instance alone; nothing of a class is changed.

    Args:
        model: A Keras 3 model, compiled or with `optimizers`.
        target: Directory of the record, which must not hold one; or what gradgate's Trainer
            passes to `run_fn`, which knows where the record goes.
        optimizers: What trains it, when that is not the optimizer it was compiled with: one, or
            several by name, such as those of a GAN. Each one's steps are a series of their own;
            the first one's are the record itself.
        clip: Clips in the order of application, see `GuardSettings`, as for the next three.
        on_nonfinite: What to do with a step whose loss or gradient is not finite.
        statistics_every: Steps between two rows of full statistics.
        seed: Set at once; weights that were drawn before are not drawn again, see `reproducible`.
        lint_ignore: What the lint of the model lets go by, see `GuardSettings`.
        planned_steps: Optimizer steps that the training is to take; `fit` says so itself.
        constant_loss: Loss of the best constant prediction, where it cannot be known from the
            loss function and the labels.
        resume: Go on with the record that a killed training left in the directory, once a backup
            of the model is restored; a new one if there is none.
        tracking: Shows the training in MLflow: in the folder `mlflow` beside the record, or on the
            server that MLFLOW_TRACKING_URI names. None does not. In a TFX pipeline the Trainer has
            this setting, and shows every training in TensorBoard too.
        tensorboard: Log directory in which TensorBoard finds the training; None writes none.
        watch: How long the processes of a training on several machines wait for each other.

    Returns:
        The guard: a context manager that finishes the record.

    Raises:
        ValueError: If this version would measure the model's training wrongly, or a setting
            cannot be; the message says what to change.
        TypeError: If `model` is no Keras 3 model, or `target` is neither of the two.
        FileExistsError: If the directory holds a record.
        ModuleNotFoundError: If MLflow or TensorBoard is asked for and not installed.

    Example:
        with gradgate.instrument(model, "record", clip=ClipByGlobalNorm(max_norm=1.0)) as guard:
            model.fit(x, y)
            model.export("model")
            guard.bind("model")
    """
    check_is_model(model)
    watched = _named(model, optimizers)
    strategy = _strategy_of(model)
    check_model(model, watched, strategy)
    _check_numbers(planned_steps, constant_loss)
    said = {
        name: value
        for name, value in {
            "clip": clip,
            "on_nonfinite": on_nonfinite,
            "statistics_every": statistics_every,
            "seed": seed,
            "lint_ignore": lint_ignore,
        }.items()
        if value is not UNSET
    }
    seed_now = said.get("seed")
    drawn_before = seed_now is not None and seed_now != last_seed() and model.built
    context = _given_context(target)
    if context is None:
        settings = GuardSettings(**said)
        owns = True
        context = TrainingContext(
            target,
            settings,
            uuid.uuid4().hex,
            sinks=mirrors(target, tracking, tensorboard) if is_chief(strategy) else (),
            resume=resume,
            is_writer=is_chief(strategy),
        )
    else:
        if tracking is not None or tensorboard is not None:
            raise ValueError(
                "instrument: tracking= and tensorboard= are for a training without TFX. Here say"
                " gradgate.Trainer(tracking=...); TensorBoard finds the training in its model_run."
            )
        settings, owns = dataclasses.replace(context.settings, **said), False
        if settings.seed is not None and settings.seed != context.settings.seed:
            reproducible(settings.seed)
    return Guard(
        model,
        context,
        settings,
        optimizers=watched,
        strategy=strategy,
        owns_context=owns,
        planned_steps=planned_steps,
        constant_loss=constant_loss,
        nondeterminism=nondeterminism(drawn_before=drawn_before),
        limits=watch,
    )


def _named(
    model: keras.Model,
    optimizers: keras.optimizers.Optimizer | Mapping[str, keras.optimizers.Optimizer] | None,
) -> dict[str, keras.optimizers.Optimizer]:
    """Returns the optimizers to observe, by name; a single one has none."""
    if optimizers is None:
        own = names.compiled_optimizer(model)
        return {} if own is None else {"": own}
    if isinstance(optimizers, Mapping):
        return dict(optimizers)
    return {"": optimizers}


def _strategy_of(model: keras.Model) -> tf.distribute.Strategy:
    """Returns the strategy that holds here, or else that of the model."""
    if tf.distribute.has_strategy():
        return tf.distribute.get_strategy()
    return model.distribute_strategy


def _check_numbers(planned_steps: int | None, constant_loss: float | None) -> None:
    if planned_steps is not None and planned_steps < 1:
        raise ValueError(
            f"instrument: planned_steps must be a whole number above 0, got {planned_steps}. Leave"
            " it out if `fit` says how many steps it takes."
        )
    if constant_loss is not None and not (math.isfinite(constant_loss) and constant_loss > 0):
        raise ValueError(
            f"instrument: constant_loss must be a finite number above 0, got {constant_loss}. It is"
            " the loss of the best constant prediction; leave it out where the loss and the labels"
            " tell it."
        )


def _given_context(target: Any) -> TrainingContext | None:
    context = target if isinstance(target, TrainingContext) else getattr(target, "gradgate", None)
    if isinstance(context, TrainingContext):
        return context
    if isinstance(target, (str, os.PathLike)):
        return None
    raise TypeError(
        "instrument: expected a directory for the record, or what gradgate's Trainer passes to"
        f" run_fn, got {type(target).__name__}. In a TFX pipeline, swap the stock Trainer for"
        " gradgate's."
    )
