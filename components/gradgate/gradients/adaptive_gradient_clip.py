"""Adaptive gradient clipping (AGC): a unit may change by a fraction of its weights, no more.

Source: Brock, De, Smith and Simonyan (2021), High-Performance Large-Scale Image Recognition
Without Normalization, https://arxiv.org/abs/2102.06171, equation 3.

Formula, for each unit i: g_i <- g_i * l * max(||W_i||, e) / ||g_i|| where ||g_i|| is above
l * max(||W_i||, e). The paper also keeps ||g_i|| from being below 1e-6 in that division; with the
e of the paper no unit so small is ever above the limit.
"""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import tensorflow as tf

from gradgate.gradients.checks import check_flag, check_limit
from gradgate.gradients.norms import Norms, global_norm, norms_of
from gradgate.gradients.rarely import unless_rare
from gradgate.gradients.report import (
    NO_CONTEXT,
    Clip,
    ClipReport,
    Context,
    Gradients,
    Weight,
    weights_of,
)
from gradgate.gradients.scaling import ratio, scaled, untouched
from gradgate.gradients.sparse import Gradient, sum_duplicate_rows, values_of
from gradgate.gradients.units import axes_of, scaled_unit_norms, unit_norms

_LARGEST_SQUARED = 2.0**62  # the square of a norm up to here is far from the range of float32


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdaptiveGradientClip(Clip):
    """Scales each unit whose gradient is large beside its weights down to `max_ratio` of them.

    A unit is what feeds one output: a column of a dense kernel, a filter of a convolution, a row
    of an embedding, a bias as a whole; see `units.py`. A unit that is not finite stays as it came
    and the others are clipped as usual. It never scales up. Of an embedding with a sparse gradient
    only the rows that were looked up are read.

    Cost: two reads (gradients and weights) and one read and write for the scales.

    Attributes:
        max_ratio: Largest norm let through, as a fraction of the norm of the unit's weights. 0.01
            is the paper's for large batches; it used up to 0.16 for small ones.
        min_weight_norm: Weights count as at least this much. Without it, a unit that starts at
            zero would stay there for ever. 1e-3 in the paper.
        skip_last_layer: Whether the last layer is left alone, as in the paper.
    """

    needs_weights: ClassVar[bool] = True

    max_ratio: float = 0.01
    min_weight_norm: float = 1e-3
    skip_last_layer: bool = True

    def __post_init__(self) -> None:
        name = type(self).__name__
        check_limit(name, "max_ratio", self.max_ratio)
        remedy = "Without it, weights that start at zero could never learn."
        check_limit(name, "min_weight_norm", self.min_weight_norm, remedy=remedy)
        check_flag(name, "skip_last_layer", self.skip_last_layer)

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the clipped gradients and what was done to them, see `report.Clip`.

        Raises:
            ValueError: If the context holds no weights.
        """
        weights = weights_of(self, gradients, context)
        result = [sum_duplicate_rows(gradient) for gradient in gradients]
        norms = norms_of(result) if norms is None else norms
        chosen = [
            i
            for i, (gradient, weight) in enumerate(zip(result, weights, strict=True))
            if gradient is not None and not (self.skip_last_layer and weight.is_last_layer)
        ]
        if not chosen:
            return result, untouched(norms)
        axes = [axes_of(result[i], weights[i]) for i in chosen]
        units = _unit_norms([result[i] for i in chosen], axes, norms.overall)
        changed, halves = [False] * len(result), [0.0] * len(result)
        for i, over, norm in zip(chosen, axes, units, strict=True):
            limit = self._limit(result[i], weights[i], over)
            is_above = norm > limit  # NaN is not above anything
            scale = tf.where(is_above, limit / norm, 1.0)
            result[i] = scaled(result[i], scale)
            changed[i], halves[i] = tf.reduce_any(is_above), tf.nn.l2_loss(norm * scale)
        is_clipped = tf.reduce_any(changed)
        # What was not changed keeps the norm that was measured, to the last bit.
        left = tf.minimum(tf.sqrt(2.0 * tf.stack(halves)), norms.each)
        each_after = tf.where(changed, left, norms.each)
        norm_after = tf.where(is_clipped, global_norm(each_after), norms.overall)
        return result, ClipReport(
            norm_before=norms.overall,
            norm_after=norm_after,
            scale=ratio(norm_after, norms.overall, is_clipped),
            is_clipped=is_clipped,
            each_after=each_after,
        )

    def _limit(self, gradient: Gradient, weight: Weight, axes: tuple[int, ...]) -> tf.Tensor:
        """Returns the largest norm of each unit, float32, shaped as the norms of the units."""
        is_sparse = isinstance(gradient, tf.IndexedSlices)
        value = tf.gather(weight.value, gradient.indices) if is_sparse else weight.value
        norms = unit_norms(tf.convert_to_tensor(value), axes)
        return self.max_ratio * tf.maximum(norms, self.min_weight_norm)


def _unit_norms(
    gradients: Sequence[Gradient], axes: Sequence[tuple[int, ...]], overall: tf.Tensor
) -> list[tf.Tensor]:
    """Returns the norm of each unit of each gradient; the safe way only when it is needed."""
    dense = [i for i, each in enumerate(gradients) if not isinstance(each, tf.IndexedSlices)]
    # The rows of a sparse gradient are few, and how many is not known when a graph is traced.
    result = [
        None if i in dense else scaled_unit_norms(values_of(each), axes[i])
        for i, each in enumerate(gradients)
    ]
    if not dense:
        return result
    over = [axes[i] for i in dense]
    norms = unless_rare(
        overall <= _LARGEST_SQUARED,  # false for NaN too
        lambda *given: tuple(map(unit_norms, given, over)),
        lambda *given: tuple(map(scaled_unit_norms, given, over)),
        [gradients[i] for i in dense],
    )
    for i, norm in zip(dense, norms, strict=True):
        result[i] = norm
    return result
