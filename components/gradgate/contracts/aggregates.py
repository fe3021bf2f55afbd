"""Aggregates: how the samples of a signal become the one number that a rule compares.

What each computes stands in `gradgate.gate.aggregates`; here is what people may write.
"""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from gradgate.contracts.base import Contract

Comparison = Literal["==", "<", "<=", ">", ">="]


class Reduce(Contract):
    """Reduces the samples of a window by a plain function; `count` is how many they are."""

    fn: Literal["sum", "mean", "max", "min", "last", "count"]


class Rate(Contract):
    """How many of `per` samples are 1: the sum over the number of samples, times `per`."""

    fn: Literal["rate"]
    per: int = Field(default=1000, ge=1)


class Quantile(Contract):
    """The value below which a fraction `q` of the samples lies, linear between two of them."""

    fn: Literal["quantile"]
    q: FiniteFloat = Field(ge=0, le=1)


class Slope(Contract):
    """Rise from one sample to the next, of the straight line that fits best (least squares).

    Of a single sample there is none, and it fails.
    """

    fn: Literal["slope"]


class Variation(Contract):
    """Coefficient of variation: standard deviation over |mean|; its inverse is signal to noise.

    Of a single sample there is none, nor of a mean that is 0, and it fails.
    """

    fn: Literal["variation"]


class Rolling(Contract):
    """The greatest, or least, mean of `over` samples in a row; of all, if there are fewer."""

    fn: Literal["rolling_max", "rolling_min"]
    over: int = Field(ge=1, le=1000)


class SustainedMax(Contract):
    """The greatest value that was reached or passed in `steps` samples in a row."""

    fn: Literal["sustained_max"]
    steps: int = Field(ge=1, le=1000)


class Persistence(Contract):
    """How persistently samples compare so; a fault that healed does not count.

    The fraction of samples that do, over the window or over its last `tail` samples, whichever
    is smaller.
    """

    fn: Literal["persistence"]
    op: Comparison
    value: FiniteFloat
    tail: int = Field(default=100, ge=1, le=10_000)


class Improvement(Contract):
    """Relative fall of the median from the first `portion` to the last; positive when it fell."""

    fn: Literal["improvement"]
    portion: FiniteFloat = Field(default=0.1, gt=0, le=0.5)


class TailMedian(Contract):
    """Median of the last `portion` of the samples."""

    fn: Literal["tail_median"]
    portion: FiniteFloat = Field(default=0.1, gt=0, le=1)


Aggregate = Annotated[
    Reduce
    | Rate
    | Quantile
    | Slope
    | Variation
    | Rolling
    | SustainedMax
    | Persistence
    | Improvement
    | TailMedian,
    Field(discriminator="fn"),
]
