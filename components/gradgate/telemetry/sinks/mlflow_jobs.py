"""What the sender does for each kind of job. Every one may be done twice with one result."""

from datetime import datetime
from pathlib import Path, PurePosixPath

from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException

from gradgate.contracts import Verdict
from gradgate.telemetry.reader import open_record
from gradgate.telemetry.sinks.mlflow_outbox import Job
from gradgate.telemetry.sinks.mlflow_page import note, push_tags, training_params, verdict_tags
from gradgate.telemetry.sinks.mlflow_place import TRACKING
from gradgate.telemetry.sinks.mlflow_registry import register
from gradgate.telemetry.sinks.mlflow_series import series
from gradgate.telemetry.sinks.mlflow_store import Store, open_store
from gradgate.telemetry.writer import CARD, MANIFEST, SUMMARY

_STATUS = {"completed": "FINISHED", "stopped": "FAILED", "failed": "FAILED"}
RECORD_URI = "gradgate.record_uri"
RECORD_FOLDER = "gradgate/record"
_MOST_BYTES = 64 << 20
_RECORD = "gradgate.record"
_PASSING = {0, 408, 429, 500, 502, 503, 504}


def send(job: Job, folder: Path) -> None:
    """Sends one job to the run of its training, which is made if it is missing."""
    store, run_id = _open(job, folder)
    if job.what == "begin":
        if store.reopen(run_id):
            store.tags(run_id, {_RECORD: "unfinished: the training goes on after it was killed"})
        store.tags(run_id, {RECORD_URI: job.record or ""})
        _send_params(store, run_id, job)
    elif job.what == "training":
        store.tags(run_id, {RECORD_URI: job.record or ""})
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


def is_passing(error: Exception) -> bool:
    """Whether trying again later can help: the server is away, slow or overloaded."""
    if isinstance(error, MlflowException):
        return error.get_http_status_code() in _PASSING
    return isinstance(error, (RequestException, ConnectionError, TimeoutError))


def _open(job: Job, folder: Path) -> tuple[Store, str]:
    store = open_store(job.tracking, folder)
    experiment = store.experiment(job.tracking.experiment)
    run_id = store.run(experiment, job.training_uid, job.tracking.run_name, job.started_ms)
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
    for path in _record_files(folder):
        place = PurePosixPath(RECORD_FOLDER, path.relative_to(folder).parent)
        store.client.log_artifact(run_id, str(path), str(place))
    if manifest.resumes:
        store.tags(
            run_id, {_RECORD: f"finished; the training was resumed {len(manifest.resumes)}x"}
        )
    end = _milliseconds(manifest.finished_at)
    store.client.set_terminated(run_id, _STATUS[manifest.status], end_time=end)


def _record_files(folder: Path) -> list[Path]:
    """What is copied of a record, the manifest last: without it a copy is not whole.

    Of a large record only what sums it up.
    """
    manifest = folder / MANIFEST
    inner = sorted(path for path in folder.rglob("*") if path.is_file() and path != manifest)
    inner = [path for path in inner if path.name != TRACKING]
    if sum(path.stat().st_size for path in inner) > _MOST_BYTES:
        inner = [path for path in (folder / SUMMARY, folder / CARD) if path.exists()]
    return [*inner, manifest]


def _send_verdict(store: Store, run_id: str, folder: Path) -> None:
    verdict = _read_verdict(folder)
    for path in sorted(folder.iterdir()):
        if path.suffix in {".json", ".html", ".md", ".yaml"} and path.name != TRACKING:
            store.client.log_artifact(run_id, str(path), "gradgate")
    # The tags come last: who finds a run by its decision finds its reports too.
    store.tags(run_id, verdict_tags(verdict) | {"mlflow.note.content": note(verdict)})


def _send_push(store: Store, run_id: str, job: Job) -> None:
    verdict = _read_verdict(Path(job.verdict or ""))
    destination, version = job.destination or "", job.version or ""
    store.tags(run_id, push_tags(destination, version))
    if job.tracking.registered_model:
        name = job.tracking.registered_model
        register(store.client, name, run_id, verdict, destination, version)


def _read_verdict(folder: Path) -> Verdict:
    return Verdict.model_validate_json((folder / "verdict.json").read_bytes())


def _milliseconds(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(moment.timestamp() * 1000)
