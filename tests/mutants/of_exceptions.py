"""Faults of what may be let go by: waivers, and rules in shadow."""

from one_mutant import Mutant, of

EXCEPTIONS: tuple[Mutant, ...] = (
    # --- Waivers ----------------------------------------------------------------------------------
    of(
        "a waiver by prefix",
        "gate/waiving.py",
        "            in_force=tuple(waiver for waiver in self.in_force if waiver.rule == rule),\n",
        "            in_force=tuple(w for w in self.in_force if rule.startswith(w.rule[:5])),\n",
        "gate/test_properties.py::test_property",
    ),
    of(
        "a waiver lives one instant too long",
        "gate/waiving.py",
        "            if now >= instant(waiver.expires):\n",
        "            if now > instant(waiver.expires):\n",
        "gate/test_waivers.py",
    ),
    of(
        "a waiver is in force before it begins",
        "gate/waiving.py",
        "            elif now < instant(waiver.created):\n",
        "            elif False:\n",
        "gate/test_waivers.py",
    ),
    of(
        "a clock that was set back revives a waiver",
        "gate/waiving.py",
        "        if is_set_back(policy.staleness, manifest, as_of):\n",
        "        if False:\n",
        "gate/test_waivers.py",
    ),
    of(
        "a waiver of one layer covers all",
        "gate/waiving.py",
        '    return layers is None or any(matches(glob, variable or "") for glob in layers)\n',
        "    return True\n",
        "gate/test_waivers.py",
    ),
    of(
        "a rule that broke can be waived",
        "gate/asking.py",
        '            return self._unjudged("error", self._error)\n        if self._no_baseline',
        '            return self._or_waived(self._unjudged("error", self._error))\n'
        "        if self._no_baseline",
        "gate/test_waivers.py",
    ),
    of(
        "a waived rule leaves no warning",
        "gate/asking.py",
        '            status, level = "waived", "warn"\n',
        '            status, level = "waived", "ok"\n',
        "gate/test_waivers.py",
    ),
    of(
        "who owns a waiver approves it",
        "contracts/waivers.py",
        "        if owner is not None and _person(owner) == _person(approver):\n",
        "        if owner == approver:\n",
        "gate/test_waivers.py",
    ),
    of(
        "a check that failed is let by without a waiver",
        "gate/waiving.py",
        "            elif waivers:\n",
        "            elif True:\n",
        "gate/test_waived_age.py",
    ),
    of(
        "any check can be waived",
        "gate/waiving.py",
        '            if check.status != "fail" or check.code not in WAIVABLE_CHECKS:\n',
        '            if check.status != "fail":\n',
        "gate/test_waived_age.py",
    ),
    of(
        "a model of waived evidence is a baseline for later ones",
        "gate/verdicts.py",
        '        healthy=may_push and mode == "enforce" and not is_evidence_waived,\n',
        '        healthy=may_push and mode == "enforce",\n',
        "gate/test_waived_age.py",
    ),
    # --- Shadow -----------------------------------------------------------------------------------
    of(
        "a rule in shadow decides",
        "gate/verdicts.py",
        "    enforced = _strictest(ordered, integrity)\n",
        "    enforced = _strictest(all_ordered, integrity)\n",
        "gate/test_shadow.py",
    ),
    of(
        "shadow forgives damage",
        "gate/verdicts.py",
        '    if mode == "shadow" and ordered and not failed:\n',
        '    if mode == "shadow" and ordered:\n',
        "gate/test_shadow.py",
    ),
    of(
        "what shadow let by is healthy",
        "gate/verdicts.py",
        '        healthy=may_push and mode == "enforce" and not is_evidence_waived,\n',
        "        healthy=may_push and not is_evidence_waived,\n",
        "gate/test_shadow.py",
    ),
)
