"""What pictures are drawn from: a training in a few hundred stretches of steps.

Of each stretch the least, the greatest and the mean are kept, so that no spike is lost; non-finite
values are counted apart and enter nothing else.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.plots.layers import Layers

Values = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Band:
    """One series, float64 [rows, stretches].

    Attributes:
        least, mean, greatest: Of the finite values; NaN where there were none.
        nonfinite: How many were NaN or infinite.
    """

    least: Values
    mean: Values
    greatest: Values
    nonfinite: Values


@dataclasses.dataclass(frozen=True, kw_only=True)
class History:
    """A training, or what one optimizer did in it.

    Attributes:
        first_step, last_step: Of what was observed.
        width: Steps a stretch; the last may have fewer.
        epochs: Number and first step of each; empty if there are too many to show.
        loss, global_norm, clipped_norm: One row each. The loss is None when it was not measured.
        clip_rate: Fraction of clipped steps [stretches].
        steps, skipped: How many there were [stretches], and how many were not applied.
        norms: Norm of each layer's gradient; a row a layer.
        ratios: Update-to-weight ratio of each layer on the sampled steps; None if never measured.
        first_nonfinite: For each layer the first step whose gradient was not finite, -1 if none.
        loss_ends: First and last finite loss; None if there was none.
        peak: Greatest finite global norm and its step; None if there was none.
    """

    first_step: int
    last_step: int
    width: int
    epochs: tuple[tuple[int, int], ...]
    layers: Layers
    loss: Band | None
    global_norm: Band
    clipped_norm: Band
    clip_rate: Values
    steps: Values
    skipped: Values
    norms: Band
    ratios: Band | None
    first_nonfinite: NDArray[np.int64]
    loss_ends: tuple[float, float] | None
    peak: tuple[float, int] | None

    def middles(self) -> Values:
        """The step in the middle of each stretch [stretches]."""
        starts = self.first_step + self.width * np.arange(len(self.steps), dtype=np.float64)
        ends = np.minimum(starts + self.width - 1, self.last_step)
        return np.asarray((starts + ends) / 2)
