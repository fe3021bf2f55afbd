"""Policies, records, models and baselines as the command line names them."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from gradgate.cli.exits import Exit, refuse
from gradgate.contracts import Policy, Waivers
from gradgate.gate import (
    Baselines,
    Evidence,
    PolicyError,
    RecordProblem,
    load_policy,
    load_waivers,
    read_baselines,
    read_policy,
    read_waivers,
)
from gradgate.telemetry.reader import RecordError, open_record

_SHIPPED = resources.files("gradgate.gate") / "policies" / "default.yaml"


def policy_of(path: Path | None, *, otherwise: str = "cannot use the policy") -> Policy:
    """Returns the policy of a file, or the one that gradgate ships; ends the command if it is none.

    Raises:
        typer.Exit: With status 13 if the policy is missing or wrong; what is wrong was said.
    """
    try:
        if path is None:
            return load_policy(_SHIPPED.read_bytes(), source="the default policy")
        return load_policy(read_policy(path), source=str(path))
    except (PolicyError, OSError) as error:
        refuse(f"{otherwise}: {error}", Exit.BAD_POLICY)


def policy_text(path: Path | None) -> str:
    """Returns the text of a policy that was read, or of the one that gradgate ships."""
    return (path or _SHIPPED).read_text(encoding="utf-8")


def shipped_policy() -> Path:
    """Returns where the policy that gradgate ships lies."""
    return Path(str(_SHIPPED)).resolve()  # in a checkout it is a link, which no policy may be


def waivers_of(
    path: Path | None, policy: Policy, *, otherwise: str = "cannot use the waivers"
) -> Waivers | None:
    """Returns the waivers of a file, None for none; ends the command if they are none of a policy.

    Raises:
        typer.Exit: With status 13 if they are missing or wrong; what is wrong was said.
    """
    if path is None:
        return None
    try:
        return load_waivers(read_waivers(path), policy, source=str(path))
    except PolicyError as error:
        refuse(f"{otherwise}: {error}", Exit.BAD_POLICY)


def evidence_of(record: Path) -> Evidence | RecordProblem:
    """Returns what a record holds, or why it cannot be read."""
    try:
        return Evidence.of(open_record(record))
    except RecordError as error:
        return RecordProblem(code=error.code, message=error.message)


def baselines_of(
    folder: Path | None,
    policy: Policy,
    evidence: Evidence | RecordProblem,
    as_of: str,
    *,
    only: Sequence[str] | None = None,
) -> Baselines:
    """Returns what rules that compare are compared with.

    Args:
        folder: Of the pipeline's baselines; None for none.
        policy: Says how many.
        evidence: Of the training that is judged.
        as_of: RFC 3339 time of the judgement.
        only: Ids of verdicts, instead of the last ones before the judgement.
    """
    if isinstance(evidence, RecordProblem):
        return Baselines()
    uid = evidence.manifest.training_uid
    return read_baselines(folder, policy, training_uid=uid, as_of=as_of, only=only)


def model_beside(record: Path) -> Path | None:
    """The model of the same execution, where TFX put both: `<node>/<output>/<execution>`."""
    record = record.absolute()
    beside = record.parent.parent / "model" / record.name / "Format-Serving"
    try:
        return beside if beside.is_dir() else None
    except OSError:  # the record's own error says it
        return None


def finished_at(evidence: Evidence | RecordProblem) -> str:
    """When a training ended: the time at which a judgement of today is made as of then."""
    if isinstance(evidence, RecordProblem):
        return "1970-01-01T00:00:00Z"
    return evidence.manifest.finished_at
