"""Where MLflow's store is, as the command line finds it."""

import os
from pathlib import Path

STORE = "mlflow.db"
_USUAL = (Path("workspace/mlflow"), Path("mlflow"), Path())


def server_or_store() -> str:
    """The address that MLFLOW_TRACKING_URI names; empty without one."""
    return os.environ.get("MLFLOW_TRACKING_URI", "")


def find_store(folder: Path | None) -> Path | None:
    """Returns the folder that holds an embedded store; None if there is none.

    Args:
        folder: Which is searched, and `mlflow` in it; None searches the usual places.
    """
    places = _USUAL if folder is None else (folder, folder / "mlflow")
    found = next((place for place in places if (place / STORE).is_file()), None)
    return None if found is None else found.absolute()
