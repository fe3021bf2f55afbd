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
        series_points: Most points of one series; the least and the greatest value are always among
            them. A run of fewer steps shows every step.
        total_points: Most points of a run, all series together. What is left when the series of
            the run have theirs is shared out among the variables.
        most_series: Most series of a run; its page gets slow at several hundred.
        layers: Most variables with series of their own, if `most_series` has room for so many; all
            are in the record.
        artifact_megabytes: Largest `series.parquet`, every step of every variable, that is uploaded
            with the run; 0 uploads none.
        wait_seconds: How long the end of a training waits for the last upload.
    """

    enabled: bool = True
    uri: str | None = None
    folder: str | None = None
    experiment: str = Field(default="gradgate", min_length=1)
    run_name: str = Field(default="training", min_length=1)
    registered_model: str | None = None
    series_points: int = Field(default=500, ge=64)
    total_points: int = Field(default=50_000, ge=2_500, le=250_000)
    most_series: int = Field(default=150, ge=20, le=1_000)
    layers: int = Field(default=24, ge=0)
    artifact_megabytes: float = Field(default=64.0, ge=0)
    wait_seconds: float = Field(default=60.0, ge=0)

    @field_validator("registered_model")
    @classmethod
    def _allowed(cls, name: str | None) -> str | None:
        if name is not None and (not name.strip() or set(name) & set("/:'\"`")):
            raise ValueError(
                f"registered_model: {name!r} is no name for a model in MLflow's registry. Leave out"
                " / : and quotes; None registers nothing."
            )
        return name

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
