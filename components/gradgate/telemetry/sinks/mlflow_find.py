"""Finds the health record of an MLflow run. MLflow says where it lies, and nothing else.

What it says is no evidence: whoever may write there may write anything. So the record itself is
opened and its digests are checked, and it must be of the very training that the run names. Where
it cannot be reached from here, the copy that the run holds can be looked at.
"""

import dataclasses
import queue
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from gradgate.telemetry.sinks.mlflow_errors import remedy
from gradgate.telemetry.sinks.mlflow_jobs import RECORD_FOLDER, RECORD_URI
from gradgate.telemetry.sinks.mlflow_store import RUN_KEY
from gradgate.telemetry.writer import MANIFEST

_UNKNOWN = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoundRecord:
    """The record of a run.

    Attributes:
        record: Its directory.
        training_uid: The training that the run says it is of.
        is_copy: Whether it is what MLflow keeps, and not what the training wrote.
    """

    record: Path
    training_uid: str
    is_copy: bool


class RunError(Exception):
    """Why there is no record to judge.

    Attributes:
        code: `S-MLFLOW` if MLflow did not answer, `S-RUN` if the run is not one to judge by.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def find_record(run_id: str, uri: str, *, copy_to: Path, seconds: float) -> FoundRecord:
    """Returns where the record of a run lies, and which training it must be of.

    Args:
        run_id: The run.
        uri: Address of the tracking server or store.
        copy_to: An empty directory, for a copy if that is all there is.
        seconds: How long to try in all, whatever the server does.

    Raises:
        RunError: If MLflow does not answer, or the run has no finished record.
    """
    _require_store(uri)
    search = _Search(run_id, uri, copy_to)
    answers: queue.SimpleQueue[FoundRecord | RunError] = queue.SimpleQueue()
    # A thread of its own: a server that sends a byte now and then outlasts every timeout.
    threading.Thread(target=lambda: answers.put(search.answer(seconds)), daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        answer = search.no_answer(seconds)
    if isinstance(answer, RunError):
        raise answer
    return answer


def _require_store(uri: str) -> None:
    """Raises `RunError` where MLflow would make a new store in a file, and look into that."""
    address = urlsplit(uri)
    if not address.scheme.startswith("sqlite"):
        return
    path = Path(address.path.removeprefix("/"))  # three slashes and a relative path, or four
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            is_store = database.execute(
                "select 1 from sqlite_master where name = 'runs'"
            ).fetchone()
    except sqlite3.Error as error:
        raise RunError("S-MLFLOW", f"there is no store at {uri}: {error}.") from error
    if not is_store:
        raise RunError("S-MLFLOW", f"what lies at {uri} is no store of MLflow.")


class _Search:
    def __init__(self, run_id: str, uri: str, copy_to: Path) -> None:
        self._run_id, self._uri, self._copy_to = run_id, uri, copy_to
        self._last_error: Exception | None = None

    def answer(self, seconds: float) -> FoundRecord | RunError:
        """Looks until there is an answer, or it is too late for anybody to hear it."""
        until, wait = time.monotonic() + seconds, 0.25
        while True:
            try:
                return self._look()
            except RunError as problem:
                return problem
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing was found
                if not _may_pass(error):
                    return RunError("S-MLFLOW", f"{self._uri}: {_first_line(error)}")
                self._last_error = error
            if time.monotonic() + wait >= until:
                return self.no_answer(seconds)
            time.sleep(wait)
            wait = min(4.0, wait * 2)

    def no_answer(self, seconds: float) -> RunError:
        """What is to be said when time is over."""
        why = f" The last error: {_first_line(self._last_error)}" if self._last_error else ""
        return RunError(
            "S-MLFLOW",
            f"{self._uri} gave no answer within {seconds:g} s. Judge the record itself, by its"
            f" directory, or try again later.{why}",
        )

    def _look(self) -> FoundRecord:
        client = MlflowClient(tracking_uri=self._uri)
        try:
            run = client.get_run(self._run_id)
        except MlflowException as error:
            if error.error_code in _UNKNOWN:
                raise self._problem(
                    f"is not there at {self._uri}; give the id that stands on the run's page"
                ) from error
            raise
        if run.info.lifecycle_stage != "active":
            raise self._problem("was deleted")
        if run.info.status != "FINISHED":
            raise self._problem(
                f"is {run.info.status}; only that of a training that finished can be judged"
            )
        uid = run.data.tags.get(RUN_KEY)
        if not uid:
            raise self._problem(f"has no tag {RUN_KEY}, so gradgate did not make it")
        place = run.data.tags.get(RECORD_URI, "")
        if Path(place).is_absolute() and Path(place).is_dir():
            return FoundRecord(record=Path(place), training_uid=uid, is_copy=False)
        return FoundRecord(record=self._copy(client, place), training_uid=uid, is_copy=True)

    def _copy(self, client: Any, place: str) -> Path:
        said = f"its record is at {place}, which" if place else "it does not say where, so it"
        names = {
            Path(file.path).name for file in client.list_artifacts(self._run_id, RECORD_FOLDER)
        }
        if not {MANIFEST, "parts"} <= names:
            raise self._problem(
                f"is of a training whose record cannot be reached: {said} is not to be found from"
                " here, and the run holds no whole copy (a large record is not copied). Give the"
                " directory of the record"
            )
        return Path(client.download_artifacts(self._run_id, RECORD_FOLDER, str(self._copy_to)))

    def _problem(self, what: str) -> RunError:
        return RunError("S-RUN", f"run {self._run_id} {what}.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _may_pass(error: Exception) -> bool:
    """Whether it is worth a wait; a server that refuses us will do so again."""
    is_refused = isinstance(error, MlflowException) and error.get_http_status_code() in {401, 403}
    return remedy(error) != "never" and not is_refused
