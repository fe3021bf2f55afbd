"""From a number to its place on an axis, and the ticks of that axis."""

import dataclasses
import math
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradgate.gate.wording import percent


class Scale(Protocol):
    """What an axis asks of its scale."""

    def share(self, values: ArrayLike) -> NDArray[np.float64]:
        """The place of each value between the ends, in [0, 1]; NaN stays NaN."""

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """At most so many shares with what is written there."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Linear:
    """Even steps from `low` to `high`, which is greater; shares are written in percent."""

    low: float
    high: float
    is_share: bool = False

    def share(self, values: ArrayLike) -> NDArray[np.float64]:
        """The place of each value between the ends."""
        share = (np.asarray(values, np.float64) - self.low) / (self.high - self.low)
        return np.asarray(np.clip(share, 0.0, 1.0))

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Round numbers."""
        say = percent if self.is_share else short
        return [
            (float(self.share(value)), say(value))
            for value in round_steps(self.low, self.high, most)
        ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Log:
    """Decades from 10^`low` to 10^`high`, whole numbers; a zero lies at the lower end."""

    low: int
    high: int

    def share(self, values: ArrayLike) -> NDArray[np.float64]:
        """The place of each value, which is at least 0, between the ends."""
        floor = np.maximum(np.asarray(values, np.float64), 10.0**self.low)
        share = (np.log10(floor) - self.low) / (self.high - self.low)
        return np.asarray(np.clip(share, 0.0, 1.0))

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Powers of ten, each or every so many; of one decade alone also 2 and 5."""
        decades = self.high - self.low
        if decades == 1:
            values = [factor * 10.0**self.low for factor in (1, 2, 5, 10)]
            return [(float(self.share(value)), short(value)) for value in values]
        every = max(1, math.ceil(decades / max(most - 1, 1)))
        return [
            ((power - self.low) / decades, short(10.0**power))
            for power in range(self.low, self.high + 1)
            if power % every == 0
        ]


def log_scale(values: NDArray[np.float64], *, least: float = 0.0, most: float = math.inf) -> Log:
    """Returns the decades that hold all finite values above 0, as far as `least` and `most`."""
    known = values[np.isfinite(values) & (values > 0)]
    if not known.size:
        return Log(low=-1, high=1)
    low = math.floor(math.log10(min(max(float(known.min()), least), most)) + 1e-9)
    high = math.ceil(math.log10(max(min(float(known.max()), most), least)) - 1e-9)
    return Log(low=min(low, high - 1), high=high)


def linear_scale(values: NDArray[np.float64]) -> Linear:
    """Returns a scale with some room around all finite values; from 0, if that is near."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if 0 <= low < 0.6 * high:
        low = 0.0
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return Linear(low=low if low == 0.0 else low - room, high=high + room)


def round_steps(low: float, high: float, most: int) -> list[float]:
    """At most so many round numbers from `low` to `high`: multiples of 1, 2 or 5 times 10^n."""
    rough = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 5, 10, 20) if (high - low) / (f * power) <= most)
    first = math.ceil(low / step - 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A number with three digits, such as `0.05`, `1500` or `1e-9`."""
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        digits, _, power = f"{value:.2e}".partition("e")
        return f"{float(digits):g}e{int(power)}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
