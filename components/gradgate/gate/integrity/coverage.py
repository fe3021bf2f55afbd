"""How much of the training was seen: steps, gaps between them, and variables.

The steps themselves are counted here and held against what the manifest says of them.
"""

import numpy as np

from gradgate.contracts import IntegrityCheck, Manifest, ModelCard
from gradgate.contracts.policy import Coverage
from gradgate.contracts.verdict import CoverageSeen
from gradgate.gate.evidence import Bools, Ints, StatisticsBatch, StepBatch


class StepCount:
    """Counts the steps of a record, batch after batch.

    Attributes:
        rows, applied, sampled: Steps seen, of them applied, of them with statistics.
        first_step: The first step seen; None before there was one.
        next_step: One more than the last step seen.
        loss_scale_skips: Steps left out by a loss-scale optimizer before one of these.
        disorder: The first place where steps do not rise; empty when they do.
    """

    def __init__(self, card: ModelCard) -> None:
        self.rows = self.applied = self.sampled = 0
        self.next_step = self.loss_scale_skips = 0
        self.first_step: int | None = None
        self._largest_gap = self._missing = 0  # after the first step seen
        self.disorder = ""
        has_gradient = [variable.has_gradient for variable in card.variables]
        self._has_gradient: Bools = np.array(has_gradient, dtype=bool)
        self._replicas = card.replicas

    def feed(self, batch: StepBatch) -> None:
        """Takes in a batch.

        Raises:
            ValueError: If the columns of the batch are not the variables of the model card.
        """
        variables = len(self._has_gradient)
        widths = {batch.norms.shape[1], *_widths(batch.statistics)}
        if widths != {variables}:
            raise ValueError(
                f"The record has {variables} variables in model.json, and {sorted(widths)} columns"
                " in its steps."
            )
        told = {v.shape[1] for v in (batch.replica_loss, batch.replica_norm) if v is not None}
        if told - {self._replicas}:
            raise ValueError(
                f"The record has {self._replicas} replicas in model.json, and {sorted(told)} in its"
                " steps."
            )
        if not len(batch.step):
            return
        if self.first_step is None:
            self.first_step = self.next_step = int(batch.step[0])
        self._leap(np.diff(batch.step, prepend=self.next_step - 1) - 1, batch.step)
        self.next_step = int(batch.step[-1]) + 1
        self.rows += len(batch.step)
        self.applied += int(np.count_nonzero(batch.applied))
        self.sampled += len(batch.statistics.step)
        if batch.loss_scale_skips is not None:
            self.loss_scale_skips += int(batch.loss_scale_skips.sum())

    def merge(self, later: "StepCount") -> None:
        """Takes in what was counted of later steps."""
        if later.first_step is None:
            return
        if self.first_step is None:
            self.first_step = self.next_step = later.first_step
        first = np.array([later.first_step])
        self._leap(first - self.next_step, first)
        self.disorder = self.disorder or later.disorder
        self._largest_gap = max(self._largest_gap, later._largest_gap)
        self._missing += later._missing
        self.next_step = later.next_step
        self.rows += later.rows
        self.applied += later.applied
        self.sampled += later.sampled
        self.loss_scale_skips += later.loss_scale_skips

    def _leap(self, leaps: Ints, steps: Ints) -> None:
        """Notes how many steps are missing before each of these; less than 0 is disorder."""
        if not self.disorder and leaps.min() < 0:
            row = int(leaps.argmin())
            self.disorder = f"step {steps[row]} comes after step {steps[row] - leaps[row] - 1}"
        self._largest_gap = max(self._largest_gap, int(leaps.max()))
        self._missing += int(leaps[leaps > 0].sum())

    @property
    def tally(self) -> "StepCount":
        """What was counted: the counts themselves."""
        return self

    @property
    def remembers(self) -> bool:
        """No: what joins one stretch to the next is seen when they are merged."""
        return False

    def again(self) -> bool:
        """No: one look is enough."""
        return False

    def begin_stretch(self, number: int) -> None:
        """Steps say themselves where a stretch begins."""

    def end_stretch(self) -> None:
        """Steps say themselves where a stretch ends."""

    @property
    def largest_gap(self) -> int:
        """Most steps missing in a row; a training begins with step 0."""
        return max(self._largest_gap, self.first_step or 0)

    @property
    def missing(self) -> int:
        """Steps missing altogether."""
        return self._missing + (self.first_step or 0)

    @property
    def trainable(self) -> int:
        """Variables that have a gradient; the others are reported as unused."""
        return int(np.count_nonzero(self._has_gradient))

    @property
    def measured(self) -> int:
        """Of these, variables with at least one row of statistics."""
        return self.trainable if self.sampled else 0

    def seen(self, manifest: Manifest, *, optimizer: str = "") -> CoverageSeen:
        """What the verdict says about coverage; `optimizer` is empty where there is but one."""
        return CoverageSeen(
            optimizer=optimizer or None,
            planned_steps=manifest.planned_steps,
            observed_steps=self.rows,
            applied_steps=self.applied,
            lost_steps=manifest.lost_steps,
            loss_scale_skips=manifest.loss_scale_skips,
            variables_measured=self.measured,
            variables_trainable=self.trainable,
            resumes=manifest.resumes,
        )


def check_coverage(
    wanted: Coverage, manifest: Manifest, count: StepCount
) -> tuple[IntegrityCheck, ...]:
    """Returns the checks of what was seen against what the policy and the manifest say."""
    return (
        _check("T-OVERLAP", count.disorder, "; a step was recorded twice or out of order"),
        _check("T-TRUNCATED", _truncated(manifest, count)),
        _check("T-ZERO-STEPS", _nothing_learned(manifest, count)),
        _coverage(wanted, manifest, count),
    )


def _coverage(wanted: Coverage, manifest: Manifest, count: StepCount) -> IntegrityCheck:
    problems = _short(wanted, manifest, count)
    if problems:
        return _check("T-COVERAGE", "; ".join(problems))
    if manifest.planned_steps is not None:
        message = ""
        if manifest.loss_scale_skips:
            message = (
                f"{manifest.loss_scale_skips} of {manifest.planned_steps} planned steps were left"
                " out by the loss scale, which is no fault"
            )
        return IntegrityCheck(code="T-COVERAGE", status="pass", message=message)
    return IntegrityCheck(
        code="T-COVERAGE",
        status="pass",
        message="nobody said how many steps were planned, so only gaps between steps were seen",
    )


def _widths(statistics: StatisticsBatch) -> set[int]:
    """The numbers of columns in the statistics of variables."""
    fields = (
        statistics.mean_abs,
        statistics.max_abs,
        statistics.zero_fraction,
        statistics.weight_norm,
        statistics.update_ratio,
        statistics.adam_rms,
        statistics.data_norm,
        statistics.data_mean_abs,
        statistics.data_max_abs,
        statistics.data_zero_fraction,
    )
    return {field.shape[1] for field in fields if field is not None}


def _check(code: str, problem: str, remark: str = "") -> IntegrityCheck:
    if not problem:
        return IntegrityCheck(code=code, status="pass")
    return IntegrityCheck(code=code, status="fail", message=problem + remark)


def _truncated(manifest: Manifest, count: StepCount) -> str:
    if manifest.observed_steps != count.rows:
        return (
            f"the manifest speaks of {manifest.observed_steps} steps and the record holds"
            f" {count.rows}"
        )
    if manifest.loss_scale_skips < count.loss_scale_skips:
        return (
            f"the manifest speaks of {manifest.loss_scale_skips} steps that the loss scale left"
            f" out, and the record of {count.loss_scale_skips}"
        )
    return ""


def _nothing_learned(manifest: Manifest, count: StepCount) -> str:
    if not count.rows and manifest.loss_scale_skips:
        return (
            f"all of {manifest.loss_scale_skips} steps were left out by the loss scale, so the"
            " model is as it was before the training; lower the loss scale's first value, or train"
            " in bfloat16 or float32"
        )
    if not count.rows:
        return "no optimizer step was observed, so the model is as it was before the training"
    if not count.applied:
        return f"none of the {count.rows} observed steps was applied, so nothing was learned"
    return ""


def _short(wanted: Coverage, manifest: Manifest, count: StepCount) -> list[str]:
    """What is short, each with both numbers; empty when nothing is."""
    problems = []
    if count.rows < wanted.min_steps:
        problems.append(
            f"{count.rows} steps were observed, and at least {wanted.min_steps} must be"
        )
    planned, left_out = manifest.planned_steps, manifest.loss_scale_skips
    tried = count.rows + left_out  # the loss scale takes a step away, and is no fault
    if planned and tried < wanted.min_step_fraction * planned:
        besides = f" and {left_out} left out by the loss scale" if left_out else ""
        problems.append(
            f"{count.rows} of {planned} planned steps were observed{besides}"
            f" ({tried / planned:.1%}), and at least {wanted.min_step_fraction:.0%} must be"
        )
    gap = max(count.largest_gap, manifest.lost_steps - count.missing)
    if gap > wanted.max_gap_steps:
        problems.append(
            f"{gap} steps in a row are missing, and at most {wanted.max_gap_steps} may be"
        )
    if not count.trainable:
        problems.append("no trainable variable has a gradient")
    elif count.measured < wanted.min_variable_fraction * count.trainable:
        problems.append(
            f"statistics for {count.measured} of {count.trainable} trainable variables, and at"
            f" least {wanted.min_variable_fraction:.0%} must have them; set statistics_every to"
            " sample them"
        )
    return problems
