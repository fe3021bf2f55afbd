"""The comparison that a rule passes by, and the order from worst to best of what does not pass.

True only of a finite number, so NaN and infinity pass no comparison, whichever way it points.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final

import numpy as np

from gradgate.contracts.policy import Between, Compare, Comparison
from gradgate.gate.evidence import Bools, Float64s

_OPERATORS: Final[Mapping[Comparison, np.ufunc]] = {
    "==": np.equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_WORDS: Final[Mapping[Comparison, str]] = {
    "==": "exactly",
    "<": "below",
    "<=": "at most",
    ">": "above",
    ">=": "at least",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """What is expected where each column has limits of its own, float64 [k], both included.

    Crossed where no number would do. Of a single column they are float64 [].
    """

    low: Float64s
    high: Float64s

    def of(self, column: int) -> "Limits":
        """Those of one column."""
        return Limits(low=self.low[column, ...], high=self.high[column, ...])


Expected = Compare | Between | Limits


def holds(expect: Expected, values: Float64s) -> Bools:
    """Whether each value is finite and as expected; same shape, bool."""
    finite = np.isfinite(values)
    if isinstance(expect, Between | Limits):
        return finite & (values >= expect.low) & (values <= expect.high)
    return finite & compare(values, expect.op, expect.value)


def compare(values: Float64s, op: Comparison, limit: float | Float64s) -> Bools:
    """`value op limit` for each value; false of NaN, by IEEE 754."""
    result: Bools = _OPERATORS[op](values, limit)
    return result


def badness(expect: Compare | Between, values: Float64s) -> Float64s:
    """How far each value is on the wrong side: larger is worse, infinite where not finite."""
    if isinstance(expect, Between):
        distance = np.maximum(expect.low - values, values - expect.high)
    elif expect.op == "==":
        distance = np.abs(values - expect.value)
    elif expect.op in {"<", "<="}:
        distance = values - expect.value
    else:
        distance = expect.value - values
    return np.where(np.isfinite(values), distance, np.inf)


def in_words(expect: Compare | Between, *, as_percent: bool = False) -> str:
    """The expectation as a person says it, such as `at most 0.5` or `at most 50%`."""
    scale, unit = (100, "%") if as_percent else (1, "")
    if isinstance(expect, Between):
        return f"from {scale * expect.low:g}{unit} to {scale * expect.high:g}{unit}"
    return f"{_WORDS[expect.op]} {scale * expect.value:g}{unit}"
