"""`gradgate explain`: why a model was blocked, for whoever is asked at night."""

import errno
import os
import stat
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from gradgate.cli.exits import Exit
from gradgate.contracts import Verdict, parse_json
from gradgate.gate.render import explain as explain_verdict


def explain(
    verdict: Annotated[
        Path, typer.Argument(help="A verdict.json, or the directory that holds it.")
    ],
) -> None:
    """Explain a verdict: what happened, at which step, in which layer, and what to change.

    [bold]Example[/bold]

    gradgate explain workspace/pipeline/GradientGate/verdict/7
    """
    path = verdict / "verdict.json" if verdict.is_dir() else verdict
    try:
        data = _read(path)
        parse_json(data)
        document = Verdict.model_validate_json(data)
    except OSError as error:
        _refuse(f"{path}: {error.strerror}. Name a verdict.json, or the directory that holds it.")
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"])
        _refuse(f"{path}: is no verdict: {where}: {error.errors()[0]['msg']}.")
    except ValueError as error:
        _refuse(f"{path}: is no verdict: {error}")
    else:
        if document.computed_id() != document.verdict_id:
            _refuse(f"{path}: does not have the id that it says: it was damaged or edited.")
        typer.echo(explain_verdict(document))


def _read(path: Path) -> bytes:
    """The bytes of a plain file; a pipe or a device is refused at once, it may never end."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is not a plain file")
        return file.read()


def _refuse(message: str) -> None:
    typer.echo(f"cannot explain: {message}", err=True)
    raise typer.Exit(Exit.CANNOT_JUDGE)
