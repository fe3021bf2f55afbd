"""Photographs pages for the docs: the report of a verdict, and a run's page in MLflow.

With a Chromium on the PATH; without one the pictures that are there stay.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gradgate.telemetry.sinks.mlflow_links import read_run
from pipeline.run import RunResult

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def photograph(result: RunResult, mlflow: Path, folder: Path, *, name: str) -> None:
    """Writes `NAME-report.png` and `NAME-mlflow.png`.

    Args:
        result: The run.
        mlflow: Folder of the embedded store that was told of it.
        folder: Where pictures go.
        name: Begins their names.
    """
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        print("No Chromium is on the PATH, so the photographs of pages stay as they are.")  # noqa: T201
        return
    report = result.report_path.resolve().as_uri()
    _photograph(browser, report, folder / f"{name}-report.png", width=1100, height=900)
    run = read_run(result.record)
    if run is None:
        print("MLflow was not told in time, so its page stays as it is.")  # noqa: T201
        return
    with _pages(mlflow) as address:
        link = run.link.replace(run.pages, address)
        _photograph(browser, link, folder / f"{name}-mlflow.png", width=1400, height=640)


@contextlib.contextmanager
def _pages(mlflow: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "gradgate", "ui", str(mlflow), "--port", "0"]
    server = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--format", "json"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        yield json.loads(server.stdout.readline())["address"]
    finally:
        server.terminate()
        server.wait(30)
        server.stdout.close()


def _photograph(browser: str, address: str, target: Path, *, width: int, height: int) -> None:
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(  # noqa: S603 - a browser that was found by name
            [
                browser,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                "--virtual-time-budget=30000",
                f"--screenshot={target.resolve()}",
                address,
            ],
            check=True,
            capture_output=True,
            timeout=180,
        )
