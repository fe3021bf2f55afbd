"""What a person sees while pipelines run, with and without a terminal."""

import io
import os
import subprocess
import sys

from rich.console import Console

from gradgate.telemetry.sinks.progress import Progress
from pipeline.chatter import chatter_to
from pipeline.terminal import LiveScreen, describe, open_screen


def progress(**changes):
    fields = {
        "step": 480,
        "planned_steps": 800,
        "epoch": 1,
        "loss": 0.25,
        "global_norm": 1.5,
        "clip_rate": 0.125,
        "nonfinite_steps": 0,
    }
    return Progress(**fields | changes)


def test_progress_says_step_loss_norm_and_clip_rate():
    assert describe(progress()) == "step 480/800  loss 0.2500  global norm 1.5  clipped 12%"


def test_progress_says_what_is_not_known_or_not_finite():
    text = describe(progress(planned_steps=None, loss=None, nonfinite_steps=3))
    assert text.startswith("step 480  loss not shown")
    assert text.endswith("non-finite steps 3")


def test_without_a_terminal_each_stage_is_a_plain_line():
    stream = io.StringIO()
    with open_screen(stream) as screen:
        screen.title("sound: a description")
        screen.expect(["A", "B"])
        screen.stage_started("A")
        screen.stage_finished("A", "done", 1.25)
        screen.stage_started("B")
        screen.stage_finished("B", "cached", 0.01)
    assert stream.getvalue().splitlines() == [
        "",
        "sound: a description",
        "   ✓ A                        1.2 s",
        "   ✓ B                       cached",
    ]


def test_on_a_terminal_the_list_shows_what_runs_and_what_waits_and_stays_when_over():
    stream = io.StringIO()
    screen = LiveScreen(Console(file=stream, force_terminal=True, width=100, color_system=None))
    screen.title("sound")
    screen.expect(["A", "Trainer", "Gate"])
    screen.stage_started("A")
    screen.stage_finished("A", "done", 1.0)
    screen.stage_started("Trainer")
    screen.training(progress())
    shown = Console(width=100, color_system=None)
    with shown.capture() as drawn:
        shown.print(screen)
    lines = drawn.get().splitlines()
    assert "✓ A" in lines[0]
    assert "Trainer" in lines[1]
    assert "step 480/800" in lines[2]
    assert lines[3].split() == ["·", "Gate"]
    screen.close()
    assert "✓ A" in stream.getvalue().splitlines()[-1]


def test_the_list_does_not_draw_what_libraries_print_onto_the_terminal():
    stream = io.StringIO()
    screen = LiveScreen(Console(file=stream, force_terminal=True, width=80, color_system=None))
    before = sys.stdout, sys.stderr
    screen.title("sound")
    assert (sys.stdout, sys.stderr) == before
    screen.close()


def test_what_libraries_print_goes_to_the_log_and_the_terminal_stays_ours(tmp_path):
    code = f"""
import os, sys
from pathlib import Path
from pipeline.chatter import chatter_to
with chatter_to(Path({str(tmp_path / "a" / "chatter.log")!r})) as terminal:
    print("python chatter")
    os.write(2, b"C++ chatter\\n")
    print("for people", file=terminal)
print("afterwards")
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == "for people\nafterwards\n"
    log = (tmp_path / "a" / "chatter.log").read_text()
    assert "python chatter" in log
    assert "C++ chatter" in log


def test_the_terminal_comes_back_after_an_error(tmp_path, capfd):
    try:
        with chatter_to(tmp_path / "log"):
            os.write(1, b"hidden\n")
            raise RuntimeError("a component raised")
    except RuntimeError:
        os.write(1, b"shown\n")
    assert capfd.readouterr().out == "shown\n"
