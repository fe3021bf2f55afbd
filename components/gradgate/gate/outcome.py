"""What became of a rule on several columns: which failed, which of them are waived, what stands."""

import dataclasses
import math

from gradgate.contracts.policy import AtMost, Fraction, Quantifier
from gradgate.gate.evidence import Bools


def may_fail(quantifier: Quantifier, columns: int) -> int:
    """Returns how many columns may fail; one at least always must hold, or nothing is proven."""
    if isinstance(quantifier, AtMost):
        allowed = quantifier.at_most
    elif isinstance(quantifier, Fraction):
        allowed = math.floor(quantifier.fraction * columns)
        # The product is rounded; what counts is the comparison of the part itself.
        allowed += (allowed + 1) / columns <= quantifier.fraction
    else:
        allowed = columns if quantifier == "any" else 0
    return min(allowed, columns - 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """The columns of one rule, judged.

    A column that is not finite is never one of those that may fail.

    Attributes:
        failed: bool [k], the columns that are not as expected.
        finite: bool [k].
        waived: bool [k], the columns that a waiver covers.
        may_fail: How many columns may fail.
    """

    failed: Bools
    finite: Bools
    waived: Bools
    may_fail: int = 0

    @property
    def is_bad(self) -> bool:
        """Whether the rule failed, whatever is waived."""
        return self._breaks(self.failed)

    @property
    def is_waived(self) -> bool:
        """Whether it failed, and would not have without what is waived."""
        return self.is_bad and not self._breaks(self.failed & ~self.waived)

    @property
    def blamed(self) -> Bools:
        """The columns that the rule failed by: those that are not waived, if they are enough."""
        if not self.is_bad:
            nobody: Bools = self.failed & False
            return nobody
        return self.failed if self.is_waived else self.failed & ~self.waived

    @property
    def hopeless(self) -> Bools:
        """Of the columns that the rule failed by, those that alone are enough."""
        found: Bools = self.blamed & ~self.finite
        return found

    def _breaks(self, columns: Bools) -> bool:
        return int(columns.sum()) > self.may_fail or bool((columns & ~self.finite).any())
