"""Where a training is mirrored for people: MLflow, by default in a file with no server."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from gradgate.contracts.base import Contract


class Tracking(Contract, hide_input_in_errors=True):
    """How a training is mirrored to MLflow. Nothing here is ever read back as evidence.

    The address is, in this order: the environment's MLFLOW_TRACKING_URI, `uri`, and an SQLite
    file in `folder`. Credentials come from MLflow's own environment variables only: whatever is
    written here lands in ML Metadata.

    Attributes:
        enabled: False mirrors nothing.
        uri: Tracking server, such as `http://mlflow:5000`.
        folder: Directory of the embedded store (`mlflow.db` and `artifacts/`); None is `mlflow`
            in the pipeline root.
        experiment: Experiment; made if it is missing.
        run_name: Start of the run's name; the attempt's number follows.
        registered_model: Name under which a pushed model is registered; None registers nothing.
        series_points: Most points a series has, at least 2; extremes are always among them.
        layers: Most variables with series of their own; all are in the record.
        wait_seconds: How long the end of a training waits for the last upload.
    """

    enabled: bool = True
    uri: str | None = None
    folder: str | None = None
    experiment: str = Field(default="gradgate", min_length=1)
    run_name: str = Field(default="training", min_length=1)
    registered_model: str | None = None
    series_points: int = Field(default=500, ge=2)
    layers: int = Field(default=24, ge=0)
    wait_seconds: float = Field(default=60.0, ge=0)

    @field_validator("uri")
    @classmethod
    def _no_secret(cls, uri: str | None) -> str | None:
        if uri is not None and (urlsplit(uri).username or urlsplit(uri).password):
            raise ValueError(
                "uri: holds a user name or a password, which would be kept in ML Metadata. Put them"
                " into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or the whole address"
                " into MLFLOW_TRACKING_URI."
            )
        return uri
