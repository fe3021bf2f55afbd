"""A run in a dozen numbers, one point each: the columns by which trainings are compared.

A number that is not finite is left out; `summary/nonfinite_steps` then says why.
"""

import math

from gradgate.contracts import Manifest, Summary, Verdict


def record_summary(manifest: Manifest, summary: Summary) -> dict[str, float]:
    """Returns what the record says of the whole training.

    Rates are in [0, 1], of all steps; `*_steps` count.
    """
    numbers: dict[str, float | None] = {
        "applied_steps": summary.applied_steps,
        "clip_rate": summary.clipped_steps / summary.steps if summary.steps else None,
        "final_loss": summary.loss.last,
        "least_loss": summary.loss.least,
        "lost_steps": manifest.lost_steps,
        "max_norm": summary.global_norm.greatest,
        "max_update_ratio": max(
            (
                one.update_ratio.greatest
                for one in summary.variables
                if one.update_ratio is not None and one.update_ratio.greatest is not None
            ),
            default=None,
        ),
        "mean_norm": (
            summary.global_norm.total / summary.global_norm.count
            if summary.global_norm.count
            else None
        ),
        "nonfinite_loss_steps": summary.nonfinite_loss_steps,
        "nonfinite_steps": summary.nonfinite_gradient_steps,
        "resumes": len(manifest.resumes),
        "skipped_steps": summary.skipped_steps,
        "steps": summary.steps,
    }
    return _finite(numbers)


def verdict_summary(verdict: Verdict) -> dict[str, float]:
    """Returns what the verdict says in numbers; the decision itself is a tag."""
    levels = [finding.level for finding in verdict.findings]
    offence = next((f.first_offence for f in verdict.findings if f.level != "ok"), None)
    return _finite(
        {
            "first_offence_step": None if offence is None else offence.step,
            "rules_blocking": levels.count("block"),
            "rules_passed": sum(finding.status == "pass" for finding in verdict.findings),
            "rules_warning": levels.count("warn"),
        }
    )


def _finite(numbers: dict[str, float | None]) -> dict[str, float]:
    return {
        f"summary/{name}": float(value)
        for name, value in sorted(numbers.items())
        if value is not None and math.isfinite(value)
    }
