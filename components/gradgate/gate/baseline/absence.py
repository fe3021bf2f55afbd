"""What becomes of a rule that has nothing to compare with: what the policy says, no more."""

from collections.abc import Mapping
from typing import Final

from gradgate.contracts import Finding
from gradgate.contracts.baseline import Baseline
from gradgate.contracts.references import Measurement
from gradgate.contracts.verdict import Decision, Observed

LEVELS: Final[Mapping[str, Decision]] = {"warn": "warn", "block": "block", "absolute_only": "ok"}
"""The level of a rule without a baseline, by `on_absent`."""
_STRICTNESS: Final = ("ok", "warn", "block")


def without_baseline(
    finding: Finding, policy: Baseline, reason: str, measurement: Measurement | None
) -> Finding:
    """Returns the finding of a rule that had nothing to compare with.

    Args:
        finding: The rule as unknown.
        policy: Says what follows.
        reason: Why there is nothing.
        measurement: What was measured, for later trainings; shown where it is one number.
    """
    values = measurement.values if measurement else ()
    observed = Observed.model_construct()
    if len(values) == 1:
        (one,) = values
        observed = Observed(variable=one.variable, value=one.value, samples=one.samples)
    changes = {
        "status": "disabled" if policy.on_absent == "absolute_only" else "unknown",
        "level": LEVELS[policy.on_absent],
        "observed": observed,
        "message": f"not compared (B-ABSENT): {reason}",
    }
    return finding.model_copy(update=changes)


def strictest(one: Decision, other: Decision) -> Decision:
    """The stricter of two levels."""
    return max(one, other, key=_STRICTNESS.index)
