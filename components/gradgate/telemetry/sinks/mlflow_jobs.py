"""What the sender does for each kind of job. Every one may be done twice with one result."""

import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from gradgate.contracts import ModelCard, Verdict
from gradgate.telemetry.reader import Record, RecordError, open_record
from gradgate.telemetry.sinks.extremes import Point
from gradgate.telemetry.sinks.mlflow_artifact import ARTIFACT, SeriesFile
from gradgate.telemetry.sinks.mlflow_budget import share_out
from gradgate.telemetry.sinks.mlflow_epochs import epoch_points
from gradgate.telemetry.sinks.mlflow_errors import reason, remedy
from gradgate.telemetry.sinks.mlflow_inputs import dataset_inputs
from gradgate.telemetry.sinks.mlflow_links import RUN, MlflowRun, without_user, write_run
from gradgate.telemetry.sinks.mlflow_outbox import Job
from gradgate.telemetry.sinks.mlflow_page import note, push_tags, verdict_tags
from gradgate.telemetry.sinks.mlflow_params import data_params, training_params
from gradgate.telemetry.sinks.mlflow_place import TRACKING
from gradgate.telemetry.sinks.mlflow_registry import register
from gradgate.telemetry.sinks.mlflow_series import final_series
from gradgate.telemetry.sinks.mlflow_store import Store, milliseconds, open_store
from gradgate.telemetry.sinks.mlflow_summary import record_summary, verdict_summary
from gradgate.telemetry.sinks.mlflow_view import ship_view
from gradgate.telemetry.writer import CARD, MANIFEST, SUMMARY

_STATUS = {"completed": "FINISHED", "stopped": "FAILED", "failed": "FAILED"}
RECORD_URI = "gradgate.record_uri"
RECORD_FOLDER = "gradgate/record"
_MOST_BYTES = 64 << 20
_RECORD, _SERIES = "gradgate.record", "gradgate.series"
_SHOWN = {".html", ".json", ".md", ".png", ".svg", ".yaml"}


def send(job: Job, folder: Path, sent: Collection[Point] = ()) -> None:
    """Sends one job to the run of its training, which is made if it is missing.

    Args:
        job: What is to be told.
        folder: Of the outbox, and of the embedded store.
        sent: Points that are in MLflow already.
    """
    store, run_id = open_run(job, folder)
    if job.what == "begin":
        ship_view(store.client, store.client.get_run(run_id).info.experiment_id)
        if store.reopen(run_id):
            store.tags(run_id, {_RECORD: "unfinished: the training goes on after it was killed"})
        store.tags(run_id, {RECORD_URI: job.record or ""})
        _send_params(store, run_id, job)
    elif job.what == "training":
        store.tags(run_id, {RECORD_URI: job.record or ""})
        _send_params(store, run_id, job)
        _send_record(store, run_id, job, sent)
    elif job.what == "verdict":
        _send_verdict(store, run_id, Path(job.verdict or ""))
    else:
        _send_push(store, run_id, job)


def finish_killed(job: Job, folder: Path) -> None:
    """Marks the run of a training that is gone without having finished its record."""
    store, run_id = open_run(job, folder)
    store.tags(run_id, {_RECORD: "unfinished: the training was killed"})
    store.client.set_terminated(run_id, "KILLED")


def send_system(
    job: Job, folder: Path, number: int, at_ms: int, values: Mapping[str, float]
) -> None:
    """Sends one sample of what the training takes of its machine."""
    store, run_id = open_run(job, folder)
    store.points(run_id, ((key, number, at_ms, value) for key, value in values.items()))


def open_run(job: Job, folder: Path) -> tuple[Store, str]:
    """Returns the store of a job and the id of its training's run, which is made if missing."""
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


def _send_record(store: Store, run_id: str, job: Job, sent: Collection[Point]) -> None:
    folder = Path(job.record or "")
    try:
        record = open_record(folder)
        if record.card is not None:
            _send_steps(store, run_id, job, record, record.card, sent)
    except RecordError as error:
        # Nothing more will come, and a run must not seem to go on for ever.
        store.tags(run_id, {_RECORD: f"cannot be sent: {error.message}"})
        store.client.set_terminated(run_id, _STATUS[job.status or "failed"])
        raise
    manifest = record.manifest
    for path in _record_files(folder):
        place = PurePosixPath(RECORD_FOLDER, path.relative_to(folder).parent)
        store.client.log_artifact(run_id, str(path), str(place))
    end = milliseconds(manifest.finished_at)
    store.params(run_id, data_params(manifest))
    store.client.log_inputs(run_id, dataset_inputs(manifest, str(folder)))
    if record.summary is not None:
        store.points(run_id, _one_point_each(record_summary(manifest, record.summary), end))
        store.points(run_id, epoch_points(record.summary.epochs, job.tracking.series_points, end))
    if manifest.resumes:
        store.tags(
            run_id, {_RECORD: f"finished; the training was resumed {len(manifest.resumes)}x"}
        )
    store.client.set_terminated(run_id, _STATUS[manifest.status], end_time=end)


def _record_files(folder: Path) -> list[Path]:
    """What is copied of a record, the manifest last: without it a copy is not whole.

    Of a large record only what sums it up.
    """
    manifest = folder / MANIFEST
    inner = sorted(path for path in folder.rglob("*") if path.is_file() and path != manifest)
    inner = [path for path in inner if path.name not in {TRACKING, RUN}]
    if sum(path.stat().st_size for path in inner) > _MOST_BYTES:
        inner = [path for path in (folder / SUMMARY, folder / CARD) if path.exists()]
    return [*inner, manifest]


def _send_steps(
    store: Store,
    run_id: str,
    job: Job,
    record: Record,
    card: ModelCard,
    sent: Collection[Point],
) -> None:
    """Sends the points that are not there yet, and every step as a file, unless it is too large."""
    manifest, tracking = record.manifest, job.tracking
    steps = manifest.parts[-1].last_step + 1 if manifest.parts else 0
    series, points = final_series(card, tracking, job.planned_steps, steps), set[Point]()
    with tempfile.TemporaryDirectory() as scratch:
        file = SeriesFile(Path(scratch), round(tracking.artifact_megabytes * 1e6))
        for batch in record.batches():
            points.update(series.add(batch))
            file.add(batch)
        points.update(series.close())
        start = milliseconds(manifest.started_at)
        store.points(run_id, (point.at(start) for point in sorted(points.difference(sent))))
        path, where = file.close(), f"its {ARTIFACT} is larger than artifact_megabytes"
        if path is not None:
            try:
                store.client.log_artifact(run_id, str(path), RECORD_FOLDER)
            except Exception as error:
                if remedy(error) != "never":
                    raise
                where = f"the server refuses its {ARTIFACT}: {reason(error)}"
            else:
                where = f"every step: gradgate/record/{ARTIFACT}"
    store.tags(run_id, {_SERIES: f"{share_out(card, tracking)}; {where}"})


def _send_verdict(store: Store, run_id: str, folder: Path) -> None:
    verdict = _read_verdict(folder)
    for path in sorted(folder.rglob("*")):
        if path.suffix in _SHOWN and path.name not in {TRACKING, RUN}:
            place = PurePosixPath("gradgate", path.relative_to(folder).parent)
            store.client.log_artifact(run_id, str(path), str(place))
    now = milliseconds(verdict.as_of)
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
