"""Refuses the numbers that a transform cannot work with, in words that say which and why.

Every check raises a ValueError that names the transform, the field and the value.
"""

import math
from typing import Any, Final

_LEAST_NORMAL: Final = 2.0**-126  # of float32, by IEEE 754
_LEAVE_OUT: Final = "To train without clipping, leave the clip out of the chain."


def check_limit(clip: str, field: str, value: Any, *, remedy: str = _LEAVE_OUT) -> None:
    """Refuses a limit that is no finite number above 0, or that float32 cannot hold in full."""
    if not (_is_finite(value) and value > 0):
        raise ValueError(
            f"{clip}: {field} must be a finite number above 0, got {value!r}. {remedy}"
        )
    if value < _LEAST_NORMAL:
        raise ValueError(
            f"{clip}: {field} must be at least {_LEAST_NORMAL:.8g}, the least normal float32, got"
            f" {value!r}: a smaller one becomes 0 on most devices."
        )


def check_between(clip: str, field: str, value: Any, *, low: float, high: float) -> None:
    """Refuses what is no number between two others, both excluded."""
    if not (_is_finite(value) and low < value < high):
        raise ValueError(
            f"{clip}: {field} must be a number above {low} and below {high}, got {value!r}."
        )


def check_whole(clip: str, field: str, value: Any, *, least: int, most: int) -> None:
    """Refuses what is no whole number between two others, both included."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(
            f"{clip}: {field} must be a whole number from {least} to {most}, got {value!r}."
        )


def check_flag(clip: str, field: str, value: Any) -> None:
    """Refuses what is neither true nor false."""
    if not isinstance(value, bool):
        raise ValueError(f"{clip}: {field} must be true or false, got {value!r}.")


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
