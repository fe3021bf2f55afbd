"""What every clip takes and gives: the contract that the files beside this one implement.

A clip is a frozen object with its numbers in it, called as `clip(gradients, norms)`. It keeps
shapes, dtypes, None and sparseness; it never makes one non-finite gradient spoil another, which
`tf.clip_by_global_norm` does; and it reports what it did. It holds no variable and draws no random
number: what it remembers goes in with the context and comes back in the report, so every replica
that calls it on the same gradients has the same answer.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from gradgate.gradients.norms import Norms
from gradgate.gradients.sparse import Gradient

Gradients = Sequence[Gradient]


class Weight(NamedTuple):
    """What a transform may know of the variable that a gradient belongs to."""

    value: Any  # tensor or tf.Variable, float [...]: before the step, same shape as the gradient
    unit_axes: tuple[int, ...] | None = None  # axes that the weights of one output unit span;
    # None: by rank, see `units.py`
    is_last_layer: bool = False
    is_embedding: bool = False


class Context(NamedTuple):
    """What a transform may need beside the gradients; most need nothing."""

    weights: Sequence[Weight] | None = None  # one for each gradient
    state: tuple[tf.Tensor, ...] = ()  # what `initial_state` gave, then `ClipReport.state`


class Stage(NamedTuple):
    """What one transform of a chain did, as tensors."""

    norm_after: tf.Tensor  # float32 []: global norm after it
    fired: tf.Tensor  # bool []: whether it changed anything


class ClipReport(NamedTuple):
    """What a clip saw and did, as tensors that can cross a `tf.function`."""

    norm_before: tf.Tensor  # float32 []: global norm before the clip; NaN and inf pass through
    norm_after: tf.Tensor  # float32 []: the same after it
    scale: tf.Tensor  # float32 []: see below
    is_clipped: tf.Tensor  # bool []: whether any gradient was changed
    each_after: tf.Tensor  # float32 [v]: norm of each gradient after it, for the next in a chain
    state: tuple[tf.Tensor, ...] = ()  # what to give as `Context.state` at the next step
    stages: tuple[Stage, ...] = ()  # of a chain: one for each of its transforms

    # `scale` is norm_after / norm_before: what all gradients were multiplied by when the clip
    # treats them alike, an average of it when not. 1 when nothing was changed; NaN when
    # something was changed and norm_before is not finite, since no ratio says it then.


NO_CONTEXT: Final = Context()


class Clip(Protocol):
    """A frozen dataclass of numbers that is called on the gradients of one step.

    A normaliser is one too: it changes every step by design, so in a chain it counts neither as
    clipped nor in the scale; its stage says what it did.

    Attributes:
        is_normaliser: Whether changing the gradients is its everyday work.
        needs_weights: Whether it must be given `Context.weights`.
    """

    is_normaliser: ClassVar[bool] = False
    needs_weights: ClassVar[bool] = False

    def initial_state(self, variables: int) -> tuple[np.ndarray[Any, Any], ...]:
        """Returns what it remembers before the first of v variables' steps; () for nothing."""
        return ()

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the transformed gradients and what was done to them.

        Args:
            gradients: One a variable, any float dtype, dense or sparse; None stays None.
            norms: Norms of these gradients, when they are known already: saves a pass.
            context: Weights and state. Without a state, this is the first step.
        """


def state_of(clip: Clip, gradients: Gradients, context: Context) -> tuple[tf.Tensor, ...]:
    """Returns what a clip remembers, as tensors; at the first step what it starts with."""
    state = context.state or clip.initial_state(len(gradients))
    return tuple(tf.convert_to_tensor(part) for part in state)


def weights_of(clip: Clip, gradients: Gradients, context: Context) -> Sequence[Weight]:
    """Returns the weights that a clip needs, one for each gradient.

    Raises:
        ValueError: If there are none, or not as many as gradients; the message says the remedy.
    """
    given = "none" if context.weights is None else str(len(context.weights))
    if context.weights is None or len(context.weights) != len(gradients):
        raise ValueError(
            f"{type(clip).__name__} needs one weight for each of the {len(gradients)} gradients,"
            f" got {given}. `gradgate.instrument` gives them; in a call of your own, write"
            " clip(gradients, context=Context(weights=[Weight(v) for v in variables]))."
        )
    return context.weights
