"""What the benchmark of detection knows of a program: what is wrong with it, and where."""

import dataclasses
from collections.abc import Callable

from programs.program import Program


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with a program, as its author knows.

    Attributes:
        kind: What a reader would call it.
        causes: Ids of the causes that are right: more than one where to mend either mends it.
        layers: Names of the layers where it shows first, any of them; none where the fault is of
            the run as a whole, such as a learning rate.
    """

    kind: str
    causes: tuple[str, ...]
    layers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A program, and the truth about it.

    Attributes:
        name: Unique, such as `sigmoid-stack`.
        what: One sentence.
        make: Returns the program, its weights drawn by the seed.
        fault: None of a sound one.
        is_for_tuning: Whether limits of the default policy may be chosen by looking at it.
    """

    name: str
    what: str
    make: Callable[[int], Program]
    fault: Fault | None = None
    is_for_tuning: bool = False
