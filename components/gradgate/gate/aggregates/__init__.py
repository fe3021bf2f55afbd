"""Aggregates: how the samples of a signal become the one number that a rule compares.

A new one is a file here, a class in `gradgate.contracts.aggregates`, and a line in `CORES`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gradgate.contracts.policy import Aggregate
from gradgate.gate.aggregates.base import Accumulator as Accumulator
from gradgate.gate.aggregates.base import Core
from gradgate.gate.aggregates.by_rank import ByRank
from gradgate.gate.aggregates.count import Count, Rate
from gradgate.gate.aggregates.improvement import Improvement
from gradgate.gate.aggregates.persistence import Persistence
from gradgate.gate.aggregates.quantile import Quantile
from gradgate.gate.aggregates.reduce import Last, Max, Mean, Min, Sum
from gradgate.gate.aggregates.rolling import RollingMax, RollingMin
from gradgate.gate.aggregates.slope import Slope
from gradgate.gate.aggregates.sustained_max import SustainedMax
from gradgate.gate.aggregates.tail_median import TailMedian
from gradgate.gate.aggregates.variation import Variation

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
    "variation": Variation,
    "rolling_max": RollingMax,
    "rolling_min": RollingMin,
    "sustained_max": SustainedMax,
    "persistence": Persistence,
    "improvement": Improvement,
    "tail_median": TailMedian,
}
REDUCTIONS: Final = frozenset({"sum", "mean", "max", "min", "last", "count"})


def accumulator(
    aggregate: Aggregate, *, columns: int, of_columns: int | None = None, kept: int | None = None
) -> Accumulator:
    """Returns an empty accumulator for the aggregate of a rule.

    Args:
        aggregate: What it computes.
        columns: That it accumulates.
        of_columns: Those of all accumulators of the rule, which share the memory of one; None
            where there are no others.
        kept: Numbers that the rule may keep in memory, where the number of samples decides on it;
            None for the usual.
    """
    numbers: dict[str, Any] = aggregate.model_dump(exclude={"fn"})
    core = CORES[aggregate.fn]
    if isinstance(core, type) and issubclass(core, ByRank):
        numbers |= {"of_columns": of_columns} | ({} if kept is None else {"kept": kept})
    return Accumulator(core(columns=columns, **numbers), columns=columns)
