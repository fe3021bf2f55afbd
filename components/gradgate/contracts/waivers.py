"""Waivers: who lets a rule go by, for which layers, until when.

They are a file of their own, so that it can have other reviewers than the policy. A waived rule is
still asked and shown with its value; it warns instead of blocking. What says that the evidence is
not in order cannot be waived, but for the age of a training: `WAIVABLE_CHECKS`.
"""

import unicodedata
from collections import Counter
from datetime import timedelta
from typing import Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from gradgate.contracts.base import Contract
from gradgate.contracts.policy import Identifier
from gradgate.contracts.times import Instant, instant

MAX_DAYS: Final = 90
WAIVABLE_CHECKS: Final = frozenset({"T-STALE"})
"""Checks that a waiver may name like a rule. What spoils the evidence itself is not among them."""
_MAX_AT_ONCE: Final = 2


class WaiverScope(Contract):
    """What a waiver is about; the narrower, the better.

    Attributes:
        layers: Globs over variables, or over layers where the rule is on layers. None is all; only
            then a rule that could not be judged is waived too.
        training_uid: Of the one training that it is for; None is any.
    """

    layers: tuple[str, ...] | None = Field(default=None, min_length=1)
    training_uid: str | None = Field(default=None, min_length=1)


class Waiver(Contract):
    """One rule, let go by for a while.

    Attributes:
        policy, rule: Ids of the policy and of its rule, or of one of `WAIVABLE_CHECKS`.
        owner: Who answers for it.
        approved_by: Somebody else, who agreed.
        created, expires: In force from the one on until just before the other; at most 90 days.
    """

    id: Identifier
    policy: str
    rule: str
    scope: WaiverScope = WaiverScope.model_construct()
    reason: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    approved_by: str = Field(min_length=1)
    created: Instant
    expires: Instant

    @field_validator("owner", "approved_by")
    @classmethod
    def _somebody(cls, name: str) -> str:
        if not _person(name):
            raise ValueError(f"got {name!r}, which names nobody")
        return name

    @field_validator("approved_by")
    @classmethod
    def _by_somebody_else(cls, approver: str, info: ValidationInfo) -> str:
        owner = info.data.get("owner")
        if owner is not None and _person(owner) == _person(approver):
            raise ValueError(f"{approver} owns this waiver too; somebody else must approve it")
        return approver

    @field_validator("expires")
    @classmethod
    def _within_the_horizon(cls, expires: str, info: ValidationInfo) -> str:
        created = info.data.get("created")
        if created is not None:
            length = instant(expires) - instant(created)
            if length <= timedelta(0):
                raise ValueError(f"must be later than created, {created}; got {expires}")
            if length > timedelta(days=MAX_DAYS):
                raise ValueError(
                    f"is {length.days} days after created; a waiver lasts at most {MAX_DAYS} days"
                )
        return expires

    @property
    def days(self) -> float:
        """How many days it is in force."""
        return (instant(self.expires) - instant(self.created)) / timedelta(days=1)


class Waivers(Contract):
    """All waivers of one policy.

    Not more than two may end at the same instant: many with one far end are a policy that nobody
    keeps.
    """

    api_version: Literal["gradgate/v1"] = Field(alias="apiVersion")
    kind: Literal["Waivers"]
    waivers: tuple[Waiver, ...]

    @field_validator("waivers")
    @classmethod
    def _apart(cls, waivers: tuple[Waiver, ...]) -> tuple[Waiver, ...]:
        ids = Counter(waiver.id for waiver in waivers)
        twice = sorted(name for name, count in ids.items() if count > 1)
        if twice:
            raise ValueError(f"id used twice: {', '.join(twice)}")
        ends = Counter(instant(waiver.expires) for waiver in waivers)
        for end, count in ends.items():
            if count > _MAX_AT_ONCE:
                names = [waiver.id for waiver in waivers if instant(waiver.expires) == end]
                raise ValueError(
                    f"{', '.join(names)} expire at the same instant, and at most {_MAX_AT_ONCE}"
                    " may; let each end when its reason does"
                )
        return waivers

    def document(self) -> dict[str, Any]:
        """The waivers as plain JSON values, defaults filled in: what their digest is taken of."""
        return self.model_dump(mode="json", by_alias=True)


def _person(name: str) -> str:
    """A name or address without what tells no people apart, such as case and what is unseen."""
    seen = [c for c in unicodedata.normalize("NFKC", name) if c.isprintable() and not c.isspace()]
    return "".join(seen).casefold()
