"""What is signed: an in-toto Statement that these bytes were tested, and what came out.

Formats: in-toto Attestation Framework, Statement v1, and its `test-result` predicate v0.1
(https://github.com/in-toto/attestation). Other tools read them without knowing us.
"""

from typing import Any, Final

from gradgate.contracts import Verdict, canonical_json, sha256

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://in-toto.io/attestation/test-result/v0.1"
_RESULTS: Final = {"ok": "PASSED", "warn": "WARNED", "block": "FAILED"}
_TREE = "model"


def statement_of(verdict: Verdict) -> dict[str, Any]:
    """Returns the Statement on a verdict, as plain JSON values.

    Its first subject is the tree of the model, the others are the files in it. A verdict without a
    model has no subject that could be pushed: then the verdict itself is the subject.
    """
    document = canonical_json(verdict.document())
    itself = _described("verdict.json", sha256(document))
    subject = verdict.subject
    subjects = [itself]
    if subject.model_digest is not None:
        files = [_described(file.path, file.sha256) for file in subject.model_files]
        subjects = [_described(_TREE, subject.model_digest), *files]
    tested: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for finding in verdict.findings:
        level = {"ok": "passedTests", "warn": "warnedTests", "block": "failedTests"}[finding.level]
        tested[level].append(finding.id)
    tested["failedTests"] += [each.code for each in verdict.integrity if each.status == "fail"]
    return {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": _RESULTS[verdict.decision],
            "configuration": [itself, *_inputs(verdict)],
            **tested,
        },
    }


def _inputs(verdict: Verdict) -> list[dict[str, Any]]:
    inputs = verdict.inputs
    found = []
    if inputs.policy is not None:
        name = f"policy {inputs.policy.id}, revision {inputs.policy.revision}"
        found.append(_described(name, inputs.policy.sha256))
    if inputs.record_digest is not None:
        found.append(_described("record", inputs.record_digest))
    return found


def _described(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
