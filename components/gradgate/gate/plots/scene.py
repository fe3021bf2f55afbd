"""What all pictures of one training share: its history, and what the verdict has to say of it."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from gradgate.contracts import Finding, ModelCard, Summary, Verdict
from gradgate.gate.evidence import Evidence
from gradgate.gate.plots.history import History
from gradgate.gate.plots.layers import layer_path
from gradgate.gate.render.clean import clean_text

_MOST_MARKS: Final = 12
Level = Literal["block", "warn"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mark:
    """A step at which rules were first broken for good.

    Attributes:
        rules: Their ids, those that block first.
        level: The worst of what they do.
        rank: Place among the marks, 0 for that of the worst finding.
    """

    step: int
    rules: tuple[str, ...]
    level: Level
    rank: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """What a picture is made of.

    Attributes:
        marks: By step; of very many those of the worst findings.
        offended: Layers that a rule found fault with, by their path, and what it does.
        clip_limit: Norm that the chain of clips lets through, if it is one number.
        clip_rate_limit: Greatest clip rate that the policy allows; None if it does not say.
    """

    history: History
    card: ModelCard
    summary: Summary
    marks: tuple[Mark, ...] = ()
    offended: Mapping[str, Level] = dataclasses.field(default_factory=dict)
    clip_limit: float | None = None
    clip_rate_limit: float | None = None


def scene_of(
    history: History, evidence: Evidence, verdict: Verdict | None, optimizer: str | None
) -> Scene:
    """Returns the scene of one optimizer; `optimizer` is None where there is but one."""
    findings = [] if verdict is None else [f for f in verdict.findings if f.level != "ok"]
    mine = [f for f in findings if f.first_offence and f.first_offence.optimizer == optimizer]
    return Scene(
        history=history,
        card=evidence.card,
        summary=evidence.summary,
        marks=_marks(mine),
        offended=_offended(mine),
        clip_limit=_clip_limit(evidence.card),
        clip_rate_limit=None if verdict is None else _clip_rate_limit(verdict.findings),
    )


def _marks(findings: Iterable[Finding]) -> tuple[Mark, ...]:
    by_step: dict[int, list[Finding]] = {}
    for finding in findings:
        if finding.first_offence is not None and finding.first_offence.step is not None:
            by_step.setdefault(finding.first_offence.step, []).append(finding)
    marks = []
    for rank, (step, broken) in enumerate(by_step.items()):
        ordered = sorted(broken, key=lambda finding: finding.level != "block")
        rules = tuple(clean_text(finding.id) for finding in ordered)
        marks.append(Mark(step=step, rules=rules, level=_level(ordered[0]), rank=rank))
    return tuple(sorted(marks[:_MOST_MARKS], key=lambda mark: mark.step))


def _offended(findings: Sequence[Finding]) -> dict[str, Level]:
    offended: dict[str, Level] = {}
    # What has no step, such as the exported weights, is found in all that came after the fault.
    with_step = [f for f in findings if f.first_offence and f.first_offence.step is not None]
    for finding in with_step or findings:
        variable = finding.first_offence.variable if finding.first_offence else None
        if variable:
            for path in (variable, layer_path(variable)):
                if offended.get(path) != "block":
                    offended[path] = _level(finding)
    return offended


def _level(finding: Finding) -> Level:
    return "block" if finding.level == "block" else "warn"


def _clip_limit(card: ModelCard) -> float | None:
    limits = [
        float(limit)
        for clip in card.clips
        if clip.get("name") == "clip_by_global_norm"
        and isinstance(limit := clip.get("max_norm"), int | float)
        and 0 < limit < float("inf")
    ]
    return min(limits, default=None)


def _clip_rate_limit(findings: Iterable[Finding]) -> float | None:
    for finding in findings:
        value, op = finding.expect.get("value"), finding.expect.get("op")
        is_rate = finding.signal == "clip.saturation" and finding.aggregate.get("fn") == "mean"
        if is_rate and op in {"<", "<="} and isinstance(value, int | float) and 0 <= value <= 1:
            return float(value)
    return None
