"""What a run's page says: parameters, tags, and the description with the verdict on top."""

from gradgate.contracts import Finding, ModelCard, Verdict

_WORD = {"ok": "BLESSED", "warn": "BLESSED, with warnings", "block": "BLOCKED"}
_ROWS = 12


def training_params(card_json: bytes, planned_steps: int | None) -> dict[str, object]:
    """Returns the run's parameters: what was trained and how it was guarded."""
    card = ModelCard.model_validate_json(card_json)
    params: dict[str, object] = {
        "guard.clip": ", ".join(_clip(clip) for clip in card.clips) or "none",
        "guard.on_nonfinite": card.on_nonfinite,
        "guard.statistics_every": card.statistics_every,
        "model.name": card.model_name,
        "model.parameters": sum(variable.parameters for variable in card.variables),
        "model.trainable_variables": len(card.variables),
        "model.loss": card.loss,
        "optimizer.name": card.optimizer,
        "run.planned_steps": planned_steps,
        "run.precision": card.precision,
        "run.seed": card.seed,
    }
    for key, value in card.optimizer_config.items():
        if isinstance(value, (int, float, str)) and key != "name":
            params[f"optimizer.{key}"] = value
    params.update({f"version.{name}": version for name, version in card.versions.items()})
    return {key: value for key, value in params.items() if value is not None}


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
        "gradgate.blocked_rules": ", ".join(blocked)[:500],
        "gradgate.first_offence": _first_offence(verdict),
    }
    if verdict.subject.model_digest:
        tags["gradgate.model_digest"] = verdict.subject.model_digest
    if verdict.inputs.policy:
        policy = verdict.inputs.policy
        tags["gradgate.policy"] = f"{policy.id}@{policy.revision}"
        tags["gradgate.policy_sha256"] = policy.sha256
    return tags


def push_tags(destination: str, version: str) -> dict[str, str]:
    """Returns the tags of a model that was pushed."""
    return {"gradgate.pushed": f"{destination} (version {version})"}


def note(verdict: Verdict) -> str:
    """Returns the description: the decision and its reason first, since the page cuts it there."""
    reason = verdict.headline.partition(" ")[2]  # after the decision, which the heading says
    lines = [f"## {_headline_word(verdict)}", "", _escape(reason), ""]
    first = next((finding for finding in verdict.findings if finding.level == "block"), None)
    if first is not None and first.prescription:
        lines += [f"**What to change:** {_escape(first.prescription)}", ""]
    failed = [check for check in verdict.integrity if check.status == "fail"]
    lines += [f"- **{check.code}**: {_escape(check.message)}" for check in failed]
    lines += ["", "| rule | status | observed | expected |", "|---|---|---|---|"]
    lines += [_row(finding) for finding in verdict.findings[:_ROWS]]
    if len(verdict.findings) > _ROWS:
        lines.append(f"| … {len(verdict.findings) - _ROWS} more in the report | | | |")
    lines += ["", "Full report: artifact `gradgate/report.html`. To see why: `gradgate explain`."]
    return "\n".join(lines)


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


def _first_offence(verdict: Verdict) -> str:
    for finding in verdict.findings:
        offence = finding.first_offence
        if finding.level != "ok" and offence is not None:
            step = "" if offence.step is None else f"step {offence.step}"
            return ", ".join(filter(None, [finding.id, step, offence.variable]))
    return "none"


def _clip(clip: dict[str, object]) -> str:
    numbers = ", ".join(f"{key}={value}" for key, value in clip.items() if key != "name")
    return f"{clip.get('name')}({numbers})"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
