"""The verdict: what was decided about which bytes, by which policy, on what evidence."""

from typing import Any, Final, Literal

from pydantic import ConfigDict, Field

from gradgate.contracts.base import Number, Recorded
from gradgate.contracts.canonical import canonical_json, sha256
from gradgate.contracts.cause import Cause
from gradgate.contracts.health import FileDigest, Resume
from gradgate.contracts.lint import LintFinding
from gradgate.contracts.references import Reference

SCHEMA = "gradgate.verdict/v1"
Decision = Literal["ok", "warn", "block"]
Status = Literal["pass", "fail", "unknown", "error", "waived", "disabled"]
Mode = Literal["enforce", "shadow"]
_LATER: Final[dict[str, Any]] = {
    "optimizer": None,
    "loss_scale_skips": 0,
    "further_coverage": [],
    "mode": "enforce",
    "would_decide": None,
    "shadow_findings": [],
    "waived_by": [],
    "variables_that_may_fail": 0,
    "waivers": [],
    "waivers_sha256": None,
    "at_the_latest": False,
    "bootstrap": False,
    "baselines": [],
    "references": [],
    "compare": None,
    "baseline": None,
    "compared": None,
    "design": [],
    "causes": [],
}


class Subject(Recorded):
    """What was judged. No digest: nothing was exported, and nothing can be pushed."""

    model_digest: str | None = None
    model_files: tuple[FileDigest, ...] = ()
    training_uid: str | None = None
    mlflow_run_id: str | None = None


class PolicyRef(Recorded):
    """Which policy judged: its id, revision, and the digest of its canonical form."""

    id: str
    revision: int
    sha256: str


class BaselineRef(Recorded):
    """An earlier verdict whose numbers the rules were compared with: one of the last, or pinned."""

    role: Literal["last", "anchor"]
    verdict_id: str
    model_digest: str | None = None
    training_uid: str | None = None
    as_of: str


class Inputs(Recorded):
    """What the verdict was computed from.

    `record_digest` is that of manifest.json, which holds the digest of every other file.
    `waivers_sha256` is None where nobody gave any waivers. `baselines` are the last ones, the
    newest first, then the anchor.
    """

    record_digest: str | None = None
    record_schema: str | None = None
    policy: PolicyRef | None = None
    waivers_sha256: str | None = None
    baselines: tuple[BaselineRef, ...] = ()
    gate_version: str


class CoverageSeen(Recorded):
    """How much of the training, or of one optimizer's part in it, the record shows.

    Attributes:
        optimizer: Its name; None for the first, or only one.
        loss_scale_skips: Steps that a loss-scale optimizer left out; they were not observed.
    """

    optimizer: str | None = None
    planned_steps: int | None = None
    observed_steps: int = 0
    applied_steps: int = 0
    lost_steps: int = 0
    loss_scale_skips: int = 0
    variables_measured: int = 0
    variables_trainable: int = 0
    resumes: tuple[Resume, ...] = ()


class Sample(Recorded):
    """One point of evidence."""

    step: int
    value: Number


class Offence(Recorded):
    """Where a rule was broken for good: the first step from which on it never held again.

    Attributes:
        step: None for what has no step, such as the exported weights.
        optimizer: Name of the optimizer whose step it was; None when there was but one.
        variable: Path of the variable, or of the layer; None for what concerns the run as a whole.
        value: The signal there.
        excerpt: The signal around it, at most 20 samples to each side.
        at_the_latest: Whether it may have been broken for good earlier: of medians of moving
            portions of very many samples, where the step was not looked for any further.
    """

    optimizer: str | None = None
    step: int | None = None
    epoch: int | None = None
    variable: str | None = None
    value: Number | None = None
    excerpt: tuple[Sample, ...] = ()
    at_the_latest: bool = False


class Observed(Recorded):
    """The aggregated signal of one variable (None: of the run), and on how many samples.

    Attributes:
        optimizer: Name of the optimizer that trained it; None when there was but one.
        variable: Path of the variable, or of the layer; None for what concerns the run as a whole.
        baseline: What it was compared with; None in a rule without `compare`.
        compared: The ratio or difference, which is what the rule expects something of.
    """

    optimizer: str | None = None
    variable: str | None = None
    value: Number | None = None
    samples: int = 0
    baseline: Number | None = None
    compared: Number | None = None


class Finding(Recorded):
    """One rule's outcome.

    Attributes:
        level: What it does to the decision; in shadow, what it would do.
        evidence: `reported` by the training code, or `recomputed` by the gate from the model.
        observed: The value that decided: of the worst variable (where some may fail, of the worst
            after so many), or of the run.
        worst: The worst variables first, at most five.
        compare: Of a rule on a baseline: to which, how, and the median `of` how many trainings.
        message: What was seen against what was expected, in one sentence with both numbers.
        variables_that_may_fail: How many variables or layers need not satisfy the rule.
        prescription: The likeliest cause and its cure, in a paragraph; empty when the rule passed.
        waived_by: Ids of the waivers that let it go by.
    """

    id: str
    description: str = ""
    signal: str
    unit: str = ""
    status: Status
    level: Decision
    severity: Literal["block", "warn"]
    evidence: Literal["reported", "recomputed"]
    observed: Observed = Observed.model_construct()
    expect: dict[str, Any] = Field(default_factory=dict)
    aggregate: dict[str, Any] = Field(default_factory=dict)
    compare: dict[str, Any] | None = None
    first_offence: Offence | None = None
    worst: tuple[Observed, ...] = ()
    variables_failed: int = 0
    variables_judged: int = 0
    variables_that_may_fail: int = 0
    message: str
    prescription: str = ""
    waived_by: tuple[str, ...] = ()


class IntegrityCheck(Recorded):
    """One check that the evidence is whole and belongs to the model. Failing blocks, always.

    A warning is about what spoils no rule, such as a clock, or a review that is due.
    """

    code: str
    status: Literal["pass", "warn", "fail"]
    message: str = ""


class WaiverSeen(Recorded):
    """One waiver that was given, and what became of it.

    Attributes:
        status: `used` if a rule would have failed without it. `expired` also if the clock cannot
            be trusted.
        expires: RFC 3339.
        message: Why it was not used, where that is not plain.
    """

    id: str
    rule: str
    status: Literal["used", "unused", "expired"]
    owner: str
    approved_by: str
    reason: str
    expires: str
    message: str = ""


class OtherBlessing(Recorded):
    """The blessing of another judge (Evaluator, InfraValidator), and whether of this model."""

    source: str
    blessed: bool
    same_model: bool
    message: str = ""


class Verdict(Recorded):
    """The decision and everything that led to it.

    Attributes:
        verdict_id: SHA-256 of the canonical JSON of all fields but this one and `as_of`.
        mode: Of the policy. In shadow its rules block nothing: the decision is at most warn, unless
            the evidence is not in order.
        would_decide: What would be decided with nothing in shadow, neither the policy nor any of
            its rules; None when nothing is.
        blessed: What the Pusher obeys: the decision is not block, and every other judge that is
            required blessed the same model.
        healthy: The decision alone, by a policy that was enforced; only a healthy model may serve
            as a baseline or a warm start.
        bootstrap: Whether a rule that compares with the last healthy trainings found none.
        headline: The decision and its first reason in one line.
        coverage: Of the first optimizer, or the only one.
        further_coverage: Of the other optimizers.
        findings: One a rule, worst first: what blocks, then what warns, then what passed. Of
            several optimizers, of the one that came off worst.
        waivers: All that were given, by id: used, unused and expired.
        shadow_findings: Of the rules that are in shadow, apart: they never decide.
        causes: What most likely made the rules fail, the one to begin with first. They explain,
            and decide nothing.
        design: Errors and warnings of the lint of the model, as the training noted them. They
            decide nothing.
        references: What the rules on baselines measured. If the model is healthy, later trainings
            are compared with it.
    """

    schema_id: str = Field(default=SCHEMA, alias="schema")
    verdict_id: str = ""
    decision: Decision
    mode: Mode = "enforce"
    would_decide: Decision | None = None
    blessed: bool
    healthy: bool
    bootstrap: bool = False
    headline: str
    subject: Subject
    inputs: Inputs
    as_of: str
    coverage: CoverageSeen = CoverageSeen.model_construct()
    further_coverage: tuple[CoverageSeen, ...] = ()
    findings: tuple[Finding, ...] = ()
    shadow_findings: tuple[Finding, ...] = ()
    causes: tuple[Cause, ...] = ()
    design: tuple[LintFinding, ...] = ()
    integrity: tuple[IntegrityCheck, ...] = ()
    waivers: tuple[WaiverSeen, ...] = ()
    others: tuple[OtherBlessing, ...] = ()
    references: tuple[Reference, ...] = ()

    model_config = ConfigDict(populate_by_name=True)

    def document(self) -> dict[str, Any]:
        """The verdict as plain JSON values.

        Fields that came after the first verdicts are left out where they say nothing, so that a
        verdict from before them keeps its id.
        """
        document = self.model_dump(mode="json", by_alias=True)
        parts = [document, document["inputs"], document["coverage"], *document["further_coverage"]]
        parts += document["causes"]
        for finding in (*document["findings"], *document["shadow_findings"]):
            parts += [
                finding,
                finding["observed"],
                finding["first_offence"] or {},
                *finding["worst"],
            ]
        for part in parts:
            for name, nothing in _LATER.items():
                if name in part and part[name] == nothing:
                    del part[name]
        return document

    def computed_id(self) -> str:
        """The id that this content has; differs from `verdict_id` if somebody edited it."""
        content = self.document()
        del content["verdict_id"], content["as_of"]
        return sha256(canonical_json(content))

    def sealed(self) -> "Verdict":
        """The same verdict with its id filled in."""
        return self.model_copy(update={"verdict_id": self.computed_id()})
