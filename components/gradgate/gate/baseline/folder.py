"""The folder of a pipeline's healthy verdicts: one file each, found by name, read only as needed.

A name holds the time of the judgement, which training it was of, and the verdict's id, so the last
few are found by listing the folder. A file appears whole or not at all, under a name that no other
verdict has: two gates need no lock. What a name says is compared with what the file says.
"""

import dataclasses
import hashlib
import os
import re
import secrets
from collections.abc import Sequence
from datetime import timezone
from pathlib import Path
from typing import Final

from gradgate.contracts import Policy, Verdict, canonical_json
from gradgate.contracts.baseline import Baseline
from gradgate.contracts.times import instant
from gradgate.gate.baseline.baselines import Baselines
from gradgate.gate.read_verdict import VerdictError, read_verdict

_NAME: Final = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-([0-9a-f]{12})-([0-9a-f]{16})\.json")
_ID: Final = "sha256:"


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Entry:
    """One file of the folder, by what its name says.

    Attributes:
        at: When it was judged, in UTC, as text that sorts by time.
        training: Names the training.
        verdict: The first 16 digits of the verdict's id.
    """

    at: str
    training: str
    verdict: str

    @property
    def name(self) -> str:
        """Of the file."""
        return f"{self.at}-{self.training}-{self.verdict}.json"

    @classmethod
    def of(cls, verdict: Verdict) -> "Entry":
        """Where a verdict belongs."""
        uid = verdict.subject.training_uid or ""
        return cls(
            at=_at(verdict.as_of),
            training=_training(uid),
            verdict=verdict.verdict_id.removeprefix(_ID)[:16],
        )


def why_no_baseline(verdict: Verdict) -> str:
    """Why a verdict can be no baseline; empty if it can."""
    if not verdict.healthy or verdict.decision == "block" or verdict.mode != "enforce":
        return "its model is not healthy"
    if not any(reference.measurements for reference in verdict.references):
        return "its policy has no rule with compare, so it measured nothing to compare with"
    return ""


def keep_baseline(folder: Path, verdict: Verdict) -> Path:
    """Puts a verdict into the folder, which is made if need be; returns its file.

    Raises:
        ValueError: If it can be no baseline.
        OSError: If it cannot be written.
    """
    reason = why_no_baseline(verdict)
    if reason:
        raise ValueError(f"verdict {verdict.verdict_id} can be no baseline: {reason}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / Entry.of(verdict).name
    partial = folder / f"{path.name}.{secrets.token_hex(8)}.partial"
    try:
        with partial.open("xb") as file:
            file.write(canonical_json(verdict.document()))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path


def list_baselines(folder: Path) -> tuple[list[Entry], list[str]]:
    """Returns what the names in a folder say, the oldest first, and the JSON files of other names.

    Raises:
        OSError: If the folder cannot be listed.
    """
    names = sorted(path.name for path in folder.iterdir())
    matches = [match for name in names if (match := _NAME.fullmatch(name))]
    entries = [Entry(at=m[1], training=m[2], verdict=m[3]) for m in matches]
    known = {entry.name for entry in entries}
    return entries, [name for name in names if name.endswith(".json") and name not in known]


def last_of(
    entries: Sequence[Entry], policy: Baseline, *, training_uid: str | None, as_of: str
) -> list[Entry]:
    """Returns the last trainings before a judgement, the newest first; never the one judged.

    A training that was judged several times counts once: its place is that of its first judgement,
    so that judging it anew does not make it recent, and its numbers are those of the last.

    Args:
        entries: Of the pipeline.
        policy: Says how many, and since when.
        training_uid: Of the training that is judged.
        as_of: RFC 3339 time of the judgement.
    """
    own = None if training_uid is None else _training(training_uid)
    since = "" if policy.since is None else _at(policy.since)
    until = _at(as_of)
    trainings: dict[str, list[Entry]] = {}
    for entry in sorted(entries):
        if since <= entry.at < until and entry.training != own:
            trainings.setdefault(entry.training, []).append(entry)
    in_order = sorted(trainings.values(), key=lambda judged: judged[0], reverse=True)
    return [judged[-1] for judged in in_order[: policy.last]]


def last_among(
    verdicts: Sequence[Verdict], policy: Baseline, *, training_uid: str | None, as_of: str
) -> tuple[Verdict, ...]:
    """Returns what `last_of` does, of verdicts that lie in no folder; none if a time is no time."""
    try:
        entries = {Entry.of(verdict): verdict for verdict in verdicts}
        chosen = last_of(list(entries), policy, training_uid=training_uid, as_of=as_of)
    except ValueError:
        return ()
    return tuple(entries[entry] for entry in chosen)


def read_baselines(
    folder: Path | None,
    policy: Policy,
    *,
    training_uid: str | None,
    as_of: str,
    only: Sequence[str] | None = None,
) -> Baselines:
    """Returns the baselines of a judgement; reads nothing if no rule of the policy compares.

    Args:
        folder: Of the pipeline; None for none. One that is not there yet is empty.
        policy: Says how many, since when, and which anchor.
        training_uid: Of the training that is judged.
        as_of: RFC 3339 time of the judgement: only verdicts from before it.
        only: Ids of verdicts, or their beginnings, to compare with instead of the last ones.
    """
    if not policy.compares or folder is None:
        return Baselines()
    try:
        entries, strangers = list_baselines(folder)
        chosen = last_of(entries, policy.baseline, training_uid=training_uid, as_of=as_of)
    except FileNotFoundError:
        return Baselines()
    except OSError as error:
        return Baselines(problems=(f"the baselines {folder} cannot be listed: {error.strerror}",))
    except ValueError as error:
        return Baselines(problems=(f"the time of the judgement {error}",))
    problems = [
        f"{folder / name} is not named as a baseline; put it there by gradgate baseline add"
        for name in strangers
    ]
    if only is not None:
        chosen = [entry for wanted in only for entry in _named(wanted, entries, problems)]
    last = [_read(folder, entry, problems) for entry in chosen]
    pinned = policy.baseline.anchor
    anchors = [entry for entry in entries if pinned and _fits(pinned, entry)]
    found = [_read(folder, entry, problems) for entry in anchors[-1:]]
    return Baselines(
        last=tuple(verdict for verdict in last if verdict),
        anchor=next((v for v in found if v and v.verdict_id == pinned), None),
        problems=tuple(problems),
    )


def _named(wanted: str, entries: Sequence[Entry], problems: list[str]) -> list[Entry]:
    found = {entry.verdict: entry for entry in entries if _fits(wanted, entry)}
    if len(found) != 1:
        how = "several baselines" if found else "no baseline"
        problems.append(f"{how} of the folder has an id that begins with {wanted}")
        return []
    return list(found.values())


def _fits(wanted: str, entry: Entry) -> bool:
    digits = wanted.removeprefix(_ID)[:16]
    return len(digits) >= 8 and entry.verdict.startswith(digits)


def _read(folder: Path, entry: Entry, problems: list[str]) -> Verdict | None:
    """The verdict of an entry; None, and one problem more, if it is not what its name says."""
    try:
        verdict = read_verdict(folder / entry.name)
        if Entry.of(verdict) == entry:
            return verdict
        problems.append(f"{folder / entry.name}: the file holds another verdict than its name says")
    except (VerdictError, ValueError) as error:
        problems.append(f"{error} Restore the file, or remove it.")
    return None


def _at(time: str) -> str:
    return instant(time).astimezone(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")


def _training(uid: str) -> str:
    return hashlib.sha256(uid.encode("utf-8")).hexdigest()[:12]
