"""`summary.json` of a health record: the run in numbers that merge.

Every field of a `SeriesSummary` merges with that of another stretch of steps without going back
to the steps, so a summary of 10^7 steps is as small as one of 10^3.
"""

from pydantic import Field

from gradgate.contracts.base import Number, Recorded


class Sketch(Recorded):
    """Counts of values in logarithmic bins: any quantile within `accuracy`, relative.

    Source: Masson, Rim and Lee (2019), DDSketch, https://arxiv.org/abs/1908.10693: with
    gamma = (1 + accuracy) / (1 - accuracy), bin i counts values in (gamma^(i-1), gamma^i].

    Attributes:
        bins: Positive values: from bin index (as text, since JSON keys are text) to count.
        zeros: Values that were 0; before version 1.1 negative ones too.
        negatives: As `bins`, of the magnitudes of negative values.
    """

    accuracy: float = 0.01
    bins: dict[str, int] = Field(default_factory=dict)
    zeros: int = 0
    negatives: dict[str, int] = Field(default_factory=dict)


class SeriesSummary(Recorded):
    """One series over steps. Non-finite values are counted and enter nothing else.

    Where a NaN says that nothing was measured (`update_ratio`, `cosine`, and the like, see
    `telemetry.batch`) it is no value: it is not counted.

    Attributes:
        count: Finite values.
        nonfinite: NaN and infinite values.
        total, total_squares: Sum of the values and of their squares; 0 when count is 0.
        least, greatest: Extremes, None when count is 0; with the first step that had them.
        last: The last value, non-finite or not; None when there was none.
    """

    count: int = 0
    nonfinite: int = 0
    total: float = 0.0
    total_squares: float = 0.0
    least: float | None = None
    least_step: int | None = None
    greatest: float | None = None
    greatest_step: int | None = None
    last: Number | None = None
    sketch: Sketch = Field(default_factory=Sketch)


class VariableSummary(Recorded):
    """One variable's gradient over the run.

    Attributes:
        norm: L2 norm of the aggregated gradient (before any clip), every step.
        mean_abs, max_abs, zero_fraction: On the statistics schedule.
        weight_norm, update_ratio, adam_rms: Likewise, see `telemetry.batch.StatisticsBatch`.
        data_norm, data_mean_abs, data_max_abs, data_zero_fraction: Likewise; None when the training
            has no weight regulariser, or did not say whether its loss has them in it.
        cosine: Between the gradients of two consecutive steps, in [-1, 1].
        first_nonfinite_step: First step whose gradient held a NaN or an infinity; None if none.
        final_weight_nonfinite: NaN and infinite entries of the weight after the last step; None
            when it was not looked at. Reported by the training: the gate recounts it.
        final_weight_sha256: Digest of the weight's bytes (little-endian, row by row) when the guard
            let go of the model: the exported model must hold the same.
    """

    path: str
    norm: SeriesSummary = Field(default_factory=SeriesSummary)
    mean_abs: SeriesSummary = Field(default_factory=SeriesSummary)
    max_abs: SeriesSummary = Field(default_factory=SeriesSummary)
    zero_fraction: SeriesSummary = Field(default_factory=SeriesSummary)
    weight_norm: SeriesSummary | None = None
    update_ratio: SeriesSummary | None = None
    adam_rms: SeriesSummary | None = None
    data_norm: SeriesSummary | None = None
    data_mean_abs: SeriesSummary | None = None
    data_max_abs: SeriesSummary | None = None
    data_zero_fraction: SeriesSummary | None = None
    cosine: SeriesSummary | None = None
    first_nonfinite_step: int | None = None
    final_weight_nonfinite: int | None = None
    final_weight_sha256: str | None = None


class ActivationSummary(Recorded):
    """One layer's activations over the run, see `telemetry.batch.ActivationBatch`.

    Attributes:
        layer: Its path, as in `ModelCard.activations`.
    """

    layer: str
    zero_fraction: SeriesSummary = Field(default_factory=SeriesSummary)
    dead_fraction: SeriesSummary | None = None
    saturated_fraction: SeriesSummary | None = None
    spread: SeriesSummary | None = None


class ReplicaSummary(Recorded):
    """One of several replicas over the run: what its own batches gave, before the sum over all.

    Attributes:
        name: As in `ModelCard.replica_names`.
        loss, norm: See `telemetry.batch.StepBatch.replica_loss` and `replica_norm`.
        nonfinite_steps: Steps whose loss or gradient was not finite on this replica.
        first_nonfinite_step: The first of them; None if there is none.
    """

    name: str
    loss: SeriesSummary | None = None
    norm: SeriesSummary | None = None
    nonfinite_steps: int = 0
    first_nonfinite_step: int | None = None


class EpochSummary(Recorded):
    """What the training loop said at the end of an epoch.

    Attributes:
        epoch: Its number, from 0.
        last_step: The last step that was taken in it.
        logs: What Keras hands to callbacks: `loss` and metrics as means over the epoch, those of
            validation as `val_...`, and whatever else a callback added, such as `learning_rate`.
    """

    epoch: int
    last_step: int
    logs: dict[str, Number] = Field(default_factory=dict)


class Summary(Recorded):
    """One training run. `*_steps` count optimizer steps.

    Attributes:
        loss_scale_skips: Steps left out by a loss-scale optimizer; they are no steps here.
        loss_scale: Of the steps; None without loss scaling.
        global_cosine: Between the gradients of two consecutive steps; None when not measured.
        activations: Of the layers of `ModelCard.activations`, in their order.
        replicas: Of each replica; empty with one, and in a record before version 1.2.
        epochs: Of `model.fit`; empty in a loop of one's own, and in records of an older gradgate.
        constant_loss: Loss of the best constant predictor on the training labels that were seen
            (entropy of the label distribution, or variance of the labels); None when the loss
            function or the labels do not allow it.
    """

    steps: int = 0
    applied_steps: int = 0
    skipped_steps: int = 0
    clipped_steps: int = 0
    nonfinite_loss_steps: int = 0
    nonfinite_gradient_steps: int = 0
    sampled_steps: int = 0
    loss_scale_skips: int = 0
    loss: SeriesSummary = Field(default_factory=SeriesSummary)
    global_norm: SeriesSummary = Field(default_factory=SeriesSummary)
    clipped_norm: SeriesSummary = Field(default_factory=SeriesSummary)
    clip_scale: SeriesSummary = Field(default_factory=SeriesSummary)
    loss_scale: SeriesSummary | None = None
    global_cosine: SeriesSummary | None = None
    variables: tuple[VariableSummary, ...] = ()
    activations: tuple[ActivationSummary, ...] = ()
    replicas: tuple[ReplicaSummary, ...] = ()
    epochs: tuple[EpochSummary, ...] = ()
    constant_loss: float | None = None
