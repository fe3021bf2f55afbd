"""Opens a saved Keras model to look at it; runs none of the code that a file may bring along."""

import contextlib
import os
import warnings
import zipfile
from pathlib import Path

import keras


class ModelError(Exception):
    """A model that cannot be opened; the message says why, and what to do."""


def open_model(
    path: str | os.PathLike[str], *, runs_code: bool = False
) -> tuple[keras.Model, str | None]:
    """Returns the model of a `.keras` or `.h5` file, and why it is not compiled, if so.

    Args:
        path: Of the file.
        runs_code: Whether code inside of the file, as that of a Lambda, may run.

    Raises:
        ModelError: If it cannot be opened.
    """
    place = Path(path)
    if not place.exists():
        raise ModelError(f"{place}: there is no such file")
    if place.is_dir():
        raise ModelError(
            f"{place} is a folder: a SavedModel tells no layers. Name a .keras file, or"
            " module:function for code that makes the model"
        )
    if place.suffix == ".keras" and not zipfile.is_zipfile(place):
        raise ModelError(f"{place} is no Keras model: a .keras file is a zip archive")
    uncompiled = None
    try:
        model = _load(place, runs_code=runs_code, is_compiled=True)
    except Exception as error:  # noqa: BLE001 - Keras raises whatever comes
        if _needs_code(error):
            raise ModelError(
                f"{place} holds code of its own (a Lambda), which loading would run. If you trust"
                " it: --run-code. Or name module:function for code that makes the model"
            ) from None
        try:
            model = _load(place, runs_code=runs_code, is_compiled=False)
            uncompiled = f"what it was compiled with cannot be read: {_first_line(error)}"
        except Exception:  # noqa: BLE001
            raise ModelError(f"{place} cannot be read: {_why(error)}") from None
    if not isinstance(model, keras.Model):
        raise ModelError(f"{place} holds a {type(model).__name__}, which is no model")
    return model, uncompiled


def _load(path: Path, *, runs_code: bool, is_compiled: bool) -> keras.Model:
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # of what is restored for a training that is not to come
        return keras.saving.load_model(path, compile=is_compiled, safe_mode=not runs_code)


def _needs_code(error: Exception) -> bool:
    return "safe_mode" in str(error) or "enable_unsafe_deserialization" in str(error)


def _why(error: Exception) -> str:
    text = _first_line(error)
    if "Could not locate class" in str(error) or "custom_objects" in str(error):
        return (
            f"{text} It is made of classes of its own: name module:function for the code that makes"
            " the model, or --import the module that registers them"
        )
    return text


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
