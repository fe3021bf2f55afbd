"""What a verdict leaves behind for later trainings: the numbers that they are compared with.

They are part of the verdict, so that a healthy one is a baseline by itself: named by its id, fit to
be signed, and readable when the record is long gone.
"""

from typing import Any

from gradgate.contracts.base import Number, Recorded


class MeasuredValue(Recorded):
    """The aggregated signal of one variable or layer (None: of the run), whatever was expected."""

    variable: str | None = None
    value: Number
    samples: int = 0


class Measurement(Recorded):
    """What a rule on a baseline measured, for later trainings to be compared with.

    Signal, aggregate and window are those of the rule: another rule that has the same ones asks
    the same.
    """

    signal: str
    aggregate: dict[str, Any]
    window: dict[str, Any]
    values: tuple[MeasuredValue, ...]


class Reference(Recorded):
    """What later trainings are compared with, of one optimizer.

    Attributes:
        optimizer: Its name; None when there was but one.
        kind: Keras class name, such as `Adam`.
        variables: Paths of all trainable variables.
    """

    optimizer: str | None = None
    kind: str
    variables: tuple[str, ...]
    measurements: tuple[Measurement, ...] = ()
