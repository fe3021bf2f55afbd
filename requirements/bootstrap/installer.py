"""Finds uv, which installs everything else; where there is none, installs it in the project.

Nothing is written outside the project: Debian's python3 refuses packages outside of virtual
environments, and rightly.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator

from problem import Problem
from process import Log

OLDEST = (0, 5)  # what takes hashed build constraints and `uv venv --allow-existing`


def find(root: Path, log: Log | None = None) -> str:
    """Returns the path of a uv that runs, installing one in the project if there is none.

    Raises:
        Problem: If there is none and it cannot be installed.
    """
    for candidate in _candidates(root):
        if _is_usable(candidate):
            return candidate
    return _install(root, log or Log(root / ".cache" / "bootstrap.log"))


def _candidates(root: Path) -> Iterator[str]:
    on_path = shutil.which("uv")
    if on_path:
        yield on_path
    home = Path(os.path.expanduser("~"))
    yield str(_own(root))
    yield from (str(home / folder / "uv") for folder in (".local/bin", ".cargo/bin"))
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    yield from map(str, sorted(pyenv.glob("versions/3.*/bin/uv"), reverse=True))


def _own(root: Path) -> Path:
    return root / ".cache" / "uv" / "bin" / "uv"


def _is_usable(uv: str) -> bool:
    try:
        answer = subprocess.run(
            [uv, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.match(r"uv (\d+)\.(\d+)", answer.stdout)
    if answer.returncode != 0 or version is None:
        return False
    return (int(version[1]), int(version[2])) >= OLDEST


def _install(root: Path, log: Log) -> str:
    print("gradgate: installing uv into .cache/uv ...", file=sys.stderr, flush=True)
    home = root / ".cache" / "uv"
    lock = str(root / "requirements" / "tools.txt")
    shutil.rmtree(home, ignore_errors=True)
    options = ["--quiet", "--require-hashes", "--only-binary", ":all:", "--requirement", lock]
    command = [str(home / "bin" / "python"), "-m", "pip", "install", *options]
    if log.run([sys.executable, "-m", "venv", str(home)]) != 0:
        # Debian keeps what venv needs in a package of its own, python3-venv; pip alone does too.
        shutil.rmtree(home, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--target", str(home), *options]
    ended = log.run(command, cwd=root)
    if ended != 0 or not _is_usable(str(_own(root))):
        shutil.rmtree(home, ignore_errors=True)
        raise Problem(
            "uv is missing and could not be installed with pip.\n"
            f"{log.tail(6)}\n"
            f"The whole log: {log.path}\n"
            "Install uv (`pipx install uv`), or what installs it here "
            "(`apt-get install -y python3-venv`), then run the same command again."
        )
    return str(_own(root))


def fetch_python(uv: str, minor: int, folder: Path, log: Log) -> str:
    """Lets uv download an interpreter into a folder of the project.

    Returns:
        Why that failed; empty if it did not.
    """
    # Where the network does not let uv out, say so soon: the person has other ways.
    environment = {"UV_HTTP_TIMEOUT": "15", "UV_HTTP_RETRIES": "0", "UV_PYTHON_INSTALL_BIN": "0"}
    environment = {**environment, **os.environ}
    command = [uv, "python", "install", f"3.{minor}", "--install-dir", str(folder)]
    print(f"gradgate: fetching Python 3.{minor} with uv ...", file=sys.stderr, flush=True)
    if log.run(command, environment=environment, timeout=180) == 0:
        return ""
    reasons = [line.strip() for line in log.tail(12).splitlines() if line.strip()]
    return reasons[-1].replace("cause: ", "", 1) if reasons else "no answer within 3 minutes"
