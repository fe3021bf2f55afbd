"""What is typical of each layer, in numbers and in a sentence."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.plots.scales import short
from gradgate.gate.plots.sheet import cut


def medians(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median over time of each row [rows]; NaN where nothing was finite."""
    known = [row[np.isfinite(row)] for row in rows]
    return np.array([np.median(row) if row.size else np.nan for row in known])


def typically(typical: NDArray[np.float64], names: Sequence[str], *, letters: int) -> str:
    """`Typically 1e-9 in first to 0.5 in head.`; empty if nothing is known of any layer.

    Args:
        typical: A number a layer, NaN where none is known.
        names: Of the layers.
        letters: Most letters of a name.
    """
    if not np.isfinite(typical).any():
        return ""
    low, high = int(np.nanargmin(typical)), int(np.nanargmax(typical))
    if short(typical[low]) == short(typical[high]):
        return f"Typically {short(typical[low])}."
    return (
        f"Typically {short(typical[low])} in {cut(names[low], letters)} to"
        f" {short(typical[high])} in {cut(names[high], letters)}."
    )
