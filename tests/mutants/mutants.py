"""The faults that gates really have, as patches of our source; `run.py` shows who finds each."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mutant:
    """One fault.

    Attributes:
        file: Of the package.
        old, new: What stands there, exactly once, and what is put in its place.
        tests: What must find it, as pytest takes it.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    needs_tfx: bool = False


def _of(name: str, file: str, old: str, new: str, *tests: str, needs_tfx: bool = False) -> Mutant:
    paths = tuple(f"tests/{test}" for test in tests)
    return Mutant(name=name, file=file, old=old, new=new, tests=paths, needs_tfx=needs_tfx)


MUTANTS = (
    # --- Comparing -------------------------------------------------------------------------------
    _of(
        "failure form: fails if it compares as it must not",
        "gate/compare.py",
        "    return finite & compare(values, expect.op, expect.value)\n",
        '    opposite = {"==": "<", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}[expect.op]\n'
        "    return ~compare(values, opposite, expect.value)\n",
        "gate/test_compare.py",
    ),
    _of(
        "failure form of between",
        "gate/compare.py",
        "        return finite & (values >= expect.low) & (values <= expect.high)\n",
        "        return ~((values < expect.low) | (values > expect.high))\n",
        "gate/test_compare.py",
    ),
    _of(
        "infinity is a number",
        "gate/compare.py",
        "    finite = np.isfinite(values)\n",
        "    finite = ~np.isnan(values)\n",
        "gate/test_compare.py",
    ),
    _of(
        "< for <=",
        "gate/compare.py",
        '    "<=": np.less_equal,\n',
        '    "<=": np.less,\n',
        "gate/test_compare.py",
    ),
    _of(
        "<= for <",
        "gate/compare.py",
        '    "<": np.less,\n',
        '    "<": np.less_equal,\n',
        "gate/test_compare.py",
    ),
    _of(
        ">= for >",
        "gate/compare.py",
        '    ">": np.greater,\n',
        '    ">": np.greater_equal,\n',
        "gate/test_compare.py",
    ),
    # --- Asking ----------------------------------------------------------------------------------
    _of(
        "unknown is a pass",
        "gate/asking.py",
        "        level = rule.on_missing or policy.severity_of(rule)\n",
        '        level = "ok"\n',
        "gate/test_rules.py",
    ),
    _of(
        "a rule that broke is a pass",
        "gate/asking.py",
        '    level: Decision = "block"\n',
        '    level: Decision = "ok"\n',
        "gate/test_judge.py",
    ),
    _of(
        "an exception while a rule reads its steps is swallowed",
        "gate/asking.py",
        "        try:\n            case.feed(batch)\n"
        "        except Exception as error:  # noqa: BLE001 - a broken rule blocks, the others are"
        " heard\n            case.seen.error = _described(error)\n",
        "        try:\n            case.feed(batch)\n        except Exception:\n            pass\n",
        "gate/test_judge.py",
    ),
    _of(
        "a record that breaks off is read as far as it goes",
        "gate/judge.py",
        "        reading.problems.append(_unreadable(error))\n    else:\n",
        "        pass\n    else:\n",
        "gate/test_judge.py",
    ),
    _of(
        "early exit: the first rule alone is heard",
        "gate/verdicts.py",
        "    ordered = [answer for answer in all_ordered if answer.finding.id not in in_shadow]\n",
        "    ordered = [a for a in all_ordered if a.finding.id not in in_shadow][:1]\n",
        "gate/test_judge.py",
    ),
    _of(
        "the mildest answer decides",
        "gate/verdicts.py",
        "    return min(levels, key=_LEVELS.__getitem__)\n",
        "    return max(levels, key=_LEVELS.__getitem__)\n",
        "gate/test_judge.py",
    ),
    _of(
        "no rule at all is a pass",
        "gate/verdicts.py",
        '    if not levels or any(check.status == "fail" for check in integrity):\n'
        '        return "block"\n',
        '    if any(check.status == "fail" for check in integrity):\n        return "block"\n'
        '    levels.append("ok")\n',
        "gate/test_properties.py::test_no_answer_is_no_pass",
    ),
    _of(
        "too few samples are enough",
        "gate/case.py",
        "        if counts[least] < min_samples:\n",
        "        if counts[least] < 1:\n",
        "gate/test_rules.py",
    ),
    _of(
        "one sample too few is enough",
        "gate/case.py",
        "        if counts[least] < min_samples:\n",
        "        if counts[least] < min_samples - 1:\n",
        "gate/test_rules.py",
    ),
    _of(
        "Adam's second moment is read with the bias of its first steps",
        "training/sample.py",
        "    expected = tf.sqrt(tf.cast(moment, tf.float32) / bias)\n",
        "    expected = tf.sqrt(tf.cast(moment, tf.float32))\n",
        "training/test_adam_rms.py",
    ),
    _of(
        "a single sample does not vary",
        "gate/aggregates/variation.py",
        "    return np.where(count > 1, variation, np.nan)\n",
        "    return variation\n",
        "gate/test_every_aggregate.py",
    ),
    _of(
        "NaN is dropped before it is counted",
        "gate/case.py",
        "        keep = (samples.step >= self.steps.start) & (samples.step < self.steps.stop)\n",
        "        keep = (samples.step >= self.steps.start) & (samples.step < self.steps.stop)\n"
        "        keep &= np.isfinite(samples.value).all(axis=1)\n",
        "gate/test_rules.py",
    ),
    _of(
        "a symptom is harmless whether or not the loss falls",
        "gate/asking.py",
        '        if self.rule.when_improving == "warn" and is_improving:\n',
        '        if self.rule.when_improving == "warn":\n',
        "gate/test_rules.py",
    ),
    _of(
        "the first offence is the first bad step, healed or not",
        "gate/since.py",
        "        after_last_held = rows - is_held[::-1].argmax(axis=0)\n",
        "        after_last_held = (~is_held).argmax(axis=0)\n",
        "gate/test_first_offence.py",
    ),
    _of(
        "a required signal is not missed",
        "gate/required.py",
        "        if not self._names:\n            return ()\n",
        "        return ()\n",
        "gate/test_required_signals.py",
    ),
    # --- Quantifiers -----------------------------------------------------------------------------
    _of(
        "any for all",
        "gate/outcome.py",
        '        allowed = columns if quantifier == "any" else 0\n',
        '        allowed = columns if quantifier == "all" else 0\n',
        "gate/test_quantifiers.py",
    ),
    _of(
        "all of them may fail",
        "gate/outcome.py",
        "    return min(allowed, columns - 1)\n",
        "    return min(allowed, columns)\n",
        "gate/test_quantifiers.py",
    ),
    _of(
        "one more may fail",
        "gate/outcome.py",
        "        return int(columns.sum()) > self.may_fail or ",
        "        return int(columns.sum()) > self.may_fail + 1 or ",
        "gate/test_quantifiers.py",
    ),
    _of(
        "a variable that is NaN is among those that may fail",
        "gate/outcome.py",
        " or bool((columns & ~self.finite).any())\n",
        "\n",
        "gate/test_quantifiers.py",
    ),
    # --- Waivers ---------------------------------------------------------------------------------
    _of(
        "a waiver by prefix",
        "gate/waiving.py",
        "            in_force=tuple(waiver for waiver in self.in_force if waiver.rule == rule),\n",
        "            in_force=tuple(w for w in self.in_force if rule.startswith(w.rule[:5])),\n",
        "gate/test_properties.py::test_property",
    ),
    _of(
        "a waiver lives one instant too long",
        "gate/waiving.py",
        "            if now >= instant(waiver.expires):\n",
        "            if now > instant(waiver.expires):\n",
        "gate/test_waivers.py",
    ),
    _of(
        "a waiver is in force before it begins",
        "gate/waiving.py",
        "            elif now < instant(waiver.created):\n",
        "            elif False:\n",
        "gate/test_waivers.py",
    ),
    _of(
        "a clock that was set back revives a waiver",
        "gate/waiving.py",
        "        if is_set_back(policy.staleness, manifest, as_of):\n",
        "        if False:\n",
        "gate/test_waivers.py",
    ),
    _of(
        "a waiver of one layer covers all",
        "gate/waiving.py",
        '    return layers is None or any(matches(glob, variable or "") for glob in layers)\n',
        "    return True\n",
        "gate/test_waivers.py",
    ),
    _of(
        "a rule that broke can be waived",
        "gate/asking.py",
        '            return self._unjudged("error", self._error)\n        if self._no_baseline',
        '            return self._or_waived(self._unjudged("error", self._error))\n'
        "        if self._no_baseline",
        "gate/test_waivers.py",
    ),
    _of(
        "a waived rule leaves no warning",
        "gate/asking.py",
        '            status, level = "waived", "warn"\n',
        '            status, level = "waived", "ok"\n',
        "gate/test_waivers.py",
    ),
    _of(
        "who owns a waiver approves it",
        "contracts/waivers.py",
        "        if owner is not None and _person(owner) == _person(approver):\n",
        "        if owner == approver:\n",
        "gate/test_waivers.py",
    ),
    _of(
        "a check that failed is let by without a waiver",
        "gate/waiving.py",
        "            elif waivers:\n",
        "            elif True:\n",
        "gate/test_waived_age.py",
    ),
    _of(
        "any check can be waived",
        "gate/waiving.py",
        '            if check.status != "fail" or check.code not in WAIVABLE_CHECKS:\n',
        '            if check.status != "fail":\n',
        "gate/test_waived_age.py",
    ),
    _of(
        "a model of waived evidence is a baseline for later ones",
        "gate/verdicts.py",
        '        healthy=may_push and mode == "enforce" and not is_evidence_waived,\n',
        '        healthy=may_push and mode == "enforce",\n',
        "gate/test_waived_age.py",
    ),
    # --- Shadow ----------------------------------------------------------------------------------
    _of(
        "a rule in shadow decides",
        "gate/verdicts.py",
        "    enforced = _strictest(ordered, integrity)\n",
        "    enforced = _strictest(all_ordered, integrity)\n",
        "gate/test_shadow.py",
    ),
    _of(
        "shadow forgives damage",
        "gate/verdicts.py",
        '    if mode == "shadow" and ordered and not failed:\n',
        '    if mode == "shadow" and ordered:\n',
        "gate/test_shadow.py",
    ),
    _of(
        "what shadow let by is healthy",
        "gate/verdicts.py",
        '        healthy=may_push and mode == "enforce" and not is_evidence_waived,\n',
        "        healthy=may_push and not is_evidence_waived,\n",
        "gate/test_shadow.py",
    ),
    # --- Evidence --------------------------------------------------------------------------------
    _of(
        "a check that failed blocks nothing",
        "gate/verdicts.py",
        '    if not levels or any(check.status == "fail" for check in integrity):\n',
        "    if not levels:\n",
        "gate/test_judge.py",
    ),
    _of(
        "the digest of a part is not looked at",
        "telemetry/reader.py",
        "    if found != file.sha256:\n",
        "    if False:\n",
        "telemetry/test_record.py",
        "faults/test_damaged_records.py::test_random_bits_of_a_part",
    ),
    _of(
        "the digest of the manifest is not looked at",
        "telemetry/reader.py",
        '    if document.get("digest") != manifest_digest(document):\n',
        "    if False:\n",
        "telemetry/test_record.py",
    ),
    _of(
        "a part that lies is read as far as it goes",
        "telemetry/reader.py",
        '        raise RecordError("T-CORRUPT", f"{part.path}: {error}.") from error\n',
        "        return\n",
        "faults/test_bombs.py::test_a_schema_that_lies",
    ),
    _of(
        "gaps are not seen",
        "gate/integrity/coverage.py",
        "    if gap > wanted.max_gap_steps:\n",
        "    if False:\n",
        "gate/test_coverage_checks.py",
    ),
    _of(
        "one step missing is none",
        "gate/integrity/coverage.py",
        "    if gap > wanted.max_gap_steps:\n",
        "    if gap > wanted.max_gap_steps + 1:\n",
        "gate/test_coverage_checks.py",
    ),
    _of(
        "a training without a step has learned",
        "gate/integrity/coverage.py",
        '        _check("T-ZERO-STEPS", _nothing_learned(manifest, count)),\n',
        "",
        "gate/test_coverage_checks.py",
    ),
    _of(
        "by a clock that was set back every training is young",
        "gate/integrity/clock.py",
        '    if wrong:\n        message = f"the age',
        '    if False:\n        message = f"the age',
        "faults/test_clocks.py",
    ),
    _of(
        "a policy that is not the pinned one judges",
        "gate/integrity/pin.py",
        "    if digest == pinned:\n",
        "    if True:\n",
        "gate/test_pin.py",
    ),
    # --- The model -------------------------------------------------------------------------------
    _of(
        "a blessing without a look at the digest",
        "gate/verify.py",
        "    if found.digest == verdict.subject.model_digest:\n        return\n",
        "    return\n",
        "tfx/test_verified_push.py",
    ),
    _of(
        "the source is digested, and not the copy",
        "tfx/pusher/model_copy.py",
        "        return bind_tree(staging)\n",
        "        return bind_tree(model)\n",
        "tfx/test_verified_push.py",
    ),
    _of(
        "a verdict that was edited is a verdict",
        "gate/read_verdict.py",
        "    if verdict.verdict_id != verdict.computed_id():\n",
        "    if False:\n",
        "tfx/test_verified_push.py",
    ),
    _of(
        "a blessing is obeyed, whatever the verdict says",
        "tfx/pusher/checks.py",
        "    require_yes(verdict)\n",
        "",
        "tfx/test_verified_push.py",
    ),
    _of(
        "no signature is asked for",
        "tfx/pusher/checks.py",
        "    if not public_keys:\n        return\n",
        "    return\n",
        "tfx/test_signed_verdicts.py",
    ),
    _of(
        "any signature is as good as a trusted one",
        "signing/envelope.py",
        "    if signed.payload != canonical_json(statement_of(verdict)):\n",
        "    if False:\n",
        "signing/test_envelope.py",
    ),
    _of(
        "the record of another model speaks for this one",
        "gate/integrity/model.py",
        "    same_bytes = manifest.model.digest == model.tree.digest\n",
        "    same_bytes = True\n",
        "faults/test_models.py",
    ),
    _of(
        "the record of another training speaks for this one",
        "gate/integrity/model.py",
        "    same_run = manifest.training_uid == model.training_uid\n",
        "    same_run = True\n",
        "faults/test_damaged_records.py",
    ),
    _of(
        "other weights than the trained ones are pushed",
        "gate/integrity/trained_weights.py",
        "    missing = [path for path, content in ended if content not in have]\n",
        "    missing = []\n",
        "gate/test_judge.py",
    ),
    _of(
        "a folder that cannot be read is one without files",
        "contracts/tree.py",
        "followlinks=False, onerror=_raise):\n",
        "followlinks=False):\n",
        "faults/test_unreadable.py",
    ),
    _of(
        "another judge's no is not heard",
        "gate/verdicts.py",
        "        blessed=may_push and not refusals and may_bless",
        "        blessed=may_push and may_bless",
        "gate/test_judge.py",
    ),
    _of(
        "the gate is answered from the cache",
        "tfx/gate/component.py",
        "            run_nonce=run_nonce or RuntimeParameter("
        "name=PIPELINE_RUN_ID_PARAMETER_NAME, ptype=str),\n",
        '            run_nonce=run_nonce or "always the same",\n',
        "tfx/test_components.py::TestGradientGate",
        needs_tfx=True,
    ),
    # --- Writing ---------------------------------------------------------------------------------
    _of(
        "files are written in place",
        "telemetry/durable.py",
        '    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{TEMPORARY}")\n',
        "    temporary = path\n",
        "faults/test_kills.py::test_a_killed_gate_leaves_a_whole_verdict_or_none",
    ),
    _of(
        "two writers share a temporary name",
        "telemetry/durable.py",
        '    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{TEMPORARY}")\n',
        "    temporary = path.with_name(path.name + TEMPORARY)\n",
        "faults/test_kills.py::test_two_gates_and_a_pusher_at_once_fifty_times",
    ),
    _of(
        "rows that could not be written are forgotten",
        "telemetry/writer.py",
        "        self._parts.add(batch)\n        self._pending, self._pending_layout,",
        "        self._pending = []\n        self._parts.add(batch)\n"
        "        self._pending, self._pending_layout,",
        "faults/test_full_disk.py",
    ),
    _of(
        "the manifest comes before the summary",
        "telemetry/writer.py",
        "        self._write(MANIFEST, manifest)\n",
        "        (self.directory / SUMMARY).unlink(missing_ok=True)\n"
        "        self._write(MANIFEST, manifest)\n"
        "        if summary is not None and self._builder is not None:\n"
        "            self._write(SUMMARY, self._builder.build(loss_measured=True))\n",
        "faults/test_kills.py::"
        "test_a_training_killed_between_export_and_manifest_is_blocked_and_goes_on",
    ),
)
