"""Several clips in order, each on what the one before left, with one report of the whole."""

import dataclasses

import tensorflow as tf

from gradgate.gradients.norms import Norms, norms_of
from gradgate.gradients.report import Clip, ClipReport, Gradients, ratio
from gradgate.gradients.sparse import Gradient


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chain:
    """Applies `clips` in order; without any, gradients come back as they are.

    The norms are measured once: each clip hands on those that it left.

    Attributes:
        clips: In the order of application.
    """

    clips: tuple[Clip, ...] = ()

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the clipped gradients and what was done to them, see `report.Clip`."""
        norms = norms_of(gradients) if norms is None else norms
        result, reports = list(gradients), []
        for clip in self.clips:
            result, report = clip(result, norms)
            norms = Norms(report.each_after, report.norm_after)
            reports.append(report)
        return result, _combine(reports, norms)


def _combine(reports: list[ClipReport], norms: Norms) -> ClipReport:
    if not reports:
        return ClipReport(
            norm_before=norms.overall,
            norm_after=norms.overall,
            scale=tf.constant(1.0),
            is_clipped=tf.constant(False),  # noqa: FBT003 - a tensor, not a flag
            each_after=norms.each,
        )
    if len(reports) == 1:
        return reports[0]
    is_clipped = tf.reduce_any([report.is_clipped for report in reports])
    before, after = reports[0].norm_before, reports[-1].norm_after
    return ClipReport(
        norm_before=before,
        norm_after=after,
        scale=ratio(after, before, is_clipped),
        is_clipped=is_clipped,
        each_after=reports[-1].each_after,
    )
