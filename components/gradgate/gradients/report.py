"""What every clip takes and gives: the contract that the files beside this one implement.

A clip is a frozen object with its numbers in it, called as `clip(gradients, norms)`. It keeps
shapes, dtypes, None and sparseness; it never makes one non-finite gradient spoil another, which
`tf.clip_by_global_norm` does; and it reports what it did.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import tensorflow as tf

from gradgate.gradients.norms import Norms
from gradgate.gradients.sparse import Gradient, values_of, with_values

Gradients = Sequence[Gradient]
_LEAST_NORMAL: Final = 2.0**-126  # of float32, by IEEE 754


class ClipReport(NamedTuple):
    """What a clip saw and did, as tensors that can cross a `tf.function`."""

    norm_before: tf.Tensor  # float32 []: global norm before the clip; NaN and inf pass through
    norm_after: tf.Tensor  # float32 []: the same after it
    scale: tf.Tensor  # float32 []: see below
    is_clipped: tf.Tensor  # bool []: whether any gradient was changed
    each_after: tf.Tensor  # float32 [v]: norm of each gradient after it, for the next in a chain

    # `scale` is norm_after / norm_before: what all gradients were multiplied by when the clip
    # treats them alike, an average of it when not. 1 when nothing was changed; NaN when
    # something was changed and norm_before is not finite, since no ratio says it then.


class Clip(Protocol):
    """A frozen dataclass of numbers that is called on the gradients of one step."""

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the clipped gradients and what was done to them.

        Args:
            gradients: One a variable, any float dtype, dense or sparse; None stays None.
            norms: Norms of these gradients, when they are known already: saves a pass.
        """


def scaled(gradient: Gradient, scale: tf.Tensor) -> Gradient:
    """Returns the gradient times a float32 scalar; halves are multiplied in float32."""
    if gradient is None:
        return None
    values = values_of(gradient)
    if values.dtype.size < tf.float32.size:  # bfloat16 keeps 3 digits of a scale, float16 4
        product = tf.cast(tf.cast(values, tf.float32) * scale, values.dtype)
    else:
        product = values * tf.cast(scale, values.dtype)
    return with_values(gradient, product)


def ratio(norm_after: tf.Tensor, norm_before: tf.Tensor, is_clipped: tf.Tensor) -> tf.Tensor:
    """Returns `ClipReport.scale` of a clip that treats gradients differently."""
    measured = tf.where(tf.math.is_finite(norm_before), norm_after / norm_before, math.nan)
    return tf.where(is_clipped, measured, 1.0)


def check_limit(clip: str, field: str, value: float) -> None:
    """Refuses a limit that is no finite number above 0, or that float32 cannot hold in full.

    Raises:
        ValueError: The message names the clip, the field and the value.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and value > 0):
        raise ValueError(
            f"{clip}: {field} must be a finite number above 0, got {value!r}."
            " To train without clipping, leave the clip out of the chain."
        )
    if value < _LEAST_NORMAL:
        raise ValueError(
            f"{clip}: {field} must be at least {_LEAST_NORMAL:.8g}, the least normal float32, got"
            f" {value!r}: a smaller one becomes 0 on most devices."
        )
