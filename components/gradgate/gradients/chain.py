"""Several transforms in order, each on what the one before left, with one report of the whole."""

import dataclasses
import functools
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from gradgate.gradients.norms import Norms, norms_of
from gradgate.gradients.report import NO_CONTEXT, Clip, ClipReport, Context, Gradients, Stage
from gradgate.gradients.sparse import Gradient


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chain:
    """Applies `clips` in order; without any, gradients come back as they are.

    The norms are measured once: each transform hands on those that it left. What the chain
    remembers is what its transforms remember, one after the other.

    It counts as clipped when a transform that is no normaliser changed anything, and its scale is
    the product of their scales: a chain that normalises every step is not one that clips every
    step. `ClipReport.stages` says what each did, normalisers too.

    Attributes:
        clips: Clips and normalisers in the order of application.
    """

    is_normaliser: ClassVar[bool] = False

    clips: tuple[Clip, ...] = ()

    @property
    def needs_weights(self) -> bool:
        """Whether any of the transforms must be given `Context.weights`."""
        return any(clip.needs_weights for clip in self.clips)

    def initial_state(self, variables: int) -> tuple[np.ndarray[Any, Any], ...]:
        """Returns what the transforms remember before the first step, one after the other."""
        return tuple(part for clip in self.clips for part in clip.initial_state(variables))

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the transformed gradients and what was done to them, see `report.Clip`."""
        norms = norms_of(gradients) if norms is None else norms
        result, reports = list(gradients), []
        for clip, state in zip(self.clips, self._split(context.state, len(result)), strict=True):
            result, report = clip(result, norms, context._replace(state=state))
            norms = Norms(report.each_after, report.norm_after)
            reports.append(report)
        return result, self._combine(reports, norms)

    def _split(self, state: tuple[tf.Tensor, ...], variables: int) -> list[tuple[tf.Tensor, ...]]:
        """Returns the state of each transform; nothing for each if nothing is remembered yet."""
        sizes = [len(clip.initial_state(variables)) for clip in self.clips]
        if state and len(state) != sum(sizes):
            raise ValueError(
                f"Chain: its transforms remember {sum(sizes)} tensors, got a state of"
                f" {len(state)}. Give the state that the same chain reported, or none."
            )
        ends = np.cumsum(sizes, dtype=int)
        return [state[end - size : end] for end, size in zip(ends, sizes, strict=True)]

    def _combine(self, reports: list[ClipReport], norms: Norms) -> ClipReport:
        pairs = zip(self.clips, reports, strict=True)
        counted = [report for clip, report in pairs if not clip.is_normaliser]
        if counted:
            is_clipped = functools.reduce(tf.logical_or, [each.is_clipped for each in counted])
            scale = functools.reduce(tf.multiply, [each.scale for each in counted])
        else:
            is_clipped, scale = tf.constant(False), tf.constant(1.0)  # noqa: FBT003 - a tensor
        return ClipReport(
            norm_before=reports[0].norm_before if reports else norms.overall,
            norm_after=norms.overall,
            scale=scale,
            is_clipped=is_clipped,
            each_after=norms.each,
            state=tuple(part for report in reports for part in report.state),
            stages=tuple(Stage(report.norm_after, report.is_clipped) for report in reports),
        )
