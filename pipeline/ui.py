"""`make ui`: MLflow's pages on the workspace's store, on this machine only."""

import os
import subprocess
import sys
from pathlib import Path

from gradgate.telemetry.sinks.mlflow_place import embedded_uri

_QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # half of its memory, for nothing we use
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def ui(folder: Path, port: int) -> int:
    """Serves until it is interrupted; returns the exit status.

    Args:
        folder: Of the embedded store.
        port: On the loopback interface.

    Raises:
        FileNotFoundError: If nothing was tracked there yet.
    """
    if not (folder / "mlflow.db").exists():
        raise FileNotFoundError(
            f"{folder}: nothing is tracked here yet. Run a pipeline first: make demo."
        )
    # One worker: several would answer each request 40 ms late on a kept connection.
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", embedded_uri(folder)]
    command += ["--default-artifact-root", (folder.absolute() / "artifacts").as_uri()]
    # The link opens MLflow's pages for model training; by default it shows those for agents.
    address = f"http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning"
    print(f"MLflow: {address}\nStop it with Ctrl-C.", flush=True)  # noqa: T201 - a command
    try:
        return subprocess.run(command, env=_QUIET | os.environ, check=False).returncode  # noqa: S603
    except KeyboardInterrupt:
        return 0
