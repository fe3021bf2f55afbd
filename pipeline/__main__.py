"""`python -m pipeline`: the ready-made pipeline, for people."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from gradgate.cli.engine import EngineName
from gradgate.cli.ui import show
from gradgate.gate.policy_error import PolicyError
from pipeline.beam import BeamError
from pipeline.case_study import case_study
from pipeline.configs import ConfigError, available
from pipeline.data import DataError
from pipeline.demo import demo, show_runs
from pipeline.load_beam import RUNNERS, load_beam, with_more
from pipeline.run import WORKSPACE
from pipeline.workspace import Workspace

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
BLOCKED, USAGE = 10, 2
_Workspace = Annotated[Path, typer.Option(help="Where everything is kept.")]


@app.callback()
def main() -> None:
    """From a table to a served model, with the gate before the push."""


@app.command("run")
def run_command(
    config: Annotated[
        str, typer.Option(help=f"{', '.join(available())}, or the path of a YAML file.")
    ] = "sound",
    workspace: _Workspace = WORKSPACE,
    fail_on_block: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--fail-on-block", help=f"Exit with {BLOCKED} if nothing was pushed.")
    ] = False,
    beam: Annotated[
        str, typer.Option(help=f"{', '.join(RUNNERS)}, or the path of a YAML file: docs/beam.md.")
    ] = "in_memory",
    beam_pipeline_args: Annotated[
        str, typer.Option(help="More arguments of every Beam pipeline, as in a shell.")
    ] = "",
    gate_engine: Annotated[
        EngineName | None, typer.Option(help="What the gate reads the record on.")
    ] = None,
) -> None:
    """Run one configuration. A blocked model is an answer: the exit status is 0."""
    try:
        engine = with_more(
            load_beam(beam),
            arguments=_words(beam_pipeline_args),
            gate_engine=gate_engine and gate_engine.value,
        )
        engine.check_root(str(Workspace(workspace.resolve()).artifacts))
        (result,) = show_runs([config], workspace, beam=engine)
    except (ConfigError, DataError, PolicyError, BeamError) as error:
        typer.echo(f"cannot run: {error}", err=True)
        raise typer.Exit(USAGE) from error
    if fail_on_block and not result.is_pushed:
        raise typer.Exit(BLOCKED)


def _words(arguments: str) -> list[str]:
    try:
        return shlex.split(arguments)
    except ValueError as error:
        raise BeamError(f"--beam-pipeline-args {arguments!r}: {error}.") from error


@app.command("demo")
def demo_command(workspace: _Workspace = WORKSPACE) -> None:
    """Run a sound and two sick trainings: the sound model is pushed, the sick ones are blocked."""
    raise typer.Exit(demo(workspace))


@app.command("case-study")
def case_study_command(
    workspace: _Workspace = WORKSPACE,
    page: Annotated[
        Path | None, typer.Option(help="Make this docs page's tables and pictures again.")
    ] = None,
) -> None:
    """Run an LSTM on reviews of films that breaks, and mend it, one change a run."""
    raise typer.Exit(case_study(workspace, page))


@app.command("ui")
def ui_command(
    workspace: _Workspace = WORKSPACE,
    port: Annotated[int, typer.Option(help="On the loopback interface.")] = 5000,
) -> None:
    """Open MLflow's pages on the workspace, or say those of the server that was told of it."""
    is_elsewhere = bool(os.environ.get("MLFLOW_TRACKING_URI"))
    folder = None if is_elsewhere else Workspace(workspace.resolve()).mlflow
    raise typer.Exit(show(folder, port))


if __name__ == "__main__":
    app()
