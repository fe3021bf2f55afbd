"""What every form of a report shows, in words: so that they all say the same."""

import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final

from gradgate.contracts import Finding, Verdict
from gradgate.contracts.times import instant
from gradgate.contracts.verdict import CoverageSeen, Observed, WaiverSeen
from gradgate.gate.signals import CATALOGUE
from gradgate.gate.wording import counted, is_share, keeps_unit, number, percent

PROMISE: Final = (
    "If you push with the VerifyingPusher and only its identity can write to the serving location,"
    " then every served model is byte-identical to one named in a verdict that was computed from"
    " the named telemetry under the named policy. The gate does not prove that telemetry is"
    " truthful, does not protect against people who may write to the serving location, and a pass"
    " does not mean the model is good."
)
_BOOTSTRAP: Final = "Bootstrap: there was no baseline to compare with yet."
_SHORT: Final = len("sha256:") + 16
_SIGNS: Final = {"==": "=", "<": "<", "<=": "\u2264", ">": ">", ">=": "\u2265"}


def limit(finding: Finding) -> str:
    """What was expected, such as `≤ 0.5`; of a share, `≤ 50%`."""
    is_share = _is_share(finding) and not finding.compare
    expect, said = finding.expect, percent if is_share else number
    if expect.get("op") == "between":
        text = f"{_limit(expect, 'low', said)} to {_limit(expect, 'high', said)}"
    else:
        text = f"{_SIGNS.get(str(expect.get('op')), '?')} {_limit(expect, 'value', said)}"
    if not finding.compare:
        return text
    return f"{text} {_sign(finding.compare)} {finding.compare.get('to', 'baseline')}"


def observed(finding: Finding) -> str:
    """The number that decided, or `not measured`."""
    seen = finding.observed
    if finding.status == "error":
        return "rule broke"
    if finding.compare and finding.status == "disabled" and seen.value is None:
        return "not compared"
    is_shown = seen.value is not None and (finding.compare or finding.status != "unknown")
    if not is_shown and finding.status in {"unknown", "waived"}:
        return "not measured"
    if finding.aggregate.get("fn") == "sum" and seen.samples > 1:
        return f"{value_of(finding, seen)} of {counted(seen.samples, 'step')}"
    return value_of(finding, seen)


def value_of(finding: Finding, seen: Observed) -> str:
    """The number itself, in percent if it is a share; `?` where a verdict has none.

    Of a rule that compares also how far it is from its baseline, such as
    `41.3 (50.4 from 0.82)`.
    """
    if seen.value is None:
        return "?"
    said = percent if _is_share(finding) else number
    text = said(seen.value)
    if not finding.compare:
        return text
    if seen.compared is None or seen.baseline is None:
        return f"{text}, not compared"
    return f"{text} ({number(seen.compared)} {_sign(finding.compare)} {said(seen.baseline)})"


def unit(finding: Finding) -> str:
    """The unit of the number that decided; of a share of samples or a fall it is percent alone."""
    return finding.unit if keeps_unit(str(finding.aggregate.get("fn"))) else ""


def _sign(compare: Mapping[str, Any]) -> str:
    """Between a ratio, or a difference, and the baseline."""
    return "from" if compare.get("as") == "difference" else "\u00d7"


def _is_share(finding: Finding) -> bool:
    return is_share(str(finding.aggregate.get("fn")), CATALOGUE.get(finding.signal))


def _limit(document: Mapping[str, Any], name: str, said: Callable[[float], str] = number) -> str:
    value = document.get(name)
    return said(value) if isinstance(value, int | float) else "?"


def aggregate(finding: Finding) -> str:
    """How the signal became a number, such as `mean of clip.saturation`."""
    known = dict(finding.aggregate)
    name = str(known.get("fn", "?")).replace("_", " ")
    if "q" in known:
        name = f"{_limit(known, 'q')} {name}"
    if "over" in known:
        name += f" over {_limit(known, 'over')}"
    if "per" in known:
        name += f" in {_limit(known, 'per')}"
    against = _against(finding.compare) if finding.compare else ""
    if "op" in known:
        name += f" of {_SIGNS.get(str(known['op']), '?')} {_limit(known, 'value')}"
        return f"{name} in {finding.signal}{against}"
    return f"{name} of {finding.signal}{against}"


def _against(compare: Mapping[str, Any]) -> str:
    """`, ratio to the baseline (median of 5)`."""
    word = "to" if compare.get("as") == "ratio" else "from"
    of = (
        f" (median of {compare['of']})" if "of" in compare and compare.get("to") != "anchor" else ""
    )
    return f", {compare.get('as', '?')} {word} the {compare.get('to', '?')}{of}"


def where(finding: Finding) -> str:
    """`step 12 in dense/kernel` of the first offence, as far as it has either.

    Of several optimizers, `critic: step 12 in dense/kernel`.
    """
    offence = finding.first_offence
    if offence is None:
        return ""
    step = f"step {offence.step}" if offence.step is not None else ""
    epoch = f" (epoch {offence.epoch})" if offence.epoch is not None else ""
    variable = offence.variable or ""
    place = " in ".join(part for part in (step + epoch, variable) if part)
    return ": ".join(part for part in (offence.optimizer or "", place) if part)


def chief(verdict: Verdict) -> Finding | None:
    """The finding that the headline is about; None when it is about a check, or all is well."""
    first = verdict.findings[0] if verdict.findings else None
    if first is None or first.level == "ok" or f" {first.id}: " not in f" {verdict.headline}":
        return None
    return first


def decided(verdict: Verdict) -> str:
    """What the decision means for the model, and whether it was made without a baseline."""
    if verdict.bootstrap and verdict.decision != "block":
        return f"{_decided(verdict)} {_BOOTSTRAP}"
    return _decided(verdict)


def _decided(verdict: Verdict) -> str:
    if verdict.decision == "block":
        return "This model is not pushed; what is served stays as it is."
    if verdict.subject.model_digest is None:
        return "The training was judged without a model, so there is nothing to push."
    if verdict.mode == "shadow":
        if verdict.blessed:
            return "The policy is in shadow, so this model may be pushed, whatever the rules say."
        return "The policy is in shadow, but another judge did not bless this model: not pushed."
    if not verdict.blessed:
        return "The training is healthy, but another judge did not bless this model: not pushed."
    if verdict.decision == "warn":
        return "This model may be pushed; somebody should look at the warnings."
    return "This model may be pushed."


def badge(verdict: Verdict) -> tuple[str, str]:
    """The decision in a word or two, and the tone to say it in."""
    word, tone = verdict.decision.upper(), verdict.decision
    if verdict.mode == "shadow" and tone != "block":
        first = verdict.findings[0].level if verdict.findings else "ok"
        word = "SHADOW, OK" if tone == "ok" else f"SHADOW, WOULD {first.upper()}"
    is_refused = verdict.decision != "block" and not verdict.blessed and bool(verdict.others)
    if is_refused:
        return f"{word}, NOT BLESSED", "warn"
    return word, tone


def tally(verdict: Verdict) -> str:
    """`14 rules: 2 block, 1 warns, 11 pass`; in shadow `2 would block`."""
    counts = dict.fromkeys(("block", "warn", "ok", "not"), 0)
    for finding in verdict.findings:
        counts["not" if is_left_out(finding) else finding.level] += 1
    words = [
        ("block", "block", "blocks"),
        ("warn", "warn", "warns"),
        ("ok", "pass", "passes"),
        ("not", "are not compared", "is not compared"),
    ]
    if verdict.mode == "shadow":
        words[:2] = [(level, f"would {level}", f"would {level}") for level in ("block", "warn")]
    said = [
        f"{counts[level]} {one if counts[level] == 1 else many}"
        for level, many, one in words
        if counts[level]
    ]
    return f"{len(verdict.findings)} rules: {', '.join(said)}" if said else "no rule was asked"


def is_left_out(finding: Finding) -> bool:
    """Whether the rule was not asked, and the policy says that this is fine."""
    return finding.status == "disabled" and finding.level == "ok"


def notable(verdict: Verdict) -> list[Finding]:
    """The findings that somebody must look at, those in shadow last."""
    both = (*verdict.findings, *verdict.shadow_findings)
    return [finding for finding in both if finding.level != "ok"]


def shadow_tally(verdict: Verdict) -> str:
    """What the rules in shadow would have done; empty where none is."""
    if not verdict.shadow_findings:
        return ""
    names = [finding.id for finding in verdict.shadow_findings if finding.level == "block"]
    would = f"{', '.join(names)} would block" if names else "none would block"
    return f"{counted(len(verdict.shadow_findings), 'rule')} in shadow, deciding nothing: {would}"


def coverage(verdict: Verdict) -> list[tuple[str, str]]:
    """What was seen of the training, and of each of several optimizers, as name and value."""
    each = (verdict.coverage, *verdict.further_coverage)
    return [row for seen in each for row in _coverage(seen)]


def _coverage(seen: CoverageSeen) -> list[tuple[str, str]]:
    planned = f" of {seen.planned_steps} planned" if seen.planned_steps is not None else ""
    rows = [
        ("Steps observed", f"{seen.observed_steps}{planned}"),
        ("Steps applied", f"{seen.applied_steps} of {seen.observed_steps}"),
        ("Steps lost", str(seen.lost_steps)),
        (
            "Variables measured",
            f"{seen.variables_measured} of {seen.variables_trainable} with a gradient",
        ),
    ]
    if seen.loss_scale_skips:
        rows.insert(1, ("Steps left out by the loss scale", str(seen.loss_scale_skips)))
    rows += [("Resumed", f"at step {r.at_step}: {r.reason}") for r in seen.resumes]
    return [(f"{seen.optimizer}: {name}" if seen.optimizer else name, text) for name, text in rows]


def waivers(verdict: Verdict) -> list[tuple[str, str]]:
    """What became of each waiver, as its id and a sentence: those that were used first."""
    order = ("used", "expired", "unused")
    ordered = sorted(verdict.waivers, key=lambda waiver: order.index(waiver.status))
    return [(waiver.id, _waiver(waiver, verdict.as_of)) for waiver in ordered]


def _waiver(waiver: WaiverSeen, as_of: str) -> str:
    about = f" ({waiver.message})" if waiver.message else ""
    ends = f"{'ended' if waiver.status == 'expired' else 'ends'} {waiver.expires}"
    return (
        f"{waiver.status}{about}: rule {waiver.rule}, owner {waiver.owner}, approved by"
        f" {waiver.approved_by}, {ends}{_days_left(waiver, as_of)}: {waiver.reason}"
    )


def _days_left(waiver: WaiverSeen, as_of: str) -> str:
    try:
        left = instant(waiver.expires) - instant(as_of)
    except ValueError:  # a verdict that somebody else wrote
        return ""
    return f" ({counted(left.days, 'day')} left)" if waiver.status != "expired" else ""


def inputs(verdict: Verdict) -> list[tuple[str, str]]:
    """What the verdict is about and was computed from, as name and value."""
    subject, given = verdict.subject, verdict.inputs
    policy = given.policy
    rows = [
        ("Model", subject.model_digest),
        ("Training", subject.training_uid),
        ("MLflow run", subject.mlflow_run_id),
        ("Record", given.record_digest),
        ("Policy", f"{policy.id}, revision {policy.revision}" if policy else None),
        ("Policy digest", policy.sha256 if policy else None),
        ("Waivers digest", given.waivers_sha256),
        ("Baselines", _baselines(verdict, "last")),
        ("Anchor", _baselines(verdict, "anchor")),
        ("Gate", f"gradgate {given.gate_version}"),
        ("Judged", verdict.as_of),
        ("Verdict", verdict.verdict_id),
    ]
    return [(name, value) for name, value in rows if value]


def _baselines(verdict: Verdict, role: str) -> str:
    """The beginnings of their ids, by which `gradgate check --baseline` knows them."""
    if role == "last" and verdict.bootstrap and not verdict.inputs.baselines:
        return "none yet"
    return ", ".join(
        one.verdict_id[:_SHORT] for one in verdict.inputs.baselines if one.role == role
    )


def reproduce(verdict: Verdict, places: Mapping[str, str] | None = None) -> str:
    """The command that gives this verdict again, from the named inputs.

    Args:
        verdict: The verdict.
        places: Where RECORD, MODEL, POLICY, WAIVERS and BASELINES lie, as far as that is known;
            what is not is for the reader to put in: `to_put_in` lists it.
    """

    def at(name: str) -> str:
        place = (places or {}).get(name)
        return name if place is None else shlex.quote(place)

    model = f"--model {at('MODEL')}" if verdict.subject.model_digest else "--training-only"
    waivers = f" --waivers {at('WAIVERS')}" if verdict.inputs.waivers_sha256 else ""
    baselines = f" --baselines {at('BASELINES')}" if verdict.inputs.baselines else ""
    given = f"{model} --policy {at('POLICY')}{waivers}{baselines} --as-of {verdict.as_of}"
    return f"gradgate check {at('RECORD')} {given}"


def to_put_in(verdict: Verdict, places: Mapping[str, str]) -> list[str]:
    """What `reproduce` names in capitals, since nobody knows where it lies."""
    command = reproduce(verdict, places).split()
    names = ("RECORD", "MODEL", "POLICY", "WAIVERS", "BASELINES")
    return [name for name in names if name not in places and name in command]


def design(verdict: Verdict) -> list[tuple[str, str]]:
    """What the lint warned of before the training: `warning relu-with-glorot`, and in words."""
    return [
        (f"{found.severity} {found.rule}", f"{found.message}. To do: {found.advice}.")
        for found in verdict.design
    ]
