"""`gradgate lint-pipeline`: whether a TFX pipeline can push what was not judged."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from gradgate.cli.exits import Exit, refuse
from gradgate.cli.formats import Listing
from gradgate.cli.quiet import quiet


def lint_pipeline(
    pipeline: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FUNCTION",
            help="Where the pipeline is made: a function without arguments that returns it, or the"
            " pipeline itself. The module is looked for here first.",
        ),
    ],
    output_format: Annotated[
        Listing, typer.Option("--format", help="What is written to standard output.")
    ] = Listing.text,
) -> None:
    """Say what in a TFX pipeline could push a model that was not judged.

    Builds the pipeline, runs nothing, and looks for: a Pusher that does not verify, a Pusher that
    does not obey the gate, a resolver that takes anybody's blessing, an Evaluator or
    InfraValidator whose blessing the gate does not hear. Exits with 0 if there is none of it and
    with 10 if there is. Needs TFX.

    [bold]Example[/bold]

    gradgate lint-pipeline my_project.pipeline:create_pipeline
    """
    module, _, name = pipeline.partition(":")
    if not module or not name:
        _refuse(f"name a module and a function, such as pipeline:create; got {pipeline!r}")
    with quiet():
        problems = _lint(_built(module, name))
    if output_format is Listing.json:
        listed = [dataclasses.asdict(problem) for problem in problems]
        typer.echo(json.dumps({"pipeline": pipeline, "problems": listed}, indent=2))
    else:
        for problem in problems:
            typer.echo(f"{problem.node}: {problem.code}: {problem.message}")
        if not problems:
            typer.echo(f"{pipeline}: ok: nothing is pushed but what the gate judged")
    raise typer.Exit(Exit.BLOCKED if problems else Exit.OK)


def _built(module: str, name: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name)
        return found() if callable(found) else found
    except Exception as error:  # noqa: BLE001 - it is their code, and may do anything
        _refuse(f"{module}:{name}: {type(error).__name__}: {error}")
    finally:
        sys.path.remove(str(Path.cwd()))


def _lint(pipeline: Any) -> list[Any]:
    try:
        from tfx.orchestration.pipeline import Pipeline
    except ImportError as error:
        _refuse(f"TFX cannot be imported ({error}); install gradgate[tfx]")
    if not isinstance(pipeline, Pipeline):
        _refuse(f"expected a TFX Pipeline, got {type(pipeline).__name__}")
    # By name, since this room is for all environments and that one needs TFX.
    problems: list[Any] = importlib.import_module("gradgate.tfx.lint_pipeline").lint_pipeline(
        pipeline
    )
    return problems


def _refuse(message: str) -> NoReturn:
    refuse(f"cannot lint: {message}", Exit.USAGE)
