"""What a person sees while pipelines run: a live list of stages, or plain lines without a terminal.

A `Screen` is told what happens; it decides nothing. `open_screen` picks the kind that fits.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from gradgate.telemetry.sinks.progress import Progress

_MARK = {
    "done": ("✓", "green"),
    "cached": ("✓", "green dim"),
    "skipped": ("-", "dim"),
    "failed": ("✗", "bold red"),
}


class Screen:
    """Plain lines, each when something is over: for a log, a pipe, a build server."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._reported = 0.0

    def title(self, text: str) -> None:
        """A new chapter, such as one pipeline run."""
        self.console.print(f"\n[bold]{text}[/bold]", highlight=False)

    def close(self) -> None:
        """Nothing more will happen in this chapter."""

    def expect(self, stages: Sequence[str]) -> None:
        """The stages that will come, in order."""

    def stage_started(self, stage: str) -> None:  # noqa: ARG002 - a plain screen says it later
        """A stage begins."""
        self._reported = time.monotonic()

    def training(self, progress: Progress) -> None:
        """The training of the present stage gets on; said at most every 5 seconds."""
        if time.monotonic() - self._reported >= 5:
            self._reported = time.monotonic()
            self.console.print(Text(f"    {describe(progress)}"), highlight=False)

    def stage_finished(self, stage: str, outcome: str, seconds: float) -> None:
        """A stage is over."""
        self.console.print(_line(stage, outcome, seconds), highlight=False)


class LiveScreen(Screen):
    """The stages of a chapter, redrawn in place, with a progress bar under the one that trains.

    Finished stages are part of what is redrawn and are printed for good when the chapter is over:
    printing above a running `Live` from another thread can tear.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None
        self._finished: list[Text] = []
        self._waiting: list[str] = []
        self._running: dict[str, float] = {}
        self._progress: Progress | None = None
        self._spinner = Spinner("dots", style="cyan")

    def title(self, text: str) -> None:
        """Ends the chapter before, and begins to draw a new one."""
        self.close()
        super().title(text)
        self._live = Live(
            self,
            console=self.console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,  # what libraries print belongs into the log, not above the list
            redirect_stderr=False,
        )
        self._live.start()

    def close(self) -> None:
        """Stops drawing and leaves the finished stages on the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        for line in self._finished:
            self.console.print(line)
        self._finished, self._waiting, self._running, self._progress = [], [], {}, None

    def expect(self, stages: Sequence[str]) -> None:
        """Lists them below the running one."""
        self._waiting = list(stages)

    def stage_started(self, stage: str) -> None:
        """Moves it from the list to where a spinner turns."""
        self._progress = None
        self._waiting = [other for other in self._waiting if other != stage]
        self._running[stage] = time.monotonic()

    def training(self, progress: Progress) -> None:
        """Moves the bar."""
        self._progress = progress

    def stage_finished(self, stage: str, outcome: str, seconds: float) -> None:
        """Ticks it off."""
        self._running.pop(stage, None)
        self._progress = None
        self._finished.append(_line(stage, outcome, seconds))

    def __rich__(self) -> RenderableType:
        """What is redrawn, always as things stand."""
        rows: list[RenderableType] = list(self._finished)
        for stage, since in tuple(self._running.items()):
            line = Table.grid(padding=(0, 1))
            seconds = Text(f"{time.monotonic() - since:5.1f} s", style="dim")
            line.add_row(Text(" "), self._spinner, Text(f"{stage:<22}", style="cyan"), seconds)
            rows.append(line)
            if self._progress is not None:
                rows.append(_bar(self._progress))
        rows += [Text(f"   · {stage}", style="dim") for stage in self._waiting]
        return Group(*rows)


@contextmanager
def open_screen(stream: TextIO) -> Iterator[Screen]:
    """Yields the screen that fits: live on a terminal, plain lines elsewhere."""
    console = Console(file=stream, highlight=False)
    screen = LiveScreen(console) if console.is_terminal else Screen(console)
    try:
        yield screen
    finally:
        screen.close()


def describe(progress: Progress) -> str:
    """One line: step, loss, gradient norm, clip rate, non-finite steps."""
    total = "" if progress.planned_steps is None else f"/{progress.planned_steps:,}"
    loss = "not shown" if progress.loss is None else f"{progress.loss:.4f}"
    text = (
        f"step {progress.step:,}{total}  loss {loss}  global norm {progress.global_norm:.3g}"
        f"  clipped {progress.clip_rate:.0%}"
    )
    if progress.nonfinite_steps:
        text += f"  non-finite steps {progress.nonfinite_steps:,}"
    return text


def _bar(progress: Progress) -> RenderableType:
    line = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=progress.planned_steps, completed=progress.step, width=24)
    style = "bold red" if progress.nonfinite_steps else "yellow" if progress.clip_rate > 0.5 else ""
    line.add_row(Text("    "), bar, Text(describe(progress), style=style))
    return line


def _line(stage: str, outcome: str, seconds: float) -> Text:
    mark, style = _MARK[outcome]
    took = f"{seconds:5.1f} s" if outcome in {"done", "failed"} else f"{outcome:>7}"
    return Text.assemble("   ", (mark, style), f" {stage:<22} ", (took, "dim"))
