"""`make demo`: one sound and two sick trainings, through the whole pipeline, on real data.

Shows what the product is for: the sound model is pushed, the sick ones are blocked, and a table
says why. The exit status is 0 when it came out so.
"""

import importlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradgate.contracts import Finding
from gradgate.telemetry.sinks.mlflow_links import read_run
from gradgate.telemetry.sinks.mlflow_outbox import Outbox
from gradgate.telemetry.sinks.progress import listening
from pipeline.beam import Beam
from pipeline.chatter import chatter_to
from pipeline.configs import Config, load
from pipeline.examples import EXAMPLES
from pipeline.quiet import hush
from pipeline.run import RunResult, run
from pipeline.terminal import Screen, open_screen
from pipeline.workspace import Workspace

EXPECTED = {"sound": True, "silent-nan": False, "saturated": False}
"""What the demonstration shows, and whether its model must come out pushed."""

_MLFLOW_SECONDS = 90.0


def demo(workspace: Path) -> int:
    """Runs all of them, prints the table; returns the exit status."""
    results = show_runs(tuple(EXPECTED), workspace)
    surprises = [result for result in results if result.is_pushed != EXPECTED[result.config]]
    for result in surprises:
        wanted = "a push" if EXPECTED[result.config] else "a block"
        print(f"{result.config}: expected {wanted}, got: {result.headline}", file=sys.stderr)  # noqa: T201
    return 1 if surprises else 0


def show_runs(
    configs: Sequence[str], workspace: Path, *, beam: Beam | None = None
) -> list[RunResult]:
    """Runs configurations one after the other before a person's eyes, and returns what came of it.

    Raises:
        ConfigError, DataError, PolicyError, BeamError: If what a run needs cannot be used.
    """
    begin = time.monotonic()
    loaded = [load(config) for config in configs]
    log = workspace / "logs" / "pipeline.log"
    with _named_on_error(log), chatter_to(log) as stream, open_screen(stream) as screen:
        runs = "one training" if len(loaded) == 1 else f"{len(loaded)} trainings"
        screen.console.print(
            Text.assemble(
                ("gradgate", "bold"),
                f": {runs} on {EXAMPLES[loaded[0].example].describe(loaded[0])}.\n",
                (f"What TensorFlow, TFX and Beam say goes to {_short(log)}", "dim"),
            )
        )
        screen.title("Loading TensorFlow, TFX and Beam (half a minute, once)")
        _stage(screen, "imports", lambda: _import_everything(loaded))
        results = [_run(config, workspace, screen, beam) for config in loaded]
        screen.title("Telling MLflow")
        _stage(screen, "sending", lambda: _finish_mlflow(workspace))
        screen.close()
        _summary(screen.console, results, time.monotonic() - begin)
    return results


@contextmanager
def _named_on_error(log: Path) -> Iterator[None]:
    """Says where the libraries' own words are, when something broke."""
    try:
        yield
    except Exception:
        print(f"The run broke. What led to it is in {_short(log)}.", file=sys.stderr)  # noqa: T201
        raise


def _run(config: Config, workspace: Path, screen: Screen, beam: Beam | None) -> RunResult:
    screen.title(f"{config.name}: {config.description}")
    with listening(screen.training):
        result = run(config, workspace, screen, beam=beam)
    screen.close()
    style = "bold green" if result.is_pushed else "bold red"
    screen.console.print(Text(f"   {result.headline}", style=style))
    return result


def _import_everything(loaded: Sequence[Config]) -> None:
    hush()
    import pipeline.local_runner
    import pipeline.pipeline  # noqa: F401 - imported for its half minute

    for name in {config.example for config in loaded}:
        importlib.import_module(EXAMPLES[name].module)


def _finish_mlflow(workspace: Path) -> None:
    outbox = Outbox(Workspace(workspace.resolve()).mlflow)
    outbox.wait_until_empty(_MLFLOW_SECONDS)
    outbox.stop_sender()


def _stage(screen: Screen, name: str, work: Callable[[], None]) -> None:
    begin = time.monotonic()
    screen.stage_started(name)
    work()
    screen.stage_finished(name, "done", time.monotonic() - begin)


def _summary(console: Console, results: Sequence[RunResult], seconds: float) -> None:
    console.print()
    console.print(summary_table(results))
    shown = next((result for result in results if not result.blessed), results[-1])
    console.print(
        f"\nWhy was [bold]{shown.config}[/bold] not pushed? The report, and everything in MLflow:\n"
        f"   [bold]{_opener()} {_short(shown.report_path)}[/bold]\n"
        f"   [bold]make ui[/bold]{_link(shown)}\n",
        highlight=False,
        soft_wrap=True,
    )
    console.print(Text(f"{seconds:.0f} s in all.", style="dim"))


def _link(result: RunResult) -> str:
    """Where the run's page is; empty while nobody knows it, as when the server was away."""
    run = read_run(result.record)
    return "" if run is None else f", and this run's page: {run.link}"


def summary_table(results: Sequence[RunResult]) -> Table:
    """Returns the table at the end: run, decision, first offence, what is served."""
    table = Table(show_lines=True, header_style="bold")
    for heading in ("run", "decision", "first offence", "model"):
        table.add_column(heading, overflow="fold")
    for result in results:
        style = "bold green" if result.is_pushed else "bold red"
        decision = Text(result.decision.upper(), style=style)
        table.add_row(Text(result.config, style="bold"), decision, _offence(result), _model(result))
    return table


def _offence(result: RunResult) -> Text:
    finding = next((finding for finding in result.verdict.findings if finding.level != "ok"), None)
    if result.decision == "block" and (finding is None or finding.level != "block"):
        return Text(result.headline)  # a check of integrity failed, which is no rule
    if finding is None:
        return Text("none", style="dim")
    return Text("\n".join(filter(None, [finding.id, _where(finding), finding.message])))


def _where(finding: Finding) -> str:
    offence = finding.first_offence
    if offence is None:
        return ""
    step = "" if offence.step is None else f"step {offence.step}"
    return " in ".join(filter(None, [step, offence.variable]))


def _model(result: RunResult) -> Text:
    if result.is_pushed:
        return Text(f"pushed as version {result.pushed_version}", style="green")
    if result.served_version is None:
        return Text("not pushed; nothing is served")
    return Text(f"not pushed; version {result.served_version} is still served")


def _opener() -> str:
    """The command that opens a page here."""
    return next((name for name in ("xdg-open", "open") if shutil.which(name)), "open")


def _short(path: Path) -> str:
    """The path as one would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
