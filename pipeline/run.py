"""Runs one configuration from the table to the push, and says what came of it."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from gradgate.contracts import Tracking, Verdict
from gradgate.contracts.verdict import Decision, Offence
from pipeline.beam import Beam
from pipeline.configs import Config, load
from pipeline.listener import Listener, Outcome, Silence
from pipeline.quiet import hush
from pipeline.workspace import Workspace

WORKSPACE = Path("workspace")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One node of the pipeline, and how long it took."""

    name: str
    outcome: Outcome
    seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came of a run.

    Attributes:
        first_offence: Of the first finding that has one; None when nothing offended.
        pushed_version: None when nothing was pushed; `push_reason` says why.
        served_version: The newest version in the serving folder after the run; None when there
            is none.
        record: Directory of the health record.
        model: Directory of the exported model.
        examples: Directory of the raw examples, one folder for each split.
        seconds: Of the whole run, imports included.
    """

    config: str
    decision: Decision
    blessed: bool
    headline: str
    first_offence: Offence | None
    pushed_version: int | None
    push_reason: str
    served_version: int | None
    serving: Path
    verdict: Verdict
    verdict_path: Path
    report_path: Path
    record: Path
    model: Path
    examples: Path
    stages: tuple[Stage, ...]
    seconds: float

    @property
    def is_pushed(self) -> bool:
        """Whether this run's model is the one that is served now."""
        return self.pushed_version is not None


def run(
    config: Config | str,
    workspace: Path = WORKSPACE,
    listener: Listener | None = None,
    *,
    tracking: Tracking | None = None,
    fail_run_on_block: bool = False,
    beam: Beam | None = None,
) -> RunResult:
    """Runs the pipeline.

    The first call in a process imports TensorFlow, TFX and Beam: half a minute.

    Args:
        config: A configuration, or the name or path of one.
        workspace: Where everything is kept; later runs there use its cache.
        listener: Is told of every stage.
        tracking: How MLflow mirrors the run; None keeps a store in the workspace.
        fail_run_on_block: Raise if the gate blocked the model, after all of it was recorded.
        beam: What the Beam components run on; None is this process.

    Raises:
        ConfigError, DataError, PolicyError, BeamError: If what the run needs cannot be used.
        BlockedError: If the gate blocked the model, and `fail_run_on_block`.
        Exception: What a component raised. Else a blocked model is no error.
    """
    begin = time.monotonic()
    config = load(config) if isinstance(config, str) else config
    hush()
    from gradgate.tfx.node import no_arguments
    from pipeline.local_runner import ListeningRunner
    from pipeline.pipeline import EXAMPLE_GEN, GATE, PUSHER, TRAINER, create_pipeline

    place = Workspace(workspace.resolve())
    watch = _Stopwatch(listener or Silence())
    runner = ListeningRunner(watch)
    with no_arguments():
        runner.run(
            create_pipeline(
                config,
                place,
                tracking=tracking,
                fail_run_on_block=fail_run_on_block or None,
                beam=beam,
            )
        )
    gate, pushed = runner.outputs(GATE), runner.outputs(PUSHER)["pushed_model"]
    trainer, examples = runner.outputs(TRAINER), runner.outputs(EXAMPLE_GEN)["examples"]
    folder = Path(gate["verdict"].uri)
    verdict = Verdict.model_validate_json((folder / "verdict.json").read_bytes())
    version = pushed.custom_properties["pushed_version"].string_value
    return RunResult(
        config=config.name,
        decision=verdict.decision,
        blessed=verdict.blessed,
        headline=verdict.headline,
        first_offence=next((f.first_offence for f in verdict.findings if f.first_offence), None),
        pushed_version=int(version) if version else None,
        push_reason=pushed.custom_properties["reason"].string_value,
        served_version=max(_versions(place.serving(config)), default=None),
        serving=place.serving(config),
        verdict=verdict,
        verdict_path=folder / "verdict.json",
        report_path=folder / "report.html",
        record=Path(trainer["gradient_health"].uri),
        model=Path(trainer["model"].uri) / "Format-Serving",
        examples=Path(examples.uri),
        stages=tuple(watch.stages),
        seconds=time.monotonic() - begin,
    )


class _Stopwatch:
    """Keeps what it is told, and passes it on."""

    def __init__(self, listener: Listener) -> None:
        self.stages: list[Stage] = []
        self._listener = listener

    def expect(self, stages: Sequence[str]) -> None:
        self._listener.expect(stages)

    def stage_started(self, stage: str) -> None:
        self._listener.stage_started(stage)

    def stage_finished(self, stage: str, outcome: Outcome, seconds: float) -> None:
        self.stages.append(Stage(name=stage, outcome=outcome, seconds=seconds))
        self._listener.stage_finished(stage, outcome, seconds)


def _versions(folder: Path) -> tuple[int, ...]:
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else iter(())
    return tuple(int(name) for name in names if name.isdigit())
