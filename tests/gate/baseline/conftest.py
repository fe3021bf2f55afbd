"""Trainings that came before, and rules that compare with them."""

import dataclasses

import pytest

from gradgate.gate import Baselines, judge

RATIO = {
    "id": "drift",
    "signal": "gradient.global_norm",
    "aggregate": {"fn": "quantile", "q": 0.5},
    "compare": {"to": "baseline", "as": "ratio"},
    "expect": {"op": "between", "low": 0.2, "high": 5},
}
ABSOLUTE = {
    "id": "skips",
    "signal": "step.skipped",
    "aggregate": {"fn": "mean"},
    "expect": {"op": "<=", "value": 1},
}
LAYERS = {
    "id": "layers",
    "signal": "variable.norm",
    "aggregate": {"fn": "max"},
    "compare": {"to": "baseline", "as": "ratio"},
    "expect": {"op": "<=", "value": 2},
}


@dataclasses.dataclass(frozen=True)
class Before:
    """The helpers of this folder in one fixture."""

    make: object
    ratio = RATIO
    layers = LAYERS
    absolute = ABSOLUTE

    def policy(self, *rules, **fields):
        """A policy of the rules (`ratio` if there are none), and one that compares with nothing."""
        return self.make.policy(*(rules or (RATIO,)), ABSOLUTE, **fields)

    def verdict(self, day=1, *, norm=None, training=None, policy=None, uid=None, **changes):
        """The verdict on a training of a day in November, of that global norm.

        Fields of the verdict may be changed; its id fits afterwards.
        """
        training = training or self.make.Training()
        if norm is not None:
            training.global_norm[:] = norm
        when = f"2026-11-{day:02}T"
        training.replace(
            training_uid=uid or f"earlier-{day}",
            started_at=f"{when}05:00:00Z",
            finished_at=f"{when}05:30:00Z",
        )
        judged = judge(
            policy or self.policy(),
            training.evidence(),
            model=None,
            training_only=True,
            as_of=f"{when}06:00:00Z",
        )
        return judged.model_copy(update=changes).sealed()

    def each(self, *norms):
        """Verdicts on trainings of these norms, the newest first."""
        days = enumerate(norms, start=1)
        return tuple(self.verdict(day, norm=norm) for day, norm in days)[::-1]

    def judge(self, training, last=(), *, policy=None, anchor=None, problems=(), **options):
        """Judges a training against verdicts on earlier ones, the newest first."""
        given = Baselines(last=tuple(last), anchor=anchor, problems=tuple(problems))
        policy = policy or self.policy()
        return self.make.verdict(training, policy=policy, baselines=given, **options)

    def finding(self, verdict, name="drift"):
        """The finding of a rule."""
        both = (*verdict.findings, *verdict.shadow_findings)
        return next(finding for finding in both if finding.id == name)


@pytest.fixture(scope="session")
def before(make):
    return Before(make)
