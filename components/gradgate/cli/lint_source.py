"""The model that `gradgate lint` looks at: from a file, from code, or from a record."""

import contextlib
import dataclasses
import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from gradgate.cli.exits import Exit, refuse
from gradgate.contracts import ModelCard


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A described model.

    Attributes:
        comments: Source of the function that makes it; empty if there is none.
        file, line: What people would change, as far as that is known.
        notes: What is to be said besides.
    """

    card: ModelCard
    comments: str = ""
    file: str | None = None
    line: int | None = None
    notes: tuple[str, ...] = ()


def source_of(
    named: str,
    *,
    batch_size: int | None,
    data: str | None,
    imports: Sequence[str],
    runs_code: bool,
) -> Source:
    """Returns the model that was named, described; ends the command if it cannot be read.

    Raises:
        typer.Exit: With status 12 if there is no such model, 2 if it is named wrongly, or Keras is
            missing; what is wrong was said.
    """
    place = Path(named)
    if (place / "model.json").is_file():
        return Source(card=_recorded(place / "model.json", batch_size), file=str(place))
    is_file = place.exists() or place.suffix in (".keras", ".h5")
    if not is_file and ":" not in named:
        _refuse(
            f"name a .keras file, module:function, or a health record; got {named!r}", Exit.USAGE
        )
    keras = _keras()
    for module in imports:
        _imported(module)
    if is_file:
        opener = importlib.import_module("gradgate.training.open_model")
        try:
            model, uncompiled = opener.open_model(place, runs_code=runs_code)
        except opener.ModelError as error:
            _refuse(str(error), Exit.CANNOT_JUDGE)
        return Source(
            card=_described(model, batch_size, data),
            file=named,
            notes=() if uncompiled is None else (uncompiled,),
        )
    made, function = _made(named)
    if not isinstance(made, keras.Model):
        _refuse(f"{named}: expected a Keras 3 model, got {type(made).__name__}", Exit.CANNOT_JUDGE)
    text, file, line = _text_of(function)
    return Source(card=_described(made, batch_size, data), comments=text, file=file, line=line)


def _described(model: Any, batch_size: int | None, data: str | None) -> ModelCard:
    described: ModelCard = importlib.import_module("gradgate.training.card").describe_design(
        model, batch_size=batch_size
    )
    if data is None:
        return described
    reader = importlib.import_module("gradgate.training.read_examples")
    try:
        given = _made(data)[0] if not Path(data).exists() and ":" in data else data
        inputs = reader.read_examples(given, described.layers, source=data)
    except reader.ExamplesError as error:
        _refuse(f"--data {error}", Exit.CANNOT_JUDGE)
    return described.model_copy(update={"inputs": inputs})


def _recorded(path: Path, batch_size: int | None) -> ModelCard:
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        _refuse(f"{path} is damaged: {str(error).splitlines()[0]}", Exit.CANNOT_JUDGE)
    return card if batch_size is None else card.model_copy(update={"batch_size": batch_size})


def _keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what TensorFlow's packages have to say of themselves
            importlib.import_module("gradgate.training.card")
            return importlib.import_module("keras")
    except ImportError as error:
        _refuse(f"Keras cannot be imported ({error}); install gradgate[train]", Exit.USAGE)


def _made(named: str) -> tuple[Any, Any]:
    """Returns what `module:function` gives, and the function."""
    module, _, name = named.partition(":")
    if not module or not name:
        _refuse(f"name a module and a function, such as model:build; got {named!r}", Exit.USAGE)
    found = getattr(_imported(module), name, None)
    if found is None:
        _refuse(f"{named}: the module {module} has no {name}", Exit.USAGE)
    if not (inspect.isfunction(found) or inspect.ismethod(found)):
        return found, None
    try:
        return found(), found
    except Exception as error:  # noqa: BLE001 - it is their code, and may do anything
        _refuse(f"{named}: {type(error).__name__}: {error}", Exit.CANNOT_JUDGE)


def _imported(module: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - it is their code, and may do anything
        _refuse(f"{module}: {type(error).__name__}: {error}", Exit.USAGE)
    finally:
        sys.path.remove(str(Path.cwd()))


def _text_of(function: Any) -> tuple[str, str | None, int | None]:
    try:
        lines, line = inspect.getsourcelines(function)
        file = Path(inspect.getsourcefile(function) or "")
    except (OSError, TypeError):
        return "", None, None
    with contextlib.suppress(ValueError):
        file = file.relative_to(Path.cwd())
    return "".join(lines), str(file), line


def _refuse(message: str, status: Exit) -> NoReturn:
    refuse(f"cannot lint: {message}", status)
