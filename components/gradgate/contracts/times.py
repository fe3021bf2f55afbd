"""Points in time and lengths of time, as people write them in a policy.

A point in time is RFC 3339 with a zone: without one, two machines would read two times.
"""

import re
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

_RFC3339: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]+))?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def instant(text: str) -> datetime:
    """Returns the point in time that a text says, to the microsecond.

    Raises:
        ValueError: If it is no RFC 3339 time with a zone.
    """
    match = _RFC3339.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        zone = match["zone"].upper().replace("Z", "+00:00")
        fraction = (match["fraction"] or "0")[:6].ljust(6, "0")
        return datetime.fromisoformat(f"{match['date']}T{match['time']}.{fraction}{zone}")
    except ValueError:
        raise ValueError(
            f"must be an RFC 3339 time with a zone, such as 2026-01-31T12:00:00Z; got {text!r}"
        ) from None


def duration(text: str) -> timedelta:
    """Returns the length of time that a text such as `24h` says; see `Duration`."""
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def _checked(text: str) -> str:
    instant(text)
    return text


Instant = Annotated[str, AfterValidator(_checked)]
"""An RFC 3339 time with a zone, kept as it was written."""

Duration = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}[smhd]$")]
"""A length of time: a whole number of seconds, minutes, hours or days, such as `24h`."""
