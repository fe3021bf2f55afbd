"""What of the code TFX's cache shall notice."""

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import gradgate


def code_version(run_fn: Any) -> str:
    """Returns what of the code TFX's cache shall notice: our version and the file of `run_fn`.

    The cache knows the dotted path of `run_fn`, not what stands there: without this an edited
    training would be answered by the model of the old one. What that file imports is not seen.
    """
    version = f"gradgate {gradgate.__version__}"
    if not isinstance(run_fn, str):
        return version
    try:
        spec = importlib.util.find_spec(run_fn.rpartition(".")[0])
    except (ImportError, ValueError):
        return version  # it is only on the machine that will train
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return version
    return f"{version}, run_fn {hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()}"
