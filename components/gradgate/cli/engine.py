"""The engine that a command judges with."""

import shlex
from enum import Enum

from gradgate.cli.exits import Exit, refuse
from gradgate.cli.quiet import quiet
from gradgate.gate.engines import Engine, in_process


class EngineName(str, Enum):
    """Where the steps of a record are read; the verdict is the same."""

    in_process = "in_process"
    beam = "beam"


def engine_of(name: EngineName, beam_pipeline_args: str) -> Engine:
    """Returns the engine of that name; ends the command where it cannot be had.

    Args:
        name: Of the engine.
        beam_pipeline_args: Arguments of the Beam pipeline, as in a shell; empty for none.

    Raises:
        typer.Exit: With status 2; what is wrong was said.
    """
    if name is EngineName.in_process:
        if beam_pipeline_args:
            refuse("--beam-pipeline-args is for --engine beam alone: add that", Exit.USAGE)
        return in_process
    try:
        with quiet():
            from gradgate.gate.engines.beam import BeamEngine
    except ImportError as error:
        refuse(
            f"--engine beam needs Apache Beam, which cannot be imported ({error}): pip install"
            " 'gradgate[tfx]', or judge without it",
            Exit.USAGE,
        )
    try:
        return BeamEngine.of(shlex.split(beam_pipeline_args))
    except ValueError as error:
        refuse(f"--beam-pipeline-args {beam_pipeline_args!r}: {error}", Exit.USAGE)
