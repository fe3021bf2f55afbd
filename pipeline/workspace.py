"""Where a run keeps everything. Light: known before TensorFlow is loaded."""

import dataclasses
from pathlib import Path

from gradgate.contracts import Tracking
from pipeline.configs import Config


@dataclasses.dataclass(frozen=True)
class Workspace:
    """The folder that a run keeps everything in: data, artifacts, metadata, served models."""

    root: Path

    @property
    def metadata(self) -> Path:
        """TFX's metadata store, SQLite."""
        return self.root / "metadata.sqlite"

    @property
    def artifacts(self) -> Path:
        """TFX's pipeline root."""
        return self.root / "artifacts"

    @property
    def mlflow(self) -> Path:
        """MLflow's embedded store, and what is still to be told to it."""
        return self.root / "mlflow"

    def tracking(self, config: Config) -> Tracking:
        """How MLflow mirrors a run: in the background; who runs the pipeline waits at the end."""
        return Tracking(
            folder=str(self.mlflow),
            experiment=config.example,
            run_name=f"{config.example} {config.name}",
            registered_model=config.example,
            wait_seconds=0.0,
        )

    def baselines(self, config: Config) -> Path:
        """The healthy verdicts of this pipeline, which the gate compares the next one with."""
        return self.root / "baselines" / config.example

    def serving(self, config: Config) -> Path:
        """What the model server watches."""
        return self.root / config.push_to
