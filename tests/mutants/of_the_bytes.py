"""Faults that let other bytes be pushed than were judged, or torn ones be written."""

from one_mutant import Mutant, of

BYTES: tuple[Mutant, ...] = (
    # --- The model --------------------------------------------------------------------------------
    of(
        "a blessing without a look at the digest",
        "gate/verify.py",
        "    if found.digest == verdict.subject.model_digest:\n        return\n",
        "    return\n",
        "tfx/test_verified_push.py",
    ),
    of(
        "the source is digested, and not the copy",
        "tfx/pusher/model_copy.py",
        "        return bind_tree(staging)\n",
        "        return bind_tree(model)\n",
        "tfx/test_verified_push.py",
    ),
    of(
        "a verdict that was edited is a verdict",
        "gate/read_verdict.py",
        "    if verdict.verdict_id != verdict.computed_id():\n",
        "    if False:\n",
        "tfx/test_verified_push.py",
    ),
    of(
        "a blessing is obeyed, whatever the verdict says",
        "tfx/pusher/checks.py",
        "    require_yes(verdict)\n",
        "",
        "tfx/test_verified_push.py",
    ),
    of(
        "no signature is asked for",
        "tfx/pusher/checks.py",
        "    if not public_keys:\n        return\n",
        "    return\n",
        "tfx/test_signed_verdicts.py",
    ),
    of(
        "any signature is as good as a trusted one",
        "signing/envelope.py",
        "    if signed.payload != canonical_json(statement_of(verdict)):\n",
        "    if False:\n",
        "signing/test_envelope.py",
    ),
    of(
        "the record of another model speaks for this one",
        "gate/integrity/model.py",
        "    same_bytes = manifest.model.digest == model.tree.digest\n",
        "    same_bytes = True\n",
        "faults/test_models.py",
    ),
    of(
        "the record of another training speaks for this one",
        "gate/integrity/model.py",
        "    same_run = manifest.training_uid == model.training_uid\n",
        "    same_run = True\n",
        "faults/test_damaged_records.py",
    ),
    of(
        "other weights than the trained ones are pushed",
        "gate/integrity/trained_weights.py",
        "    missing = [path for path, content in ended if content not in have]\n",
        "    missing = []\n",
        "gate/test_judge.py",
    ),
    of(
        "a folder that cannot be read is one without files",
        "contracts/tree.py",
        "followlinks=False, onerror=_raise):\n",
        "followlinks=False):\n",
        "faults/test_unreadable.py",
    ),
    of(
        "another judge's no is not heard",
        "gate/verdicts.py",
        "        blessed=may_push and not refusals and may_bless",
        "        blessed=may_push and may_bless",
        "gate/test_judge.py",
    ),
    of(
        "the gate is answered from the cache",
        "tfx/gate/component.py",
        "            run_nonce=run_nonce or RuntimeParameter("
        "name=PIPELINE_RUN_ID_PARAMETER_NAME, ptype=str),\n",
        '            run_nonce=run_nonce or "always the same",\n',
        "tfx/test_components.py::TestGradientGate",
        needs_tfx=True,
    ),
    # --- Writing ----------------------------------------------------------------------------------
    of(
        "files are written in place",
        "telemetry/durable.py",
        '    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{TEMPORARY}")\n',
        "    temporary = path\n",
        "faults/test_kills.py::test_a_killed_gate_leaves_a_whole_verdict_or_none",
    ),
    of(
        "two writers share a temporary name",
        "telemetry/durable.py",
        '    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{TEMPORARY}")\n',
        "    temporary = path.with_name(path.name + TEMPORARY)\n",
        "faults/test_kills.py::test_two_gates_and_a_pusher_at_once_fifty_times",
    ),
    of(
        "rows that could not be written are forgotten",
        "telemetry/writer.py",
        "        self._parts.add(batch)\n        self._pending, self._pending_layout,",
        "        self._pending = []\n        self._parts.add(batch)\n"
        "        self._pending, self._pending_layout,",
        "faults/test_full_disk.py",
    ),
    of(
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
