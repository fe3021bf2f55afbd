"""Copies a model to where only this push writes, and names the copy by its bytes."""

import shutil
from pathlib import Path

from gradgate.contracts import TreeError, bind_tree
from gradgate.contracts.health import BoundModel
from gradgate.tfx.pusher.checks import RefusedError


def copy_model(model: Path, staging: Path) -> BoundModel:
    """Copies a model and returns the digest of the copy, file by file.

    Raises:
        RefusedError: If there is no model, or one that no digest can name.
        OSError: If the copy could not be written.
    """
    try:
        # Links stay links in the copy, where the digest then refuses them: following one here
        # would copy bytes from outside the model.
        shutil.copytree(model, staging, symlinks=True, copy_function=shutil.copyfile)
        return bind_tree(staging)
    except TreeError as error:
        raise RefusedError(f"the model cannot be named by its files: {error}") from error
    except FileNotFoundError as error:
        raise RefusedError(f"there is no model at {model}.") from error
    except NotADirectoryError as error:
        raise RefusedError(f"the model at {model} is no directory.") from error
    except shutil.Error as error:
        raise RefusedError(f"the model could not be copied whole: {_first(error)}") from error


def _first(error: shutil.Error) -> str:
    failures = error.args[0]
    if isinstance(failures, list) and failures:
        source, _, reason = failures[0]
        return f"{source}: {reason}"
    return str(error)
