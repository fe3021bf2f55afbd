"""Where a run is to be seen: the small file beside record and verdict, and the links to its pages.

MLflow chooses the ids, so the sender writes them down once it knows them. No evidence: like
`tracking.json`, the file is in no manifest.
"""

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

from gradgate.contracts import Recorded, canonical_json
from gradgate.telemetry.durable import write_durably

RUN = "mlflow_run.json"
VIEW = "gradgate"
"""Key of the saved view that comes with an experiment, see `mlflow_view`."""
EMBEDDED = "http://127.0.0.1:5000"
"""Where `gradgate ui` shows an embedded store unless it is told another port."""
_WORKFLOW = "workflowType=machine_learning"  # by default MLflow opens its pages for agents


class MlflowRun(Recorded):
    """A run by its ids.

    Attributes:
        uri: Address of the tracking server, without user name and password; None for an embedded
            store.
        folder: Of the embedded store, and of the outbox.
    """

    uri: str | None = None
    folder: str
    experiment_id: str
    run_id: str

    @property
    def pages(self) -> str:
        """Where the pages are: the server's address, or what `gradgate ui` gives the store."""
        return EMBEDDED if self.needs_ui or not self.uri else self.uri.rstrip("/")

    @property
    def needs_ui(self) -> bool:
        """Whether the pages are there only while `gradgate ui` runs."""
        return urlsplit(self.uri or "").scheme not in {"http", "https"}

    @property
    def link(self) -> str:
        """Address of the run's page."""
        place = f"experiments/{quote(self.experiment_id)}/runs/{quote(self.run_id)}"
        return f"{self.pages}/#/{place}?{_WORKFLOW}"


def without_user(uri: str) -> str:
    """The address without user name and password."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else uri


def experiment_link(pages: str, experiment_id: str | None = None) -> str:
    """Address of an experiment's runs, with our columns and charts; without one, of them all."""
    if experiment_id is None:
        return f"{pages.rstrip('/')}/#/experiments?{_WORKFLOW}"
    place = f"experiments/{quote(experiment_id)}/runs"
    return f"{pages.rstrip('/')}/#/{place}?{_WORKFLOW}&viewStateShareKey={VIEW}"


def write_run(directory: Path, run: MlflowRun) -> None:
    """Writes it, whole or not at all; a directory that is gone or closed to us goes without."""
    with suppress(OSError):
        write_durably(directory / RUN, canonical_json(run.model_dump(mode="json")))


def read_run(directory: Path) -> MlflowRun | None:
    """Returns what the directory says; None where no sender has been yet."""
    try:
        return MlflowRun.model_validate_json((directory / RUN).read_bytes())
    except (OSError, ValueError):
        return None
