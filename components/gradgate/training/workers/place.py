"""Where a thread is right now: in a step that waits for others, or somewhere else."""

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

import keras
import tensorflow as tf

import gradgate

_STEP: Final = str(Path("eager") / "execute.py")  # where TensorFlow calls a function, and waits
_LIBRARIES: Final = tuple(
    f"{Path(package.__file__ or '').parent}{os.sep}" for package in (gradgate, keras, tf)
)


class Place(NamedTuple):
    """A line of a program.

    Attributes:
        words: Such as `read in data.py:41`, of the training code's own line.
        is_in_step: Whether it waits there for a function of TensorFlow's: a step, as a rule.
    """

    words: str
    is_in_step: bool


def place_of(thread: int) -> Place:
    """Returns where a thread is.

    Args:
        thread: Its `threading.get_ident()`.
    """
    frame = sys._current_frames().get(thread)
    if frame is None:
        return Place("a thread that has ended", is_in_step=False)
    return Place(_words(frame), is_in_step=frame.f_code.co_filename.endswith(_STEP))


def _words(innermost: FrameType) -> str:
    """The innermost line that is not TensorFlow's, Keras's or ours; else the innermost of all."""
    frame: FrameType | None = innermost
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        frame = frame.f_back
    shown = frame or innermost
    return f"{shown.f_code.co_name} in {Path(shown.f_code.co_filename).name}:{shown.f_lineno}"
