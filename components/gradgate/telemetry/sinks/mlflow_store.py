"""MLflow as we use it: find or make a run by the training's id, send in batches, never twice."""

import getpass
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from gradgate.contracts import Tracking
from gradgate.telemetry.sinks.mlflow_place import embedded_uri
from gradgate.telemetry.sinks.mlflow_secrets import scrub

RUN_KEY = "gradgate.training_uid"
RUN_NAME = "gradgate.run_name"
_COLOUR = "mlflow.runColor"
# Okabe and Ito's, which are told apart with any colour vision: https://jfly.uni-koeln.de/color/
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_BATCH = 1000
_TAG_LENGTH = 5000
_PARAM_LENGTH = 6000


class Store:
    """One tracking address. Every method may be repeated without making anything twice.

    Args:
        uri: The address.
        artifacts: Where a new experiment's artifacts go in an embedded store; None leaves it to
            the server.
    """

    def __init__(self, uri: str, artifacts: str | None = None) -> None:
        self.client = MlflowClient(tracking_uri=uri)
        self._artifacts = artifacts
        self.is_embedded = artifacts is not None

    def experiment(self, name: str) -> str:
        """Id of the experiment, which is made if it is missing."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self.client.create_experiment(name, artifact_location=self._artifacts))
        except MlflowException:
            found = self.client.get_experiment_by_name(name)  # somebody was faster
            if found is None:
                raise
            return str(found.experiment_id)

    def run(self, experiment: str, training_uid: str, name: str, start_ms: int) -> str:
        """Id of this training's run: the one it was told to use, the one it has, or a new one."""
        told = os.environ.get("MLFLOW_RUN_ID")
        if told:
            self.client.set_tag(told, RUN_KEY, training_uid)
            return told
        found = self.find_run(experiment, training_uid)
        if found is not None:
            return found
        tags = {RUN_KEY: training_uid, RUN_NAME: name, _COLOUR: self._free_colour(experiment)}
        with suppress(OSError, KeyError):  # a user of a container may have no name
            tags["mlflow.user"] = getpass.getuser()
        number = self._attempts(experiment, name) + 1
        run = self.client.create_run(
            experiment, start_time=start_ms, tags=tags, run_name=f"{name} #{number}"
        )
        return str(run.info.run_id)

    def _attempts(self, experiment: str, name: str) -> int:
        """How many runs have this name, which may hold quotes: a filter cannot escape them."""
        pattern = re.sub("['\"`\\\\]", "_", name)  # any one character
        found = self.client.search_runs(
            [experiment],
            filter_string=f"tags.`{RUN_NAME}` LIKE '{pattern}'",
            max_results=1000,
        )
        return sum(run.data.tags[RUN_NAME] == name for run in found)

    def _free_colour(self, experiment: str) -> str:
        """A colour that none of the last runs has; MLflow's own choice may be twice the same."""
        last = self.client.search_runs(
            [experiment], order_by=["attributes.start_time DESC"], max_results=len(_COLOURS) - 1
        )
        used = {run.data.tags.get(_COLOUR) for run in last}
        return next(colour for colour in _COLOURS if colour not in used)

    def find_run(self, experiment: str, training_uid: str) -> str | None:
        """Id of the run of this training, if there is one.

        A server that answers too late makes the run all the same, after a second one was asked
        for. The one that was gone on with has parameters; its twins hold nothing and are deleted.
        """
        runs = self.client.search_runs(
            [experiment], filter_string=f"tags.`{RUN_KEY}` = '{training_uid}'", max_results=100
        )
        runs = sorted(runs, key=lambda run: (not run.data.params, run.info.run_id))
        for twin in runs[1:]:
            if not twin.data.params and not twin.data.metrics:
                self.client.delete_run(twin.info.run_id)
        return str(runs[0].info.run_id) if runs else None

    def reopen(self, run_id: str) -> bool:
        """Shows a run that was marked as killed as running again; returns whether it was."""
        if self.client.get_run(run_id).info.status != "KILLED":
            return False
        self.client.update_run(run_id, status="RUNNING")
        return True

    def params(self, run_id: str, params: Mapping[str, object]) -> None:
        """Logs parameters; one that is logged already keeps its value."""
        have = self.client.get_run(run_id).data.params
        new = [
            Param(key, scrub(str(value))[:_PARAM_LENGTH])
            for key, value in sorted(params.items())
            if key not in have
        ]
        for start in range(0, len(new), 100):
            self.client.log_batch(run_id, params=new[start : start + 100], synchronous=True)

    def tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Sets tags, cut to what MLflow keeps."""
        rows = [RunTag(key, scrub(value)[:_TAG_LENGTH]) for key, value in sorted(tags.items())]
        self.client.log_batch(run_id, tags=rows, synchronous=True)

    def points(self, run_id: str, points: Iterable[tuple[str, int, int, float]]) -> int:
        """Logs `(key, step, time_ms, value)` points, finite and sorted by key; returns how many.

        The same point again is no duplicate: its time is the training's, not the sender's.
        """
        sent, rest = 0, iter(points)
        while rows := [
            Metric(key, value, time_ms, step) for key, step, time_ms, value in islice(rest, _BATCH)
        ]:
            self.client.log_batch(run_id, metrics=rows, synchronous=True)
            sent += len(rows)
        return sent


def milliseconds(text: str) -> int:
    """Returns an RFC 3339 time as milliseconds since 1970."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(moment.timestamp() * 1000)


def open_store(tracking: Tracking, folder: Path) -> Store:
    """Returns the store, making the embedded one if that is what is meant.

    Args:
        tracking: The settings; `MLFLOW_TRACKING_URI` in the environment comes first.
        folder: Directory of the embedded store.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking.uri
    if uri:
        return Store(uri)
    folder = folder.absolute()
    (folder / "artifacts").mkdir(parents=True, exist_ok=True)
    # An absolute place: MLflow's own default is a folder of whatever directory one stands in.
    return Store(embedded_uri(folder), artifacts=(folder / "artifacts").as_uri())
