"""The saved view that comes with an experiment: our columns, and the charts that say most first.

"Views > Save as new view" in MLflow's pages keeps such a tag on the experiment; its form is that of
MLflow 3.17 and documented nowhere. So whoever changed the view in the pages keeps theirs, and pages
that cannot read it show their own table.
"""

import base64
import json
import zlib
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import ExperimentTag

from gradgate.contracts import sha256
from gradgate.telemetry.sinks.mlflow_links import VIEW

TAG = f"mlflow.sharedViewState.{VIEW}"
_OURS = "gradgate.view"
"""Digest of what we last wrote: another one is somebody else's."""

_COLUMNS = {
    # Name of a column to its width in pixels, from left to right.
    "tags.`gradgate.decision`": 130,
    "tags.`gradgate.first_offence`": 300,
    "metrics.`summary/clip_rate`": 140,
    "metrics.`summary/max_norm`": 145,
    "metrics.`summary/nonfinite_steps`": 190,
    "metrics.`summary/final_loss`": 150,
    "tags.`gradgate.pushed`": 260,
}
_SECTION = "gradgate"
_CHARTS: tuple[tuple[str, list[str], str], ...] = (
    ("Loss", ["train/loss"], "linear"),
    (
        "Global norm of the gradient, before and after the clip",
        ["grad/global_norm", "grad/global_norm_clipped"],
        "log",
    ),
    ("Clip rate over the last 100 steps", ["grad/clip_rate_last_100"], "linear"),
    ("Non-finite steps so far", ["grad/nonfinite_steps_total"], "linear"),
    (
        "Norms of all variables, log10: least, median, greatest",
        [f"grad/variable_l2_log10_{name}" for name in ("p00", "p50", "p100")],
        "linear",
    ),
)


def ship_view(client: MlflowClient, experiment_id: str) -> bool:
    """Gives the experiment our view, unless somebody made it theirs; returns whether it did.

    Two tags, so that a view that was changed in the pages can be told from ours of an older
    version.
    """
    tags = client.get_experiment(experiment_id).tags
    ours = _tag_value()
    now = tags.get(TAG)
    if now == ours or (now is not None and sha256(now.encode()) != tags.get(_OURS)):
        return False
    for tag in (
        ExperimentTag(_OURS, sha256(ours.encode())),
        ExperimentTag(TAG, ours),
    ):
        client.set_experiment_tag(experiment_id, tag.key, tag.value)
    return True


def _tag_value() -> str:
    state = zlib.compress(json.dumps(_state(), sort_keys=True).encode(), 9)
    view = {
        "name": "gradgate: health of trainings",
        "createdAt": 0,
        "updatedAt": 0,
        "state": "deflate;" + base64.b64encode(state).decode(),
    }
    return json.dumps(view, sort_keys=True)


def _state() -> dict[str, Any]:
    """What MLflow's page of an experiment keeps of itself; fields that are missing are its own."""
    return {
        "selectedColumns": list(_COLUMNS),
        "columnOrder": list(_COLUMNS),
        "columnWidths": _COLUMNS,
        "compareRunSections": [
            {"uuid": _SECTION, "name": "Health of the training", "display": True,
             "isReordered": True, "deleted": False, "isGenerated": False}
        ],
        "compareRunCharts": [
            _chart(number, title, keys, scale)
            for number, (title, keys, scale) in enumerate(_CHARTS)
        ],
        "isAccordionReordered": True,  # else sections are sorted by name, and ours is not first
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
    }  # fmt: skip


def _chart(number: int, title: str, keys: list[str], scale: str) -> dict[str, Any]:
    return {
        "type": "LINE",
        "uuid": f"{_SECTION}-{number}",
        "metricSectionId": _SECTION,
        "displayName": title,
        "metricKey": keys[0],
        "selectedMetricKeys": keys,
        "scaleType": scale,
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "yAxisKey": "metric",
        "lineSmoothness": 0,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
        "ignoreOutliers": False,
        "runsCountToCompare": 10,
        "deleted": False,
        "isGenerated": False,
    }
