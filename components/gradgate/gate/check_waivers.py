"""Whether waivers fit the policy that they are for.

One that fits nothing waives nothing, and whoever wrote it believes that it does.
"""

from collections.abc import Iterator

from gradgate.contracts import Policy, Rule, Waiver, Waivers
from gradgate.contracts.waivers import WAIVABLE_CHECKS
from gradgate.gate.check_policy import did_you_mean
from gradgate.gate.places import Path, short
from gradgate.gate.signals import CATALOGUE, per_variable


def check_waivers(waivers: Waivers, policy: Policy) -> list[tuple[Path, str]]:
    """Returns the fields that do not fit the policy, each with what to do."""
    return [
        (("waivers", place, *path), text)
        for place, waiver in enumerate(waivers.waivers)
        for path, text in _misfits(waiver, policy)
    ]


def _misfits(waiver: Waiver, policy: Policy) -> Iterator[tuple[Path, str]]:
    if waiver.policy != policy.metadata.id:
        name = short(waiver.policy)
        text = f"is for policy {name}, and this is {policy.metadata.id}; keep it with its own"
        yield ("policy",), text
        return
    if waiver.days > policy.max_waiver_days:
        yield (
            ("expires",),
            f"is {waiver.days:g} days after created; this policy allows {policy.max_waiver_days}",
        )
    if waiver.rule in WAIVABLE_CHECKS:
        yield from _misfits_of_check(waiver, policy)
        return
    rules = {rule.id: rule for rule in policy.rules}
    rule = rules.get(waiver.rule)
    if rule is None:
        yield ("rule",), _unknown(waiver.rule, list(rules))
        return
    yield from _misfits_of_layers(waiver, rule)


def _misfits_of_check(waiver: Waiver, policy: Policy) -> Iterator[tuple[Path, str]]:
    if policy.staleness.max_age_after_export is None:
        text = "T-STALE is the age of a training, and this policy asks for none"
        yield ("rule",), f"{text} (staleness.max_age_after_export); remove the waiver"
    if waiver.scope.layers is not None:
        text = f"{waiver.rule} is of the run as a whole and has no layers; remove them"
        yield ("scope", "layers"), text


def _unknown(name: str, rules: list[str]) -> str:
    if name.startswith(("T-", "I-", "P-", "C-", "R-", "S-", "K-", "X-", "B-")):
        return f"{short(name)} says that the evidence is not in order, and cannot be waived"
    hint = did_you_mean(name, rules)
    return f"there is no rule {short(name)};{hint} the rules are {', '.join(rules)}"


def _misfits_of_layers(waiver: Waiver, rule: Rule) -> Iterator[tuple[Path, str]]:
    layers = waiver.scope.layers
    if layers is None:
        return
    signal = CATALOGUE.get(rule.signal)
    if signal is not None and not per_variable(signal):
        text = f"{rule.id} is of the run as a whole and has no layers; remove them"
        yield ("scope", "layers"), text
    for place, glob in enumerate(layers):
        if not glob:
            yield ("scope", "layers", place), "is empty and matches nothing; remove it"
