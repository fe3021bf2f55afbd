"""Clipping by the global norm: all gradients are scaled alike, so the direction is kept.

Source: Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural
networks, https://arxiv.org/abs/1211.5063, algorithm 1.
"""

import dataclasses

from gradgate.gradients.checks import check_limit
from gradgate.gradients.norms import Norms, norms_of
from gradgate.gradients.report import NO_CONTEXT, Clip, ClipReport, Context, Gradients
from gradgate.gradients.scaling import limited_together
from gradgate.gradients.sparse import Gradient


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipByGlobalNorm(Clip):
    """Scales all gradients down together when their global norm is above `max_norm`.

    A non-finite norm leaves the gradients as they came (`tf.clip_by_global_norm` would turn
    every one to NaN and hide which variable it came from) and is reported; whether such a
    step is applied or skipped is the train step's decision. A finite norm is clipped however
    large, except that beyond about 1e38 * max_norm the scale underflows and the step is 0.

    Cost: one read for the norms, one read and write for the scale.

    Attributes:
        max_norm: Largest L2 norm let through, over all variables. Finite and above 0.

    Example:
        >>> clip = ClipByGlobalNorm(max_norm=1.0)
        >>> (g,), report = clip([tf.constant([3.0, 4.0])])
        >>> print(g.numpy(), report.norm_before.numpy())
        [0.6 0.8] 5.0
    """

    max_norm: float

    def __post_init__(self) -> None:
        check_limit("ClipByGlobalNorm", "max_norm", self.max_norm)

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the clipped gradients and what was done to them, see `report.Clip`."""
        norms = norms_of(gradients) if norms is None else norms
        return limited_together(gradients, norms, self.max_norm)
