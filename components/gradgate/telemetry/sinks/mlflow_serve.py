"""Serves MLflow's pages on a store, on this machine only, until it is interrupted.

One worker (several answer each request on a kept connection 40 ms late), no job execution (half of
the server's memory, for nothing that is used here), no telemetry.
"""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from gradgate.telemetry.sinks.mlflow_secrets import scrub

_HOST = "127.0.0.1"
_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONUNBUFFERED": "1",
}
_START_SECONDS = 180.0  # on two busy cores; 15 on idle ones
_END_SECONDS = 10.0


class ServeError(Exception):
    """The pages cannot be served; the message says why and what to do."""


def serve(
    uri: str, artifacts: Path, *, port: int, log: Path, on_ready: Callable[[str], None]
) -> int:
    """Serves until it is interrupted or the server ends; returns an exit status.

    Args:
        uri: Of the store, such as `sqlite:////path/mlflow.db`.
        artifacts: Where artifacts go that are sent through this server.
        port: On the loopback interface; 0 takes one that is free.
        log: What the server says goes there; its folder must exist.
        on_ready: Is told the address once the server answers.

    Raises:
        ServeError: If the port is taken, or the server does not come up.
    """
    port = _free(port)
    command = [sys.executable, "-m", "mlflow", "server", "--host", _HOST, "--port", str(port)]
    command += ["--workers", "1", "--artifacts-destination", artifacts.absolute().as_uri()]
    address = f"http://{_HOST}:{port}"
    before = signal.signal(signal.SIGTERM, _interrupt)
    with log.open("ab") as output:
        start = output.tell()
        server = subprocess.Popen(  # noqa: S603 - our own interpreter
            command,
            cwd=log.parent,
            # Not in the command, which everybody on the machine can read.
            env=os.environ | _ENVIRONMENT | {"MLFLOW_BACKEND_STORE_URI": uri},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own, which is ended as one
        )
    try:
        _wait_for(address, server, log, start)
        on_ready(address)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(server)
        signal.signal(signal.SIGTERM, before)


def experiments(address: str, most: int = 5) -> list[tuple[str, str]]:
    """Returns id and name of the experiments of a server, the last changed first.

    Credentials are MLflow's own environment variables. A server that does not answer, or has no
    experiment but MLflow's `Default`, gives none.
    """
    question = {"max_results": most + 1, "order_by": ["last_update_time DESC"]}
    request = urllib.request.Request(  # noqa: S310 - an address that the user named
        f"{address.rstrip('/')}/api/2.0/mlflow/experiments/search",
        data=json.dumps(question).encode(),
        headers={"Content-Type": "application/json", **_authorization()},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            found = json.load(answer).get("experiments", [])
    except (OSError, ValueError, http.client.HTTPException):
        return []
    named = [(str(one["experiment_id"]), str(one["name"])) for one in found]
    return [one for one in named if one[1] != "Default"][:most]


def _authorization() -> dict[str, str]:
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if user and password:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _free(port: int) -> int:
    """Returns the port, or one that is free; `ServeError` if somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ServeError(
                f"port {port} of {_HOST} cannot be used: {error.strerror}. Name another by --port;"
                " 0 takes one that is free."
            ) from error
        return int(probe.getsockname()[1])


def _wait_for(address: str, server: "subprocess.Popen[bytes]", log: Path, start: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if server.poll() is not None:
            raise ServeError(
                f"MLflow's server ended with status {server.returncode}: {_last_words(log, start)}"
                f" All it said is in {log}."
            )
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):  # noqa: S310 - loopback
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
    raise ServeError(f"MLflow's server did not answer in {_START_SECONDS:.0f} s; see {log}.")


def _last_words(log: Path, start: int) -> str:
    lines = log.read_bytes()[start:].decode("utf-8", errors="replace").strip().splitlines()
    return scrub(lines[-1].strip()) if lines else "it said nothing."


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end(server: "subprocess.Popen[bytes]") -> None:
    """Ends the server and its worker: they are one process group, named by the server's id."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            return
        try:
            server.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            continue
