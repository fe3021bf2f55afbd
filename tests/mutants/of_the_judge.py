"""Faults of the judge: how it compares, asks, and lets go by."""

from one_mutant import Mutant, of

JUDGE: tuple[Mutant, ...] = (
    # --- Comparing --------------------------------------------------------------------------------
    of(
        "failure form: fails if it compares as it must not",
        "gate/compare.py",
        "    return finite & compare(values, expect.op, expect.value)\n",
        '    opposite = {"==": "<", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}[expect.op]\n'
        "    return ~compare(values, opposite, expect.value)\n",
        "gate/test_compare.py",
    ),
    of(
        "failure form of between",
        "gate/compare.py",
        "        return finite & (values >= expect.low) & (values <= expect.high)\n",
        "        return ~((values < expect.low) | (values > expect.high))\n",
        "gate/test_compare.py",
    ),
    of(
        "infinity is a number",
        "gate/compare.py",
        "    finite = np.isfinite(values)\n",
        "    finite = ~np.isnan(values)\n",
        "gate/test_compare.py",
    ),
    of(
        "< for <=",
        "gate/compare.py",
        '    "<=": np.less_equal,\n',
        '    "<=": np.less,\n',
        "gate/test_compare.py",
    ),
    of(
        "<= for <",
        "gate/compare.py",
        '    "<": np.less,\n',
        '    "<": np.less_equal,\n',
        "gate/test_compare.py",
    ),
    of(
        ">= for >",
        "gate/compare.py",
        '    ">": np.greater,\n',
        '    ">": np.greater_equal,\n',
        "gate/test_compare.py",
    ),
    # --- Asking -----------------------------------------------------------------------------------
    of(
        "unknown is a pass",
        "gate/asking.py",
        "        level = rule.on_missing or policy.severity_of(rule)\n",
        '        level = "ok"\n',
        "gate/test_rules.py",
    ),
    of(
        "a rule that broke is a pass",
        "gate/asking.py",
        '    level: Decision = "block"\n',
        '    level: Decision = "ok"\n',
        "gate/test_judge.py",
    ),
    of(
        "an exception while a rule reads its steps is swallowed",
        "gate/asking.py",
        "        try:\n            case.feed(batch)\n"
        "        except Exception as error:  # noqa: BLE001 - a broken rule blocks, the others are"
        " heard\n            case.seen.error = _described(error)\n",
        "        try:\n            case.feed(batch)\n        except Exception:\n            pass\n",
        "gate/test_judge.py",
    ),
    of(
        "a record that breaks off is read as far as it goes",
        "gate/judge.py",
        "        reading.problems.append(_unreadable(error))\n    else:\n",
        "        pass\n    else:\n",
        "gate/test_judge.py",
    ),
    of(
        "early exit: the first rule alone is heard",
        "gate/verdicts.py",
        "    ordered = [answer for answer in all_ordered if answer.finding.id not in in_shadow]\n",
        "    ordered = [a for a in all_ordered if a.finding.id not in in_shadow][:1]\n",
        "gate/test_judge.py",
    ),
    of(
        "the mildest answer decides",
        "gate/verdicts.py",
        "    return min(levels, key=_LEVELS.__getitem__)\n",
        "    return max(levels, key=_LEVELS.__getitem__)\n",
        "gate/test_judge.py",
    ),
    of(
        "no rule at all is a pass",
        "gate/verdicts.py",
        '    if not levels or any(check.status == "fail" for check in integrity):\n'
        '        return "block"\n',
        '    if any(check.status == "fail" for check in integrity):\n        return "block"\n'
        '    levels.append("ok")\n',
        "gate/test_properties.py::test_no_answer_is_no_pass",
    ),
    of(
        "too few samples are enough",
        "gate/case.py",
        "        if counts[least] < min_samples:\n",
        "        if counts[least] < 1:\n",
        "gate/test_rules.py",
    ),
    of(
        "one sample too few is enough",
        "gate/case.py",
        "        if counts[least] < min_samples:\n",
        "        if counts[least] < min_samples - 1:\n",
        "gate/test_rules.py",
    ),
    of(
        "Adam's second moment is read with the bias of its first steps",
        "training/sample.py",
        "    expected = tf.sqrt(tf.cast(moment, tf.float32) / bias)\n",
        "    expected = tf.sqrt(tf.cast(moment, tf.float32))\n",
        "training/test_adam_rms.py",
    ),
    of(
        "a single sample does not vary",
        "gate/aggregates/variation.py",
        "    return np.where(count > 1, variation, np.nan)\n",
        "    return variation\n",
        "gate/test_every_aggregate.py",
    ),
    of(
        "NaN is dropped before it is counted",
        "gate/case.py",
        "        keep = (samples.step >= self.steps.start) & (samples.step < self.steps.stop)\n",
        "        keep = (samples.step >= self.steps.start) & (samples.step < self.steps.stop)\n"
        "        keep &= np.isfinite(samples.value).all(axis=1)\n",
        "gate/test_rules.py",
    ),
    of(
        "a symptom is harmless whether or not the loss falls",
        "gate/asking.py",
        '        if self.rule.when_improving == "warn" and is_improving:\n',
        '        if self.rule.when_improving == "warn":\n',
        "gate/test_rules.py",
    ),
    of(
        "what is harmless to Adam is harmless to every optimizer",
        "gate/asking.py",
        '        return f"under {optimizer}" if optimizer in self.rule.warn_for else ""\n',
        '        return f"under {optimizer}" if self.rule.warn_for else ""\n',
        "gate/test_rules.py",
    ),
    of(
        "a fraction of at most 50 is a limit",
        "gate/reach.py",
        '        return "always" if value > high else "never" if is_never else ""\n',
        '        return "never" if is_never else ""\n',
        "gate/test_reach.py",
    ),
    of(
        "the first offence is the first bad step, healed or not",
        "gate/since.py",
        "        after_last_held = rows - is_held[::-1].argmax(axis=0)\n",
        "        after_last_held = (~is_held).argmax(axis=0)\n",
        "gate/test_first_offence.py",
    ),
    of(
        "a required signal is not missed",
        "gate/required.py",
        "        if not self._names:\n            return ()\n",
        "        return ()\n",
        "gate/test_required_signals.py",
    ),
    # --- Quantifiers ------------------------------------------------------------------------------
    of(
        "any for all",
        "gate/outcome.py",
        '        allowed = columns if quantifier == "any" else 0\n',
        '        allowed = columns if quantifier == "all" else 0\n',
        "gate/test_quantifiers.py",
    ),
    of(
        "all of them may fail",
        "gate/outcome.py",
        "    return min(allowed, columns - 1)\n",
        "    return min(allowed, columns)\n",
        "gate/test_quantifiers.py",
    ),
    of(
        "one more may fail",
        "gate/outcome.py",
        "        return int(columns.sum()) > self.may_fail or ",
        "        return int(columns.sum()) > self.may_fail + 1 or ",
        "gate/test_quantifiers.py",
    ),
    of(
        "a variable that is NaN is among those that may fail",
        "gate/outcome.py",
        " or bool((columns & ~self.finite).any())\n",
        "\n",
        "gate/test_quantifiers.py",
    ),
)
