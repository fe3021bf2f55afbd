"""From a command line to the recurring run: what `kubeflow/recurring.py` does."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gradgate.kubeflow.api_server import ApiServer
from gradgate.kubeflow.compiled import CompiledError, read_compiled
from gradgate.kubeflow.recurring import (
    Action,
    RecurringError,
    Schedule,
    Wanted,
    apply,
    persist,
    remove,
)

OK, FAILED, USAGE = 0, 1, 2
_TRIES = 4
_DONE = {"create": "created", "enable": "enabled", "disable": "disabled", "delete": "deleted"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Creates, updates or deletes the recurring run by the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        wanted = _wanted(options)
        token = options.token_file and options.token_file.read_text(encoding="utf-8").strip()
    except (CompiledError, RecurringError, OSError) as error:
        return _fail(error, USAGE)

    def say(action: Action, what: str) -> None:
        words = f"would have {_DONE[action]}" if options.dry_run else f"{action}"
        sys.stdout.write(f"{words}: {what}\n")

    def work() -> bool:
        server = ApiServer(options.host, namespace=options.namespace, token=token)
        do = remove if options.delete else apply
        return do(server, wanted, say=say, dry_run=options.dry_run, adopt=options.adopt)

    def wait(number: int) -> None:
        sys.stderr.write(f"gradgate: the server failed; trying again ({number} of {_TRIES - 1})\n")
        time.sleep(options.wait * 2 ** (number - 1))

    try:
        changed = persist(work, tries=_TRIES, wait=wait)
    except RecurringError as error:
        return _fail(error, FAILED)
    if not changed:
        left = "there is none" if options.delete else "it is as it should be"
        sys.stdout.write(f"nothing to do: {left}\n")
    return OK


def _wanted(options: argparse.Namespace) -> Wanted:
    package = read_compiled(options.package)
    given = {}
    for text in options.parameter:
        name, is_pair, value = text.partition("=")
        if not is_pair:
            raise RecurringError(f"--parameter {text!r}: name=value is wanted.")
        given[name] = value
    if options.delete:
        schedule, values = Schedule(every_seconds=1), {}
    else:
        schedule = Schedule(cron=options.cron, every_seconds=options.every_seconds)
        values = package.values(given)
    return Wanted(
        name=options.name or package.name,
        experiment=options.experiment or package.name,
        package=package,
        schedule=schedule,
        parameters=values,
        service_account=options.service_account,
        pipeline_root=options.pipeline_root,
        enabled=not options.disabled,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Keep one recurring run of a compiled package: created if it is missing, made"
        " anew if it is another, left alone if it is the same. Missed runs are not caught up on,"
        " and one runs at a time."
    )
    add = parser.add_argument
    add("package", type=Path, help="what kubeflow/compile.py wrote")
    add("--cron", help="six fields, seconds first: '0 0 4 * * *' is 04:00 UTC")
    add("--every-seconds", type=int, help="seconds between runs, instead of --cron")
    add("--parameter", "-p", action="append", default=[], metavar="NAME=VALUE", help="of each run")
    add("--name", help="of the recurring run; the pipeline's if left out")
    add("--experiment", help="made if it is missing; the pipeline's name if left out")
    add("--host", help="address of Kubeflow Pipelines; else as its client finds it")
    add("--namespace", help="your profile's, where the installation has several")
    add("--token-file", type=Path, help="file with a bearer token, as a mounted service account's")
    add("--service-account", help="that the runs' pods use")
    add("--pipeline-root", help="of the runs, if not the server's")
    add("--disabled", action="store_true", help="make it, and let it rest")
    add("--adopt", action="store_true", help="also replace one that was not made by this script")
    add("--delete", action="store_true", help="delete it; runs that it started stay")
    add("--dry-run", action="store_true", help="say what would be done, and do nothing")
    add("--wait", type=float, default=2.0, help=argparse.SUPPRESS)
    return parser


def _fail(error: Exception, status: int) -> int:
    sys.stderr.write(f"gradgate: {error}\n")
    return status
