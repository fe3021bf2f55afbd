"""A real `mlflow server`, and a proxy before it that breaks whatever passes."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import psutil


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`mlflow server` on the loopback interface, ended and started again by its process id."""

    def __init__(self, store: str, folder: Path) -> None:
        self.port, self.log = free_port(), folder / "server.log"
        self.folder = folder
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--workers", "1", "--port", str(self.port), "--backend-store-uri", store]
        self._command = [*command, "--artifacts-destination", str(folder / "artifacts")]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        path = os.pathsep.join(filter(None, sys.path))
        self._environment = {**os.environ, **quiet, "PYTHONPATH": path}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        until = time.monotonic() + 180
        while not self._answers():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.2)

    def kill(self) -> None:
        """Ends it and its worker at once.

        When it is started again, the worker is, without the command that would import MLflow too.
        """
        if self._process is not None:
            for worker in psutil.Process(self._process.pid).children():
                self._command, self._environment = worker.cmdline(), worker.environ()
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as reply:
                return reply.status == 200
        except OSError:
            return False


class Postgres:
    """A PostgreSQL cluster of its own, on the loopback interface."""

    def __init__(self, folder: Path, programs: Path, name: str = "mlflow") -> None:
        self.name = name
        self.port, self._programs = free_port(), programs
        self._data = folder / "data"
        # PostgreSQL does not run as root, and its user must get to the folder.
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", self._data, "-U", name, "-A", "trust", "--no-sync")
        self.start()
        self._run("createdb", *self._where(), name)

    @property
    def address(self) -> str:
        return f"postgresql+psycopg2://{self.name}@127.0.0.1:{self.port}/{self.name}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= "
        options += "-c fsync=off"
        log = self._data.parent / "log"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """At once, as by a crash."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def ask(self, query: str) -> list[list[str]]:
        answer = self._run("psql", *self._where(), "-tA", "-F", "\t", "-c", query, self.name)
        return [line.split("\t") for line in answer.splitlines()]

    def run_file(self, script: Path) -> None:
        """Runs a script of SQL in one transaction."""
        options = ["--single-transaction", "--set", "ON_ERROR_STOP=1", "--quiet"]
        self._run("psql", *self._where(), *options, "-c", script.read_text(), self.name)

    def _where(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", self.name]

    def _run(self, program: str, *arguments: object) -> str:
        done = subprocess.run(
            [*self._as, self._programs / program, *map(str, arguments)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "psql" else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        return done.stdout or ""


def postgres_programs() -> Path | None:
    """Where Debian puts them, or wherever they are; None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    anywhere = shutil.which("postgres")
    return found[-1].parent if found else Path(anywhere).parent if anywhere else None


class Proxy:
    """Passes HTTP requests on, or what `break_by` says. One request a connection.

    Attributes:
        seen: Request lines that arrived.
        busy: Requests that are being answered.
    """

    def __init__(self, to_port: int) -> None:
        self.port, self.seen, self.busy = free_port(), [], 0
        self._to_port, self._how, self._path = to_port, "pass", ""
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self._listen()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def break_by(self, how: str, path: str = "") -> None:
        """Breaks from now on.

        Args:
            how: "refuse", "reset", an HTTP status, "delay SECONDS", "hang", "half" of the reply,
                "lose" the reply after the server did what it was asked to.
            path: Only requests with this in their first line.
        """
        self._how, self._path = how, path
        if how == "refuse":
            self.close()

    def heal(self) -> None:
        self._how = "pass"
        if self._listener is None:
            self._listen()

    def close(self) -> None:
        if self._listener is not None:
            listener, self._listener = self._listener, None
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _listen(self) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._count(1)
        with client, contextlib.suppress(OSError):  # somebody hung up, as they do here
            self._answer(client)
        self._count(-1)

    def _count(self, more: int) -> None:
        with self._lock:
            self.busy += more

    def _answer(self, client: socket.socket) -> None:
        request = _read_request(client)
        if not request:
            return
        line = request.partition(b"\r\n")[0].decode()
        self.seen.append(line)
        how = self._how if self._path in line else "pass"
        if how == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if how.isdigit():
            body = b"<html>the proxy says no</html>"
            head = f"HTTP/1.1 {how} No\r\nRetry-After: 1\r\nContent-Length: {len(body)}\r\n"
            client.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
            return
        if how == "hang":
            while self._how == "hang":
                time.sleep(0.05)
            return
        if how.startswith("delay"):
            time.sleep(float(how.split()[1]))
        reply = self._ask_server(request)
        if how == "half":
            reply = reply[: len(reply) - max(len(reply.partition(b"\r\n\r\n")[2]) // 2, 1)]
        if how != "lose":
            client.sendall(reply)

    def _ask_server(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = [x for x in head.split(b"\r\n") if not x.lower().startswith(b"connection:")]
        with socket.create_connection(("127.0.0.1", self._to_port), timeout=60) as server:
            server.sendall(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
            return b"".join(iter(lambda: server.recv(1 << 16), b""))


def _read_request(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(1 << 16)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    sizes = [
        x.partition(b":")[2] for x in head.split(b"\r\n") if x.lower().startswith(b"content-l")
    ]
    length = int(sizes[0]) if sizes else 0
    while len(body) < length:
        body += client.recv(1 << 16)
    return head + b"\r\n\r\n" + body
