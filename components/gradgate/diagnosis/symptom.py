"""What failed, seen as a physician would: a kind of trouble, where, since when, how bad."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Final, Literal

from gradgate.contracts import Finding

Kind = Literal[
    "nonfinite",  # NaN or infinity, or a number that one went into
    "overflow",  # the scaled loss overflowed
    "stuck",  # nothing is learned
    "large",  # of gradients
    "small",
    "zero",
    "spike",  # some steps are far from the others
    "swings",  # back and forth
    "far",  # a step moves the weights too far
    "near",  # or hardly
    "grown",  # of weights
    "shrunk",
    "equal",
    "unused",
    "dead",  # of units
    "saturated",
    "drifting",
    "dominant",  # one variable is almost the whole norm
    "clipped",
    "overfit",
    "disagreeing",  # loss and metric
    "lopsided",  # one worker and the others
    "changed",  # far from what earlier trainings measured
    "served",  # the exported model answers wrongly
    "unmeasured",  # the rule had no number
]

# Of a signal that is too high, and of one that is too low.
KINDS: Final[Mapping[str, tuple[Kind, Kind]]] = {
    **dict.fromkeys(("loss", "loss.vs_constant"), ("stuck", "stuck")),
    **dict.fromkeys(
        (
            *("loss.nonfinite", "loss.nonfinite_applied", "weights.nonfinite", "step.skipped"),
            *("gradient.nonfinite", "gradient.nonfinite_applied", "gradient.nonfinite_skipped"),
            "replica.nonfinite",
        ),
        ("nonfinite", "nonfinite"),
    ),
    **dict.fromkeys(("loss_scale.skipped", "loss_scale.value"), ("overflow", "overflow")),
    **dict.fromkeys(
        (
            *("gradient.global_norm", "gradient.first_last_ratio"),
            *("variable.norm", "variable.mean_abs", "variable.max_abs"),
        ),
        ("large", "small"),
    ),
    "variable.zero_fraction": ("zero", "zero"),
    "replica.loss_ratio": ("lopsided", "lopsided"),
    "variable.adam_rms": ("spike", "small"),
    **dict.fromkeys(("gradient.spike", "gradient.spike_score", "loss.spike"), ("spike", "spike")),
    **dict.fromkeys(
        (
            *("gradient.cosine", "gradient.direction_flip"),
            *("variable.cosine", "variable.direction_flip", "epoch.metric_swings"),
        ),
        ("swings", "swings"),
    ),
    "variable.update_ratio": ("far", "near"),
    **dict.fromkeys(("variable.weight_norm", "variable.weight_growth"), ("grown", "shrunk")),
    "weights.constant": ("equal", "equal"),
    **dict.fromkeys(("variable.unused", "model.unused_fraction"), ("unused", "unused")),
    "activation.dead_fraction": ("dead", "dead"),
    "activation.saturated_fraction": ("saturated", "saturated"),
    "activation.spread_ratio": ("drifting", "drifting"),
    "variable.norm_share": ("dominant", "dominant"),
    **dict.fromkeys(("clip.saturation", "clip.scale"), ("clipped", "clipped")),
    "epoch.overfit": ("overfit", "overfit"),
    "epoch.loss_agreement": ("disagreeing", "disagreeing"),
    **dict.fromkeys(("answers.nonfinite", "answers.constant"), ("served", "served")),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Symptom:
    """What one rule found.

    Attributes:
        rule: Id of the rule.
        is_blocking: Whether it blocks, or would if it were not in shadow or waived.
        value: The aggregated signal that failed; None when it has none.
        step: Where it was broken for good; None for what has no step.
        variable: Of the first offence, or the worst, or a layer; None for what concerns the run.
        message: What was seen, in a phrase with its number.
    """

    rule: str
    signal: str
    kind: Kind
    is_blocking: bool = True
    value: float | None = None
    step: int | None = None
    variable: str | None = None
    message: str = ""

    @classmethod
    def of(cls, finding: Finding) -> "Symptom | None":
        """The symptom in a finding; None where its rule held or broke, or its signal is unknown."""
        if finding.status not in {"fail", "waived", "unknown"} or finding.signal not in KINDS:
            return None
        offence, value = finding.first_offence, finding.observed.value
        return cls(
            rule=finding.id,
            signal=finding.signal,
            kind=_kind(finding),
            is_blocking=finding.level == "block",
            value=value,
            step=offence.step if offence else None,
            variable=(offence.variable if offence else None) or finding.observed.variable,
            message=finding.message.partition("; ")[0],
        )


def _kind(finding: Finding) -> Kind:
    value = finding.observed.value
    if value is None or finding.status == "unknown":
        return "unmeasured"
    if not math.isfinite(value):
        return "nonfinite"
    if finding.compare is not None:
        return "changed"
    return KINDS[finding.signal][1 if _is_low(finding) else 0]


def _is_low(finding: Finding) -> bool:
    """Whether it failed by being too small."""
    expect, aggregate = finding.expect, finding.aggregate
    if aggregate.get("fn") == "persistence":  # it is below, or above, for too long
        return aggregate.get("op") in {"<", "<="}
    if expect.get("op") == "between":
        low, value = expect.get("low"), finding.observed.value
        return isinstance(low, int | float) and value is not None and value < low
    return expect.get("op") in {">", ">="}
