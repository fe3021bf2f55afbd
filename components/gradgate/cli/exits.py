"""Exit statuses. 1 and 2 are left to Python and to usage errors: neither is a judgement."""

from enum import IntEnum
from typing import NoReturn

import typer

from gradgate.contracts import Verdict
from gradgate.gate.render.clean import clean_text


class Exit(IntEnum):
    """What a command's exit status means."""

    OK = 0
    USAGE = 2
    BLOCKED = 10
    WARNED = 11
    CANNOT_JUDGE = 12
    BAD_POLICY = 13
    NOT_VERIFIED = 14
    DRIFTED = 15


def exit_status(verdict: Verdict, *, fail_on_warn: bool = False) -> Exit:
    """Returns the status of a verdict.

    A check of integrity that failed comes before a rule that failed: what the rules say of a
    record that is not whole, or not of this model, means nothing.
    """
    failed = [check.code for check in verdict.integrity if check.status == "fail"]
    if any(code.startswith("P-") for code in failed):
        return Exit.BAD_POLICY
    if failed:
        return Exit.CANNOT_JUDGE
    if verdict.decision == "block":
        return Exit.BLOCKED
    if verdict.decision == "warn" and fail_on_warn:
        return Exit.WARNED
    return Exit.OK


def refuse(message: str, status: Exit) -> NoReturn:
    """Ends the command with what people read on standard error, whatever a file put in there."""
    typer.echo("\n".join(clean_text(line) for line in message.splitlines()), err=True)
    raise typer.Exit(status)
