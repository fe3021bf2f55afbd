"""What a training came to: our decision, layer and cause, and what the others say."""

import dataclasses
from pathlib import Path

from _training import OFTEN, SELDOM, Training
from programs.case import Case

from gradgate.cli.read import evidence_of, policy_of
from gradgate.contracts import Verdict
from gradgate.gate import judge

_WHEN = "2099-01-01T00:00:00Z"  # after every training, whatever the clock says
OURS, AUTOTRAINER = "gradgate", "AUTOTRAINER"
DEBUGGER, DEBUGGER_OFTEN = f"Debugger, every {SELDOM}", f"Debugger, every {OFTEN}"
JUDGES = OURS, AUTOTRAINER, DEBUGGER, DEBUGGER_OFTEN


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """One training, judged.

    Attributes:
        blocking, warning: Ids of our rules and checks.
        layer: Path of the variable or layer of our first offence that has one; empty for none.
        cause: Our first; None where nothing was explained.
        alarms: What each judge found; None of what it has no answer for.
    """

    case: Case
    seed: int
    training: Training
    blocking: tuple[str, ...]
    warning: tuple[str, ...]
    headline: str
    layer: str
    cause: str | None
    alarms: dict[str, tuple[str, ...] | None]

    def is_layer_right(self) -> bool | None:
        """Whether the layer is one of those at fault; None where the fault is of the whole run."""
        fault = self.case.fault
        if fault is None or not fault.layers or not self.blocking:
            return None
        return bool(set(self.layer.split("/")) & set(fault.layers))

    def is_cause_right(self) -> bool | None:
        """Whether the first cause is a right one; None where nothing was to explain."""
        fault = self.case.fault
        return None if fault is None or not self.blocking else self.cause in fault.causes

    def __str__(self) -> str:
        held = self.training.held
        score = "none" if held is None else f"{held:.2f}"
        truth = f"{self.case.fault.kind}" if self.case.fault else "sound"
        return (
            f"{self.case.name} #{self.seed} ({truth}): held {score} (usual"
            f" {self.training.usual:.2f}); {self.headline}; blocks {self.blocking}, warns"
            f" {self.warning}; layer {self.layer}; cause {self.cause}; {self.training.error}"
            f" {[self.alarms[name] for name in JUDGES[1:]]}"
        )


def judge_record(case: Case, seed: int, record: Path, training: Training) -> Outcome:
    """Judges a record by the default policy, as `gradgate check --training-only` does."""
    verdict = judge(
        policy_of(None), evidence_of(record), model=None, as_of=_WHEN, training_only=True
    )
    blocking, warning = _at(verdict, "block"), _at(verdict, "warn")
    issues = training.autotrainer
    return Outcome(
        case=case,
        seed=seed,
        training=training,
        blocking=blocking,
        warning=warning,
        headline=verdict.headline,
        layer=_layer(verdict),
        cause=_first_cause(verdict),
        alarms={
            OURS: blocking,
            AUTOTRAINER: None if issues is None else tuple(issues),
            DEBUGGER: tuple(training.debugger_seldom),
            DEBUGGER_OFTEN: tuple(training.debugger_often),
        },
    )


def _at(verdict: Verdict, level: str) -> tuple[str, ...]:
    rules = [finding.id for finding in verdict.findings if finding.level == level]
    status = {"block": "fail", "warn": "warn"}[level]
    return (*rules, *(check.code for check in verdict.integrity if check.status == status))


def _layer(verdict: Verdict) -> str:
    """Of the first finding that blocks and names one: findings stand worst and first."""
    for finding in verdict.findings:
        offence = finding.first_offence
        if finding.level == "block" and offence is not None and offence.variable:
            return offence.variable
    return ""


def _first_cause(verdict: Verdict) -> str | None:
    causes = getattr(verdict, "causes", ())
    return causes[0].id if causes else None
