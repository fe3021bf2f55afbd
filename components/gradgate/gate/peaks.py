"""The greatest finite value of a training, told where a NaN stands in its place.

An aggregate of samples with a NaN among them is NaN, which fails as it must; but how large the
numbers grew before is what a person wants to know.
"""

import math
from collections.abc import Iterable, Iterator

from gradgate.contracts.summary import SeriesSummary
from gradgate.gate.evidence import Evidence
from gradgate.gate.signals import Signal


def finite_peak(
    signal: Signal, value: float, variables: Iterable[str | None], evidence: Evidence
) -> str:
    """Returns `the greatest finite one 3.8e+11 at step 31 in PATH`; empty where not needed.

    It is that of the whole training, as its summary has it: a rule's window may begin later.

    Args:
        signal: What is judged; of some signals alone a peak says something.
        value: The aggregate; nothing is said where it is finite.
        variables: Paths of those that are judged; of a signal of the run, None.
        evidence: Of one optimizer's training.
    """
    if math.isfinite(value):
        return ""
    found = [
        (series.greatest, series.greatest_step, path)
        for path, series in _series(signal.name, set(variables), evidence)
        if series.greatest is not None
    ]
    greatest, step, path = max(found, key=lambda each: each[0], default=(None, None, ""))
    if greatest is None:
        return ""
    where = f" in {path}" if path else ""
    at = "" if step is None else f" at step {step}"
    return f"the greatest finite one {greatest:.4g}{at}{where}"


def _series(
    signal: str, variables: set[str | None], evidence: Evidence
) -> Iterator[tuple[str, SeriesSummary]]:
    summary = evidence.summary
    if signal == "variable.norm":
        yield from ((v.path, v.norm) for v in summary.variables if v.path in variables)
    if signal == "gradient.global_norm":
        yield "", summary.global_norm
    if signal == "loss":
        yield "", summary.loss
