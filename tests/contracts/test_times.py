"""Times as people write them: always with a zone, and nothing else is one."""

from datetime import datetime, timedelta, timezone

import pytest

from gradgate.contracts.times import duration, instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=timezone.utc)),
        ("2026-01-31t12:00:00z", datetime(2026, 1, 31, 12, tzinfo=timezone.utc)),
        ("2026-01-31T12:00:00-05:30", datetime(2026, 1, 31, 17, 30, tzinfo=timezone.utc)),
        ("2026-01-31T12:00:00.25Z", datetime(2026, 1, 31, 12, 0, 0, 250000, timezone.utc)),
        ("2026-01-31T12:00:00.1234567Z", datetime(2026, 1, 31, 12, 0, 0, 123456, timezone.utc)),
    ],
)
def test_rfc_3339(text, expected):
    assert instant(text) == expected


@pytest.mark.parametrize(
    "text", ["", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", "now", "12:00Z"]
)
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match="must be an RFC 3339 time with a zone, such as 2026-01"):
        instant(text)


def test_lengths_of_time():
    assert duration("90s") == timedelta(seconds=90)
    assert [duration(text) for text in ("5m", "24h", "14d")] == [
        timedelta(minutes=5),
        timedelta(days=1),
        timedelta(days=14),
    ]
