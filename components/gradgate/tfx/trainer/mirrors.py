"""Which mirrors a training gets: a progress bar, TensorBoard, MLflow."""

import importlib.util
import logging
from pathlib import Path

from gradgate.contracts import Tracking
from gradgate.telemetry.sinks import Sink
from gradgate.telemetry.sinks.mlflow import MlflowSink
from gradgate.telemetry.sinks.progress import ProgressSink

_log = logging.getLogger(__name__)


def mirrors(tracking: Tracking, *, record: Path, model_run: Path) -> tuple[Sink, ...]:
    """Returns the sinks of one training.

    Args:
        tracking: What its author asked for.
        record: Directory of the health record: `<pipeline root>/<node>/<output>/<execution>`.
        model_run: TFX's artifact for logs; TensorBoard finds them there.
    """
    sinks: list[Sink] = [ProgressSink()]
    if _is_there("tensorboard"):
        from gradgate.telemetry.sinks.tensorboard import TensorBoardSink

        sinks.append(TensorBoardSink(model_run / "gradgate"))
    if tracking.enabled and _is_there("mlflow"):
        pipeline_root = record.parents[2]
        sinks.append(MlflowSink(tracking, record, pipeline_root / "mlflow"))
    return tuple(sinks)


def _is_there(package: str) -> bool:
    if importlib.util.find_spec(package) is not None:
        return True
    _log.warning("gradgate: %s is not installed, so the training is not shown there", package)
    return False
