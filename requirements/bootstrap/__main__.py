"""Sets up everything that `make` needs, from nothing, and says so in one or two lines.

    sh requirements/bootstrap.sh            the stack this machine can run, in .venv
    sh requirements/bootstrap.sh base       the base package alone (no TensorFlow), in .venv-base
    sh requirements/bootstrap.sh kubeflow   the SDK of Kubeflow Pipelines, in .venv-kubeflow
    sh requirements/bootstrap.sh plan       say what would be used; change nothing
    sh requirements/bootstrap.sh lock       make the locks again (--upgrade: newer versions)

GRADGATE_PYTHON=/path/to/python and GRADGATE_STACK=tfx116|tfx121 override the choice.

Runs on any Python from 3.8 and imports the standard library only.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import environment
import installer
import locks
import selection
import stacks
from problem import Problem

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("stack", *stacks.LIGHT, "plan", "lock")


def main(arguments: list[str]) -> int:
    """Runs one command.

    Returns:
        The exit status: 0 done, 1 something must be done by a person, 2 wrong use, 130 interrupted.
    """
    command, options = (arguments[0], arguments[1:]) if arguments else ("stack", [])
    if command not in COMMANDS or (options and (command, options) != ("lock", ["--upgrade"])):
        print(__doc__, file=sys.stderr)
        return 2
    # A terminated set-up must end its installer too, as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(command, is_upgrade=bool(options))
    except Problem as problem:
        print(f"gradgate: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ngradgate: interrupted; run the same command again to start over.", file=sys.stderr)
        return 130
    return 0


def _run(command: str, *, is_upgrade: bool) -> None:
    if command == "lock":
        locks.make(ROOT, installer.find(ROOT), is_upgrade=is_upgrade)
        return
    wish = stacks.Wish(
        python=os.environ.get("GRADGATE_PYTHON", ""), stack=os.environ.get("GRADGATE_STACK", "")
    )
    if command == "plan":
        choice = selection.select(ROOT, wish)
        print(f"{choice.python}, {choice.stack.title}, {choice.stack.lock}")
        return
    environment.ensure(ROOT, wish, only=stacks.LIGHT.get(command))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
