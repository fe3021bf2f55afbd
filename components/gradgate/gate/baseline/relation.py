"""The arithmetic of a rule on a baseline: how far its number is from an earlier one."""

import dataclasses
from typing import Literal

import numpy as np

from gradgate.gate.evidence import Float64s, Ints


@dataclasses.dataclass(frozen=True, kw_only=True)
class Relation:
    """What the columns of a rule are compared with.

    Attributes:
        to: The last healthy trainings, or the pinned one.
        reference: float64 [k], finite; of a ratio none is near 0.
        of: int64 [k], how many trainings each is the median of.
    """

    to: Literal["baseline", "anchor"]
    how: Literal["ratio", "difference"]
    reference: Float64s
    of: Ints

    def compared(self, values: Float64s, part: slice = slice(None)) -> Float64s:
        """The ratio or difference of values, float64 [..., k], or of some columns of them.

        Not finite where a value is not, or where the result is too large for a float.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            if self.how == "ratio":
                return np.divide(values, self.reference[part])
            return np.subtract(values, self.reference[part])
