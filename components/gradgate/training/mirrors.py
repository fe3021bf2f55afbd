"""The mirrors of a training without TFX: MLflow and TensorBoard, where its author asks for them."""

import importlib.util
import os
from pathlib import Path

from gradgate.contracts import Tracking
from gradgate.telemetry.sinks import Sink
from gradgate.telemetry.sinks.mlflow import MlflowSink


def mirrors(
    record: str | os.PathLike[str],
    tracking: Tracking | None,
    tensorboard: str | os.PathLike[str] | None,
) -> tuple[Sink, ...]:
    """Returns the sinks that were asked for.

    Args:
        record: Directory of the record. An embedded MLflow store is in the folder `mlflow` beside
            it, unless `tracking` names another.
        tracking: How to tell MLflow; None tells it nothing.
        tensorboard: Log directory; None writes none.

    Raises:
        ModuleNotFoundError: If what shows it is not installed.
    """
    sinks: list[Sink] = []
    if tensorboard is not None:
        _check_is_there("tensorboard", "tensorboard=", "train")
        from gradgate.telemetry.sinks.tensorboard import TensorBoardSink

        sinks.append(TensorBoardSink(Path(tensorboard)))
    if tracking is not None and tracking.enabled:
        _check_is_there("mlflow", "tracking=", "mlflow")
        folder = Path(record).absolute()
        sinks.append(MlflowSink(tracking, folder, folder.parent / "mlflow"))
    return tuple(sinks)


def _check_is_there(package: str, asked: str, extra: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ModuleNotFoundError(
            f"instrument: {asked} needs {package}, which is not installed. Install"
            f" gradgate[{extra}], or leave {asked} out."
        )
