"""Which waivers are in force at the time of a judgement, and what became of each.

The clock is not trusted: where it stands before the end of the training itself, it was set back,
and that must not bring a waiver back to life.
"""

import dataclasses
from collections.abc import Collection, Iterable, Sequence

from gradgate.contracts import IntegrityCheck, Manifest, Policy, Waiver, Waivers
from gradgate.contracts.times import duration, instant
from gradgate.contracts.verdict import WaiverSeen
from gradgate.contracts.waivers import WAIVABLE_CHECKS
from gradgate.gate.evidence import Evidence
from gradgate.gate.globs import matches
from gradgate.gate.integrity.clock import is_set_back
from gradgate.gate.integrity.model import ModelCheck

_SOON = "14d"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waiving:
    """The waivers of one judgement.

    Attributes:
        in_force: Those that may let a rule go by.
        ended: Those that no longer do.
        others: Those that do not begin yet, or are for another training, each with the reason.
        soon: Ids of those in force that end within 14 days.
    """

    in_force: tuple[Waiver, ...] = ()
    ended: tuple[Waiver, ...] = ()
    others: tuple[tuple[Waiver, str], ...] = ()
    soon: frozenset[str] = frozenset()
    clock_is_set_back: bool = False

    @classmethod
    def at(
        cls, as_of: str, waivers: Waivers | None, policy: Policy, manifest: Manifest | None
    ) -> "Waiving":
        """Sorts the waivers out.

        Args:
            as_of: RFC 3339 time of the judgement; where it is none, no waiver is in force.
            waivers: From `load_waivers`; None for none.
            policy: Says how far clocks may differ.
            manifest: Of the training; None where its record cannot be read.
        """
        if waivers is None:
            return cls()
        if manifest is None:
            return cls(others=tuple((w, "the record cannot be read") for w in waivers.waivers))
        if is_set_back(policy.staleness, manifest, as_of):
            return cls(ended=waivers.waivers, clock_is_set_back=True)
        now = instant(as_of)
        in_force, ended, others = [], [], []
        for waiver in waivers.waivers:
            uid = waiver.scope.training_uid
            if now >= instant(waiver.expires):
                ended.append(waiver)
            elif now < instant(waiver.created):
                others.append((waiver, f"begins on {waiver.created}"))
            elif uid is not None and uid != manifest.training_uid:
                others.append((waiver, f"is for training {uid}"))
            else:
                in_force.append(waiver)
        soon = {w.id for w in in_force if instant(w.expires) - now <= duration(_SOON)}
        return cls(
            in_force=tuple(in_force),
            ended=tuple(ended),
            others=tuple(others),
            soon=frozenset(soon),
        )

    def of(self, rule: str) -> "Waiving":
        """The waivers of one rule."""
        return dataclasses.replace(
            self,
            in_force=tuple(waiver for waiver in self.in_force if waiver.rule == rule),
            ended=tuple(waiver for waiver in self.ended if waiver.rule == rule),
            others=(),
        )

    @property
    def why_not(self) -> str:
        """Says which waivers have ended; empty for none."""
        if self.clock_is_set_back:
            return "; ".join(f"waiver {w.id} does not count, see T-CLOCK" for w in self.ended)
        return "; ".join(f"waiver {w.id} expired on {w.expires}" for w in self.ended)

    def let_by(
        self, checks: Sequence[IntegrityCheck]
    ) -> tuple[tuple[IntegrityCheck, ...], frozenset[str]]:
        """Returns the checks, a failed one that is waived as a warning; and the waivers' ids.

        What a check says stays to be read. One that had a waiver says so, too.
        """
        found, used = [], set[str]()
        for check in checks:
            mine = self.of(check.code)
            waivers = [waiver for waiver in mine.in_force if covers(waiver, None)]
            if check.status != "fail" or check.code not in WAIVABLE_CHECKS:
                found.append(check)
            elif waivers:
                used |= {waiver.id for waiver in waivers}
                message = f"{check.message}; {in_words(waivers)}"
                found.append(check.model_copy(update={"status": "warn", "message": message}))
            else:
                message = "; ".join(text for text in (check.message, mine.why_not) if text)
                found.append(check.model_copy(update={"message": message}))
        return tuple(found), frozenset(used)

    def seen(self, used: Collection[str]) -> tuple[WaiverSeen, ...]:
        """What the verdict says of each waiver, by id.

        Args:
            used: Ids of those without which a rule would have failed.
        """
        listed = [_seen(w, "used" if w.id in used else "unused") for w in self.in_force]
        listed += [_seen(waiver, "unused", message) for waiver, message in self.others]
        reason = "the clock stands before the end of the training" if self.clock_is_set_back else ""
        listed += [_seen(waiver, "expired", reason) for waiver in self.ended]
        return tuple(sorted(listed, key=lambda waiver: waiver.id))

    def checks(
        self, used: Collection[str], evidence: Evidence, model: ModelCheck | None
    ) -> tuple[IntegrityCheck, ...]:
        """Returns a failure for waivers of layers that are not there, a warning for a near end."""
        known = _names(evidence, model)
        orphans = [
            f"{waiver.id}: no variable or layer matches {glob}"
            for waiver in self.in_force
            for glob in waiver.scope.layers or ()
            if not any(matches(glob, name) for name in known)
        ]
        checks = []
        if orphans:
            message = f"{'; '.join(orphans)}; correct the waiver, or remove it"
            checks.append(IntegrityCheck(code="P-WAIVER", status="fail", message=message))
        ending = [w for w in self.in_force if w.id in used and w.id in self.soon]
        if ending:
            listed = ", ".join(f"{waiver.id} on {waiver.expires}" for waiver in ending)
            message = f"these waivers end within 14 days, and their rules then count: {listed}"
            checks.append(IntegrityCheck(code="W-WAIVER-ENDS", status="warn", message=message))
        return tuple(checks)


def in_words(waivers: Iterable[Waiver]) -> str:
    """Who waived it, until when, and why."""
    return "; ".join(f"waived by {w.id} until {w.expires}: {w.reason}" for w in waivers)


def covers(waiver: Waiver, variable: str | None) -> bool:
    """Whether a waiver covers a variable or layer; None is the run."""
    layers = waiver.scope.layers
    return layers is None or any(matches(glob, variable or "") for glob in layers)


def _seen(waiver: Waiver, status: str, message: str = "") -> WaiverSeen:
    return WaiverSeen.model_validate(
        {
            "id": waiver.id,
            "rule": waiver.rule,
            "status": status,
            "owner": waiver.owner,
            "approved_by": waiver.approved_by,
            "reason": waiver.reason,
            "expires": waiver.expires,
            "message": message,
        }
    )


def _names(evidence: Evidence, model: ModelCheck | None) -> set[str]:
    """Everything that a waiver can name: variables, layers, and tensors of the exported model."""
    names = {tensor.name for tensor in (model.weights or () if model else ())}
    for _, one in evidence.each():
        names |= {variable.path for variable in one.card.variables}
        names |= {layer.layer for layer in one.card.activations}
    return names
