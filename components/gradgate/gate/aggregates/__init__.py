"""Aggregates: how the samples of a signal become the one number that a rule compares.

A new one is a file here, a class in `gradgate.contracts.aggregates`, and a line in `CORES`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gradgate.contracts.policy import Aggregate
from gradgate.gate.aggregates.base import Accumulator as Accumulator
from gradgate.gate.aggregates.base import Core
from gradgate.gate.aggregates.count import Count, Rate
from gradgate.gate.aggregates.improvement import Improvement
from gradgate.gate.aggregates.persistence import Persistence
from gradgate.gate.aggregates.quantile import Quantile
from gradgate.gate.aggregates.reduce import Last, Max, Mean, Min, Sum
from gradgate.gate.aggregates.rolling import RollingMax, RollingMin
from gradgate.gate.aggregates.slope import Slope
from gradgate.gate.aggregates.sustained_max import SustainedMax
from gradgate.gate.aggregates.tail_median import TailMedian

CORES: Final[Mapping[str, Callable[..., Core]]] = {
    "sum": Sum,
    "mean": Mean,
    "max": Max,
    "min": Min,
    "last": Last,
    "count": Count,
    "rate": Rate,
    "quantile": Quantile,
    "slope": Slope,
    "rolling_max": RollingMax,
    "rolling_min": RollingMin,
    "sustained_max": SustainedMax,
    "persistence": Persistence,
    "improvement": Improvement,
    "tail_median": TailMedian,
}
REDUCTIONS: Final = frozenset({"sum", "mean", "max", "min", "last", "count"})


def accumulator(aggregate: Aggregate, *, columns: int) -> Accumulator:
    """Returns an empty accumulator for the aggregate of a rule."""
    numbers: dict[str, Any] = aggregate.model_dump(exclude={"fn"})
    return Accumulator(CORES[aggregate.fn](columns=columns, **numbers), columns=columns)
