"""What the sender does for each kind of job. Every one may be done twice with one result."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException

from gradgate.contracts import Verdict
from gradgate.telemetry.reader import open_record
from gradgate.telemetry.sinks.mlflow_inputs import dataset_inputs
from gradgate.telemetry.sinks.mlflow_links import RUN, MlflowRun, without_user, write_run
from gradgate.telemetry.sinks.mlflow_outbox import Job
from gradgate.telemetry.sinks.mlflow_page import note, push_tags, verdict_tags
from gradgate.telemetry.sinks.mlflow_params import data_params, training_params
from gradgate.telemetry.sinks.mlflow_place import TRACKING
from gradgate.telemetry.sinks.mlflow_registry import register
from gradgate.telemetry.sinks.mlflow_series import series
from gradgate.telemetry.sinks.mlflow_store import Store, open_store
from gradgate.telemetry.sinks.mlflow_summary import record_summary, verdict_summary
from gradgate.telemetry.sinks.mlflow_view import ship_view
from gradgate.telemetry.writer import CARD, MANIFEST, SUMMARY

_STATUS = {"completed": "FINISHED", "stopped": "FAILED", "failed": "FAILED"}
_RECORD = "gradgate.record"
_PASSING = {0, 408, 429, 500, 502, 503, 504}
_REFUSED = {401, 403}  # until somebody mends the password or the server's settings
_SHOWN = {".html", ".json", ".md", ".png", ".svg", ".yaml"}


def send(job: Job, folder: Path) -> None:
    """Sends one job to the run of its training, which is made if it is missing."""
    store, run_id = _open(job, folder)
    if job.what == "begin":
        ship_view(store.client, store.client.get_run(run_id).info.experiment_id)
        store.tags(run_id, {"gradgate.record_address": job.record or ""})
        if store.reopen(run_id):
            store.tags(run_id, {_RECORD: "unfinished: the training goes on after it was killed"})
        _send_params(store, run_id, job)
    elif job.what == "training":
        _send_params(store, run_id, job)
        _send_record(store, run_id, job)
    elif job.what == "verdict":
        _send_verdict(store, run_id, Path(job.verdict or ""))
    else:
        _send_push(store, run_id, job)


def finish_killed(job: Job, folder: Path) -> None:
    """Marks the run of a training that is gone without having finished its record."""
    store, run_id = _open(job, folder)
    store.tags(run_id, {_RECORD: "unfinished: the training was killed"})
    store.client.set_terminated(run_id, "KILLED")


def send_system(
    job: Job, folder: Path, number: int, at_ms: int, values: Mapping[str, float]
) -> None:
    """Sends one sample of what the training takes of its machine."""
    store, run_id = _open(job, folder)
    store.points(run_id, ((key, number, at_ms, value) for key, value in values.items()))


def is_passing(error: Exception) -> bool:
    """Whether trying again later can help: the server is away, slow or overloaded."""
    if isinstance(error, MlflowException):
        return error.get_http_status_code() in _PASSING | _REFUSED
    return isinstance(error, (RequestException, ConnectionError, TimeoutError))


def hint(error: Exception) -> str:
    """What to do about an error, where that is known; else empty."""
    status = error.get_http_status_code() if isinstance(error, MlflowException) else 0
    if status == 403 and "Invalid Host header" in str(error):
        return (
            " The server does not know itself by the name in its address: start it with"
            " --allowed-hosts NAME,NAME:PORT (both forms)."
        )
    if status in _REFUSED:
        return (
            " The server refuses: check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or"
            " MLFLOW_TRACKING_TOKEN, and what this user may do."
        )
    return ""


def _open(job: Job, folder: Path) -> tuple[Store, str]:
    store = open_store(job.tracking, folder)
    experiment = store.experiment(job.tracking.experiment)
    run_id = store.run(experiment, job.training_uid, job.tracking.run_name, job.started_ms)
    run = MlflowRun(
        uri=None if store.is_embedded else without_user(store.client.tracking_uri),
        folder=str(folder.absolute()),
        experiment_id=store.client.get_run(run_id).info.experiment_id,
        run_id=run_id,
    )
    for directory in filter(None, [job.record, job.verdict]):
        write_run(Path(directory), run)
    return store, run_id


def _send_params(store: Store, run_id: str, job: Job) -> None:
    card = Path(job.record or "", CARD)
    if card.exists():
        store.params(run_id, training_params(card.read_bytes(), job.planned_steps))


def _send_record(store: Store, run_id: str, job: Job) -> None:
    folder = Path(job.record or "")
    record = open_record(folder)
    manifest = record.manifest
    if record.card is not None:
        points = series(
            record.card,
            record.batches(),
            total=manifest.observed_steps,
            most_points=job.tracking.series_points,
            layers=job.tracking.layers,
        )
        start = _milliseconds(manifest.started_at)
        store.points(
            run_id,
            ((p.key, p.step, start + round(p.seconds * 1000), p.value) for p in points),
        )
    end = _milliseconds(manifest.finished_at)
    store.params(run_id, data_params(manifest))
    store.client.log_inputs(run_id, dataset_inputs(manifest, str(folder)))
    if record.summary is not None:
        store.points(run_id, _one_point_each(record_summary(manifest, record.summary), end))
    for name in (MANIFEST, SUMMARY, CARD):
        if (folder / name).exists():
            store.client.log_artifact(run_id, str(folder / name), "gradgate/record")
    if manifest.resumes:
        store.tags(
            run_id, {_RECORD: f"finished; the training was resumed {len(manifest.resumes)}x"}
        )
    store.client.set_terminated(run_id, _STATUS[manifest.status], end_time=end)


def _send_verdict(store: Store, run_id: str, folder: Path) -> None:
    verdict = _read_verdict(folder)
    for path in sorted(folder.iterdir()):
        if path.suffix in _SHOWN and path.name not in {TRACKING, RUN}:
            store.client.log_artifact(run_id, str(path), "gradgate")
    now = _milliseconds(verdict.as_of)
    store.points(run_id, _one_point_each(verdict_summary(verdict), now))
    # The tags come last: who finds a run by its decision finds its reports too.
    store.tags(run_id, verdict_tags(verdict) | {"mlflow.note.content": note(verdict)})


def _send_push(store: Store, run_id: str, job: Job) -> None:
    verdict = _read_verdict(Path(job.verdict or ""))
    destination, version = job.destination or "", job.version or ""
    store.tags(run_id, push_tags(destination, version))
    if job.tracking.registered_model:
        name = job.tracking.registered_model
        move = register(store.client, name, run_id, verdict, destination, version)
        store.tags(run_id, {"gradgate.alias": move.message})


def _one_point_each(numbers: dict[str, float], at: int) -> Iterator[tuple[str, int, int, float]]:
    return ((key, 0, at, value) for key, value in numbers.items())


def _read_verdict(folder: Path) -> Verdict:
    return Verdict.model_validate_json((folder / "verdict.json").read_bytes())


def _milliseconds(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(moment.timestamp() * 1000)
