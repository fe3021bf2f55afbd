"""The steps of a record in stretches, on any Beam runner; what was seen of them is merged in order.

A stretch is some parts of the record that follow each other. A watcher that remembers what came
before is shown all of them in a row, as one stretch. Workers read the record where the evidence
says that it lies, so it must lie where all of them see it.
"""

import dataclasses
import itertools
import pickle
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

from gradgate.gate.engines.base import EngineError, Tally, Watcher
from gradgate.gate.evidence import Evidence, Stretch

_ROWS = 1 << 16  # of a stretch, at least: with fewer, setting out costs more than reading


class BeamEngine:
    """Shows the steps to watchers on the workers of a Beam pipeline.

    Args:
        make_pipeline: Makes a pipeline, anew for each pass over the steps.
        rows: Steps of a stretch, at least.
    """

    def __init__(self, make_pipeline: Callable[[], beam.Pipeline], *, rows: int = _ROWS) -> None:
        self._make_pipeline, self._rows = make_pipeline, rows

    @classmethod
    def of(cls, arguments: Sequence[str], *, rows: int = _ROWS) -> "BeamEngine":
        """Returns the engine of a pipeline with such arguments, as `--runner=FlinkRunner`."""
        return cls(lambda: beam.Pipeline(options=PipelineOptions(list(arguments))), rows=rows)

    def __call__(self, evidence: Evidence, watchers: Sequence[Watcher]) -> None:
        """Shows all steps of the evidence to all watchers, once.

        Raises:
            EngineError: If the pipeline failed.
            UnreadableError: What reading the steps raised on a worker.
        """
        if evidence.stretches is None:
            raise EngineError("the Beam engine reads records on disk, and this one is in memory.")
        groups = ([w for w in watchers if not w.remembers], [w for w in watchers if w.remembers])
        cuts = (_stretches(evidence, self._rows), [evidence.stretches])
        tasks = [
            _Task(group=group, number=number, stretches=stretches)
            for group, watching in enumerate(groups)
            if watching and evidence.stretches
            for number, stretches in enumerate(cuts[group])
        ]
        problems = []
        for run in self._run(tasks, groups) if tasks else ():
            for watcher, tally in zip(groups[run.group], run.tallies, strict=True):
                watcher.tally.merge(tally)
            problems += [run.problem] if run.problem else []
        if problems:
            raise problems[0]

    def _run(self, tasks: "list[_Task]", groups: Sequence[Sequence[Watcher]]) -> "list[_Run]":
        """Runs the pipeline; returns what was seen, one run for each group."""
        try:
            runs = _results(self._make_pipeline(), tasks, groups)
        except Exception as error:
            raise EngineError(
                f"the Beam pipeline failed: {type(error).__name__}: {error}. Mend its arguments, or"
                " judge with the in-process engine."
            ) from error
        expected = [
            (group, 0, len(list(tasks_of)))
            for group, tasks_of in itertools.groupby(tasks, key=lambda task: task.group)
        ]
        if [(run.group, run.first, run.stop) for run in runs] != expected:
            raise EngineError("the Beam pipeline lost some of the steps. Judge again.")
        return runs


class UnreadableError(Exception):
    """What reading the steps raised on a worker.

    Attributes:
        code, message: Those of what was raised there.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    @classmethod
    def of(cls, error: Exception) -> "UnreadableError":
        """Returns an error that says the same, and can be sent."""
        message = str(getattr(error, "message", "")) or str(error) or type(error).__name__
        return cls(str(getattr(error, "code", "T-CORRUPT")), message)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Task:
    """Which watchers are to see which steps."""

    group: int
    number: int
    stretches: tuple[Stretch, ...]


@dataclasses.dataclass(kw_only=True)
class _Run:
    """What a group of watchers saw of stretches that follow each other.

    Attributes:
        first, stop: Numbers of the stretches, from `first` to before `stop`.
        problem: What ended the reading, after which nobody sees anything; None if nothing did.
    """

    group: int
    first: int
    stop: int
    tallies: list[Tally]
    problem: UnreadableError | None

    def goes_on_with(self, other: "_Run") -> bool:
        return self.group == other.group and self.stop == other.first

    def take(self, later: "_Run") -> None:
        self.stop = later.stop
        if self.problem is None:
            self.problem = later.problem
            for mine, theirs in zip(self.tallies, later.tallies, strict=True):
                mine.merge(theirs)


class MergeInOrder(beam.CombineFn):  # type: ignore[misc]
    """Puts runs of stretches into order, and merges those that follow each other."""

    def create_accumulator(self) -> list[_Run]:  # noqa: D102 - Beam says what the methods do
        return []

    def add_input(self, accumulator: list[_Run], element: _Run) -> list[_Run]:  # noqa: D102
        return _in_order([*accumulator, element])

    def merge_accumulators(self, accumulators: Iterable[list[_Run]]) -> list[_Run]:  # noqa: D102
        return _in_order(itertools.chain.from_iterable(accumulators))

    def extract_output(self, accumulator: list[_Run]) -> list[_Run]:  # noqa: D102
        return accumulator


def _in_order(runs: Iterable[_Run]) -> list[_Run]:
    merged: list[_Run] = []
    for run in sorted(runs, key=lambda run: (run.group, run.first)):
        if merged and merged[-1].goes_on_with(run):
            merged[-1].take(run)
        else:
            merged.append(run)
    return merged


class _Show(beam.DoFn):  # type: ignore[misc]
    """Shows a stretch to watchers of its own."""

    def __init__(self, groups: bytes) -> None:
        self._groups = groups

    def process(self, element: bytes) -> Iterator[_Run]:
        task: _Task = pickle.loads(element)  # noqa: S301 - from the process that judges
        watchers: Sequence[Watcher] = pickle.loads(self._groups)[task.group]  # noqa: S301
        problem = None
        for watcher in watchers:
            watcher.tally.begin_stretch(task.number)
        try:
            for stretch in task.stretches:
                for batch in stretch():
                    for watcher in watchers:
                        watcher.feed(batch)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a record blocks
            problem = UnreadableError.of(error)
        for watcher in watchers:
            watcher.tally.end_stretch()
        tallies = [watcher.tally for watcher in watchers]
        yield _Run(
            group=task.group,
            first=task.number,
            stop=task.number + 1,
            tallies=tallies,
            problem=problem,
        )


def _keep(runs: list[_Run], path: str) -> None:
    """Writes the result where the process that judges finds it."""
    with FileSystems.create(path) as file:
        file.write(pickle.dumps(runs))


def _results(
    pipeline: beam.Pipeline, tasks: Sequence[_Task], groups: Sequence[Sequence[Watcher]]
) -> list[_Run]:
    shared = pipeline.options.view_as(GoogleCloudOptions).temp_location
    with tempfile.TemporaryDirectory(prefix="gradgate-") as own:
        path = FileSystems.join(shared or own, f"gradgate-{uuid.uuid4().hex}.pickle")
        with pipeline:
            _ = (
                pipeline
                | "Stretches" >> beam.Create([pickle.dumps(task) for task in tasks])
                | "Spread" >> beam.Reshuffle()
                | "Show" >> beam.ParDo(_Show(pickle.dumps(groups)))
                | "Merge" >> beam.CombineGlobally(MergeInOrder()).without_defaults()
                | "Keep" >> beam.Map(_keep, path)
            )
        try:
            with FileSystems.open(path) as file:
                runs: list[_Run] = pickle.loads(file.read())  # noqa: S301 - by our own workers
        finally:
            FileSystems.delete([path])
    return runs


def _stretches(evidence: Evidence, rows: int) -> list[tuple[Stretch, ...]]:
    """Parts that follow each other, together at least so many rows."""
    found: list[tuple[Stretch, ...]] = []
    open_rows = rows
    for part, stretch in zip(evidence.manifest.parts, evidence.stretches or (), strict=True):
        if open_rows >= rows:
            found.append(())
            open_rows = 0
        found[-1] = (*found[-1], stretch)
        open_rows += part.rows
    return found
