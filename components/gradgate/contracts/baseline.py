"""Baselines in a policy: which earlier trainings a rule compares with, and what if there are none.

A rule with `compare` speaks of the ratio to, or the difference from, what the last healthy
trainings of the pipeline measured, or what one pinned training did.
"""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, StringConstraints, model_validator

from gradgate.contracts.base import Contract
from gradgate.contracts.times import Instant

VerdictId = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
DEFAULT_FLOOR = 1e-12


class Comparability(Contract):
    """How alike two trainings must be to be compared.

    Attributes:
        min_shared_variables: Least part of all their variables that both must have, in (0, 1].
        same_optimizer: Whether both must have the same kind of optimizer, such as Adam.
    """

    min_shared_variables: FiniteFloat = Field(default=0.9, gt=0, le=1)
    same_optimizer: bool = True


class Baseline(Contract):
    """What rules with `compare` compare with.

    Attributes:
        last: How many trainings make a baseline: the last healthy ones, by their median.
        since: Only trainings that were judged from then on. To begin anew, as after a change of
            architecture, set it to now, by a commit that somebody reviews.
        anchor: Id of one verdict that is compared with for ever: the last ones alone let a slow
            drift pass.
        on_absent: What a rule does that finds no baseline at all: `warn`, `block`, or
            `absolute_only`, which leaves the other rules to decide. The verdict says `bootstrap`.
        comparable_if: Trainings that are less alike are not compared; with none left the rule is
            unknown.
    """

    last: int = Field(default=5, ge=1, le=50)
    since: Instant | None = None
    anchor: VerdictId | None = None
    on_absent: Literal["warn", "block", "absolute_only"] = "warn"
    comparable_if: Comparability = Comparability.model_construct()


class Relative(Contract):
    """Makes a rule speak of its number against that of a baseline.

    Attributes:
        to: The `baseline`, the median of the last healthy trainings, or the `anchor`.
        how: In a policy, `as`: the `ratio` to it, or the `difference` from it.
        floor: Of a ratio: a baseline nearer to 0 gives none, and the rule is unknown. None is
            1e-12.
    """

    to: Literal["baseline", "anchor"]
    how: Literal["ratio", "difference"] = Field(default="ratio", alias="as")
    floor: FiniteFloat | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _floor_of_a_ratio(self) -> "Relative":
        if self.how == "difference" and self.floor is not None:
            raise ValueError("a difference needs no floor; remove it")
        return self

    @property
    def least(self) -> float:
        """The baseline nearest to 0 that has a ratio; 0 where any will do."""
        return 0.0 if self.how == "difference" else self.floor or DEFAULT_FLOOR
