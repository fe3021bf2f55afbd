"""What a run's page says: the tags, and the description with the verdict on top."""

from gradgate.contracts import Cause, Finding, LintFinding, Verdict
from gradgate.contracts.verdict import Offence
from gradgate.diagnosis import telling

_WORD = {"ok": "BLESSED", "warn": "BLESSED, with warnings", "block": "BLOCKED"}
_ROWS = 12


def verdict_tags(verdict: Verdict) -> dict[str, str]:
    """Returns the tags by which people search: decision, first offence, policy, digests.

    A policy in shadow blocks nothing; its blocked rules are those that would have.
    """
    blocked = [finding.id for finding in verdict.findings if finding.level == "block"]
    tags = {
        "gradgate.decision": verdict.decision,
        "gradgate.mode": verdict.mode,
        "gradgate.blessed": str(verdict.blessed).lower(),
        "gradgate.headline": verdict.headline,
        "gradgate.verdict_id": verdict.verdict_id,
        "gradgate.blocked_rules": ", ".join(blocked)[:500] or "none",
    } | _offence_tags(verdict)
    if verdict.subject.model_digest:
        tags["gradgate.model_digest"] = verdict.subject.model_digest
    if verdict.inputs.policy:
        policy = verdict.inputs.policy
        tags["gradgate.policy"] = f"{policy.id}@{policy.revision}"
        tags["gradgate.policy_sha256"] = policy.sha256
    if getattr(verdict, "bootstrap", False):
        tags["gradgate.bootstrap"] = "true"
    if baselines := getattr(verdict.inputs, "baselines", ()):
        tags["gradgate.baselines"] = ", ".join(one.verdict_id for one in baselines)
    if verdict.inputs.record_digest:
        tags["gradgate.record_digest"] = verdict.inputs.record_digest
    return tags


def push_tags(destination: str, version: str) -> dict[str, str]:
    """Returns the tags of a model that was pushed."""
    return {"gradgate.pushed": f"{destination} (version {version})"}


def note(verdict: Verdict) -> str:
    """Returns the description: the decision and its reason first, since the page cuts it there."""
    reason = verdict.headline.partition(" ")[2]  # after the decision, which the heading says
    story = [_escape(reason)]
    first = _first(verdict)
    if first is not None and first.first_offence is not None:
        story.append(f"**First offence:** {_where(first.id, first.first_offence)}")
    likely = telling.shown_first(verdict)
    if likely:
        story.append(f"**Likely cause:** {_escape(telling.title(likely[0]))}")
        story.append(f"**What to change:** {_escape(likely[0].change)}")
    elif first is not None and first.prescription:
        story.append(f"**What to change:** {_escape(first.prescription)}")
    # One paragraph of several lines: the page shows a hand's breadth before "Show more".
    lines = [f"## {_headline_word(verdict)}", "", "  \n".join(story), ""]
    failed = [check for check in verdict.integrity if check.status == "fail"]
    lines += [f"- **{check.code}**: {_escape(check.message)}" for check in failed]
    for place, cause in enumerate(likely, start=1):
        lines += _cause(place, cause)
    if others := telling.also_possible(verdict):
        lines += ["", f"Also possible: {'; '.join(_escape(telling.title(c)) for c in others)}."]
    if verdict.design:
        lines += ["", "### Of the model, before it trained (`gradgate lint`)", ""]
        lines += [_design(found) for found in verdict.design]
    lines += ["", "| rule | status | observed | expected |", "|---|---|---|---|"]
    lines += [_row(finding) for finding in verdict.findings[:_ROWS]]
    if len(verdict.findings) > _ROWS:
        lines.append(f"| … {len(verdict.findings) - _ROWS} more in the report | | | |")
    lines += ["", "Full report: artifact `gradgate/report.html`. To see why: `gradgate explain`."]
    return "\n".join(lines)


def _cause(place: int, cause: Cause) -> list[str]:
    lines = ["", f"### {place}. {_escape(telling.title(cause))} ({telling.SURE[cause.confidence]})"]
    lines += ["", _escape(cause.meaning), ""]
    lines += [f"- {_escape(number)}" for number in cause.numbers]
    lines += ["", f"**What to change:** {_escape(cause.change)}"]
    if cause.snippet:
        lines += ["", *(f"    {line}" for line in cause.snippet)]
    return [*lines, "", f"{telling.certainty(cause)}. Source: {_escape(cause.source)}"]


def _design(found: LintFinding) -> str:
    text = f"{found.message}. To do: {found.advice}."
    return f"- **{found.severity} {found.rule}** {_escape(text)}"


def _headline_word(verdict: Verdict) -> str:
    if verdict.decision != "block" and not verdict.blessed:
        return "NOT BLESSED: another judge refused"
    if verdict.decision != "block" and verdict.mode == "shadow":
        return "SHADOW: nothing is blocked"
    return _WORD[verdict.decision]


def _row(finding: Finding) -> str:
    value = finding.observed.value
    observed = "not measured" if value is None else f"{value:.4g}"
    expect = finding.expect
    limit = (
        f"{expect.get('low')} to {expect.get('high')}"
        if expect.get("op") == "between"
        else f"{expect.get('op', '')} {expect.get('value', '')}"
    )
    mark = {"ok": "pass", "warn": "**warns**", "block": "**blocks**"}[finding.level]
    return f"| {finding.id} | {mark} | {observed} | {limit} |"


def _first(verdict: Verdict) -> Finding | None:
    """The finding that decided: they are sorted, the worst first."""
    return next((finding for finding in verdict.findings if finding.level != "ok"), None)


def _offence_tags(verdict: Verdict) -> dict[str, str]:
    """The first offence in one line, and apart, so that each part can be searched for."""
    parts = {"": "none", "_rule": "none", "_step": "none", "_variable": "none"}
    for finding in verdict.findings:
        offence = finding.first_offence
        if finding.level != "ok" and offence is not None:
            step = "" if offence.step is None else f"step {offence.step}"
            parts[""] = ", ".join(filter(None, [finding.id, step, offence.variable]))
            parts["_rule"] = finding.id
            parts["_step"] = "none" if offence.step is None else str(offence.step)
            parts["_variable"] = offence.variable or "none"
            break
    # All of them always: those of an earlier verdict on this training must not stay.
    return {f"gradgate.first_offence{key}": text for key, text in parts.items()}


def _where(rule: str, offence: Offence) -> str:
    epoch = "" if offence.epoch is None else f" (epoch {offence.epoch})"
    step = "" if offence.step is None else f"step {offence.step}{epoch}"
    variable = f"`{_escape(offence.variable)}`" if offence.variable else ""
    where = " in ".join(filter(None, [step, variable])) or "the training as a whole"
    return f"{where}, by rule `{rule}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
