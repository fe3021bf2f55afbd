"""`gradgate sync`: sends now what MLflow was not told yet, and says what is left and why."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gradgate.cli.exits import Exit, refuse
from gradgate.cli.formats import Listing
from gradgate.gate.render.clean import clean_text

_MODULE = "gradgate.telemetry.sinks.mlflow_sync"
_WORDS = {
    "begin": "the start of",
    "training": "the record of",
    "verdict": "the verdict on",
    "push": "the push of",
    "killed": "the end of",
}


def sync(
    folder: Annotated[
        Path,
        typer.Argument(
            help="A workspace, TFX's pipeline root, its `mlflow` folder, a record or a verdict."
        ),
    ] = Path("workspace"),
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to go on trying; 0 tries each message once.")
    ] = 60.0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Take up again what was set aside.")
    ] = False,
    output_format: Annotated[
        Listing, typer.Option("--format", help="What is written to standard output.")
    ] = Listing.text,
) -> None:
    """Send to MLflow, now, what is not sent yet.

    What trainings, verdicts and pushes have to tell waits in an outbox while a tracking server is
    away, and goes out with the next training. This sends it at once, and says what was sent, what
    is left and why. Exits with 0 when nothing is left, else with 12. Sent twice is sent once.

    A message that can never be sent, such as a record that was deleted, is set aside, and listed.

    [bold]Examples[/bold]

    gradgate sync

    gradgate sync workspace --timeout 600

    gradgate sync /tfx/pipelines/taxi --retry-failed --format json
    """
    outbox = _find(folder)
    if importlib.util.find_spec("mlflow") is None:
        refuse("MLflow is not installed: pip install 'gradgate[mlflow]'.", Exit.CANNOT_JUDGE)
    done: list[dict[str, Any]] = []
    end: dict[str, Any] | None = None
    for event in _run(outbox, timeout, retry_failed=retry_failed):
        if event["did"] == "end":
            end = event
        else:
            done.append(event)
            if output_format is Listing.text and event["did"] != "set aside":  # that comes below
                typer.echo(_line(event["did"], event))
    if end is None:
        refuse(f"The sender failed; why: {outbox / 'sender.log'}", Exit.CANNOT_JUDGE)
    if output_format is Listing.json:
        typer.echo(json.dumps({"done": done, **{k: v for k, v in end.items() if k != "did"}}))
    else:
        typer.echo(_summary(end, done))
    failed_now = any(event["did"] == "set aside" for event in done)
    raise typer.Exit(Exit.CANNOT_JUDGE if end["left"] or failed_now else Exit.OK)


def _find(folder: Path) -> Path:
    """The folder that holds the outbox."""
    places = [folder, folder / "mlflow"]
    tracking = folder / "tracking.json"
    if tracking.is_file():
        try:
            places.append(Path(json.loads(tracking.read_bytes())["folder"]))
        except (ValueError, KeyError, TypeError):
            refuse(f"{tracking}: does not say where the outbox is.", Exit.USAGE)
    found = next((place for place in places if (place / "outbox").is_dir()), None)
    if found is None:
        refuse(
            f"{folder}: there is no outbox here. Name the workspace, TFX's pipeline root, or the"
            " folder of gradgate.Tracking(folder=...).",
            Exit.USAGE,
        )
    return found


def _run(folder: Path, timeout: float, *, retry_failed: bool) -> Iterator[dict[str, Any]]:
    from gradgate.telemetry.sinks.mlflow import log_file, sender_environment

    command = [sys.executable, "-m", _MODULE, str(folder.absolute()), str(timeout)]
    command += ["--retry-failed"] if retry_failed else []
    with (
        log_file(folder).open("ab") as log,
        subprocess.Popen(  # noqa: S603 - our own module, and a path that is only read
            command, cwd=folder, stdout=subprocess.PIPE, stderr=log, env=sender_environment()
        ) as process,
    ):
        assert process.stdout is not None, "it is a pipe"
        for line in process.stdout:
            if line.startswith(b"{"):
                yield json.loads(line)


def _line(did: str, about: dict[str, str]) -> str:
    what = _WORDS.get(about["what"], about["what"])
    text = f"{did:<10} {what} {about['run_name']} ({about['training_uid'][:8]})"
    return clean_text(f"{text}: {about['why']}" if about["why"] else text)


def _summary(end: dict[str, Any], done: list[dict[str, Any]]) -> str:
    lines = [_line("left", about) for about in end["left"]]
    for about in end["running"]:
        where = "" if about["why"] == "alive" else " on another machine"
        lines.append(f"running    {about['run_name']} ({about['training_uid'][:8]}){where}")
    if end["set_aside"]:
        lines += [_line("set aside", about) for about in end["set_aside"]]
        lines.append("When the cause is gone: gradgate sync --retry-failed")
    sent, left = sum(event["did"] != "set aside" for event in done), len(end["left"])
    lines.append(f"{sent} sent, {left} left" if sent or left else "nothing to send")
    return "\n".join(map(clean_text, lines))
