"""A recurring run as it should be, and the steps from what the server has to that.

Kubeflow cannot change a recurring run, only start, stop and delete it. So one that should be
otherwise is made anew: the new one is enabled before the old one is stopped, and for a moment both
are, which the gate bears (a run too many judges the same model again), while a pause would not be
seen. Each step starts from what the server says that it has, never from what was done before. So
whoever was cut off, or got no answer, runs again, and the end is the same.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from gradgate.kubeflow.compiled import Compiled

_MARK = "gradgate"
_FIELDS = 6
_ROUNDS = 5  # of looking again; each ends what the one before began


class RecurringError(Exception):
    """What cannot be done, in words."""


class ServerError(RecurringError):
    """The server failed, or nobody knows whether it did what it was asked. Ask again."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
    """When runs start: by a cron expression, or every so many seconds.

    Attributes:
        cron: Six fields, seconds first, as Kubeflow has it.
        every_seconds: Between two starts.
    """

    cron: str | None = None
    every_seconds: int | None = None

    def __post_init__(self) -> None:
        if (self.cron is None) is (self.every_seconds is None):
            raise RecurringError("a schedule is either cron or seconds between runs: give one.")
        if self.every_seconds is not None and self.every_seconds < 1:
            raise RecurringError(f"runs start every 1 second or more, got {self.every_seconds}.")
        if self.cron is not None and not self.cron.startswith("@"):
            fields = len(re.split(r"\s+", self.cron.strip()))
            if fields != _FIELDS:
                raise RecurringError(
                    f"cron {self.cron!r} has {fields} fields. Kubeflow's has six, the first of them"
                    " seconds: '0 0 4 * * *' is four o'clock each morning, UTC."
                )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """The one recurring run of a name in an experiment.

    Attributes:
        parameters: Of each run.
        service_account, pipeline_root: None leaves them to the server.
        enabled: False makes it, and lets it rest.
    """

    name: str
    experiment: str
    package: Compiled
    schedule: Schedule
    parameters: Mapping[str, Any]
    service_account: str | None = None
    pipeline_root: str | None = None
    enabled: bool = True

    @property
    def version(self) -> str:
        """Name of the pipeline's version: its content, so the same package is uploaded once."""
        return f"sha256-{self.package.sha256[:16]}"

    @property
    def mark(self) -> str:
        """What the description holds: equal for equal wishes, enabled or not."""
        said = {
            "package": self.package.sha256,
            "schedule": dataclasses.asdict(self.schedule),
            "parameters": dict(self.parameters),
            "service_account": self.service_account,
            "pipeline_root": self.pipeline_root,
            "max_concurrency": 1,
            "no_catchup": True,
        }
        text = json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return f"{_MARK}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Existing:
    """A recurring run that the server has.

    Attributes:
        created: In the order of making; of equal ones the id decides.
        description: Starts with our mark if `apply` made it.
        is_like: Whether the server says of it what it would of the one that is wanted.
    """

    id: str
    created: str
    enabled: bool
    description: str
    is_like: bool

    @property
    def is_ours(self) -> bool:
        """Whether `apply` made it."""
        return self.description.startswith(f"{_MARK}:")


class Server(Protocol):
    """What is asked of Kubeflow Pipelines. Each may raise `ServerError`."""

    def recurring_runs(self, wanted: Wanted) -> list[Existing]:
        """Those of that name in that experiment; none where there is no such experiment."""

    def create(self, wanted: Wanted) -> None:
        """Makes the experiment and uploads the package where they are missing; then the run."""

    def enable(self, run: Existing) -> None:
        """Lets it start runs."""

    def disable(self, run: Existing) -> None:
        """Lets it start no more runs; those that are running go on."""

    def delete(self, run: Existing) -> None:
        """Forgets it. Runs that it started stay."""


Action = Literal["create", "enable", "disable", "delete"]
Say = Callable[[Action, str], None]


def apply(
    server: Server, wanted: Wanted, *, say: Say, dry_run: bool = False, adopt: bool = False
) -> bool:
    """Makes the recurring run what it should be; returns whether there was anything to do.

    Args:
        server: Where it is.
        wanted: What it should be.
        say: Is told each step before it is taken: what, and of which recurring run.
        dry_run: Take no step, only say them.
        adopt: Delete even those of the name that somebody made otherwise.

    Raises:
        RecurringError: If there are such, and `adopt` is not said; nothing was done.
        ServerError: If a step failed. What was done stays done; call again.
    """
    changed = False
    for _ in range(_ROUNDS):
        runs = sorted(server.recurring_runs(wanted), key=lambda run: (run.created, run.id))
        _require_ours(runs, wanted, adopt=adopt)
        kept = next((run for run in runs if run.is_like and run.description == wanted.mark), None)
        if kept is None:
            changed = True
            say("create", wanted.name)
            if not dry_run:
                # Look again: somebody else may have made one at the same time.
                server.create(wanted)
                continue
        elif kept.enabled is not wanted.enabled:
            changed = True
            say("enable" if wanted.enabled else "disable", kept.id)
            if not dry_run:
                (server.enable if wanted.enabled else server.disable)(kept)
        others = [run for run in runs if run is not kept]
        _remove(server, others, say=say, dry_run=dry_run)
        return changed or bool(others)
    raise ServerError(
        f"{wanted.name!r} was created {_ROUNDS} times, and the server does not list it as it was"
        " asked for. Look at the recurring runs of the experiment before you try again."
    )


def remove(
    server: Server, wanted: Wanted, *, say: Say, dry_run: bool = False, adopt: bool = False
) -> bool:
    """Deletes all recurring runs of the name in the experiment; returns whether there were any.

    Raises:
        As `apply`.
    """
    runs = server.recurring_runs(wanted)
    _require_ours(runs, wanted, adopt=adopt)
    _remove(server, runs, say=say, dry_run=dry_run)
    return bool(runs)


def persist(work: Callable[[], bool], *, tries: int, wait: Callable[[int], None]) -> bool:
    """Returns what the work returns, which is done again where the server failed.

    Args:
        work: What `apply` or `remove` does.
        tries: In all.
        wait: Is called before each further one, with its number: 1, 2, ...

    Raises:
        ServerError: That of the last try.
    """
    changed = False
    for number in range(1, tries):
        try:
            return work() or changed
        except ServerError:
            changed = True  # perhaps: what was done before the failure stays done
            wait(number)
    return work() or changed


def _require_ours(runs: list[Existing], wanted: Wanted, *, adopt: bool) -> None:
    others = [run.id for run in runs if not run.is_ours]
    if others and not adopt:
        raise RecurringError(
            f"{wanted.experiment!r} has a recurring run {wanted.name!r} that was not made by this"
            f" script: {', '.join(others)}. Choose another name, or give --adopt to have it deleted"
            " once the new one runs."
        )


def _remove(server: Server, runs: list[Existing], *, say: Say, dry_run: bool) -> None:
    for run in runs:
        # Stopped first: whoever is cut off between the two leaves none that starts runs.
        if run.enabled:
            say("disable", run.id)
            if not dry_run:
                server.disable(run)
        say("delete", run.id)
        if not dry_run:
            server.delete(run)
