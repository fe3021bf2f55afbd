"""Faults in reading a record, on whatever engine, and in how much of it there must be."""

from one_mutant import Mutant, of

EVIDENCE: tuple[Mutant, ...] = (
    # --- Evidence ---------------------------------------------------------------------------------
    of(
        "a check that failed blocks nothing",
        "gate/verdicts.py",
        '    if not levels or any(check.status == "fail" for check in integrity):\n',
        "    if not levels:\n",
        "gate/test_judge.py",
    ),
    of(
        "the digest of a part is not looked at",
        "telemetry/reader.py",
        "    if found != file.sha256:\n",
        "    if False:\n",
        "telemetry/test_record.py",
        "faults/test_damaged_records.py::test_random_bits_of_a_part",
    ),
    of(
        "the digest of the manifest is not looked at",
        "telemetry/reader.py",
        '    if document.get("digest") != manifest_digest(document):\n',
        "    if False:\n",
        "telemetry/test_record.py",
    ),
    of(
        "a part that lies is read as far as it goes",
        "telemetry/reader.py",
        '        raise RecordError("T-CORRUPT", f"{part.path}: {error}.") from error\n',
        "        return\n",
        "faults/test_bombs.py::test_a_schema_that_lies",
    ),
    of(
        "gaps are not seen",
        "gate/integrity/coverage.py",
        "    if gap > wanted.max_gap_steps:\n",
        "    if False:\n",
        "gate/test_coverage_checks.py",
    ),
    of(
        "one step missing is none",
        "gate/integrity/coverage.py",
        "    if gap > wanted.max_gap_steps:\n",
        "    if gap > wanted.max_gap_steps + 1:\n",
        "gate/test_coverage_checks.py",
    ),
    of(
        "a training without a step has learned",
        "gate/integrity/coverage.py",
        '        _check("T-ZERO-STEPS", _nothing_learned(manifest, count)),\n',
        "",
        "gate/test_coverage_checks.py",
    ),
    of(
        "by a clock that was set back every training is young",
        "gate/integrity/clock.py",
        '    if wrong:\n        message = f"the age',
        '    if False:\n        message = f"the age',
        "faults/test_clocks.py",
    ),
    of(
        "a policy that is not the pinned one judges",
        "gate/integrity/pin.py",
        "    if digest == pinned:\n",
        "    if True:\n",
        "gate/test_pin.py",
    ),
)
