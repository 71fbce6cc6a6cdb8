"""Instants as milliseconds since 1970 UTC, and their two spellings: Asterisk's and ISO 8601."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector.errors import BadInput

# Spans of time that move with today; `week` is the last seven days.
PERIODS = ("today", "yesterday", "week", "month", "last_month")


def from_asterisk(text: str) -> int:
    """`2026-11-22T19:01:34.123+0000`, as in every ARI event, in milliseconds. ValueError if it is something else."""
    moment = datetime.fromisoformat(text)  # 30 times as fast as strptime
    if moment.tzinfo is None:
        raise ValueError(f"an instant without its offset: {text!r}")
    whole = int(moment.timestamp())  # microsecond is apart: a float of the whole would round
    return whole * 1000 + moment.microsecond // 1000


def from_epoch(text: str) -> int | None:
    """`1795398935.523153`, as in Asterisk's CDR and CEL, in milliseconds, cut down; None if it is something else."""
    seconds, _, micros = text.partition(".")
    if not (seconds.isdecimal() and micros.isdecimal()):
        return None
    return int(seconds) * 1000 + int(micros[:3].ljust(3, "0"))


def iso(at: int | None) -> str | None:
    """Milliseconds as `2026-11-22T19:01:34.123Z`; None stays None."""
    if at is None:
        return None
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


def is_instant(name: str) -> bool:
    """Whether a field of a view is an instant, by its name: `ends_at`, `paid_until`, `at`."""
    return name.endswith(("_at", "_until")) or name == "at"


def timed(value: Any) -> Any:
    """A view as plain values, for programs: its instants as ISO 8601, in UTC, to the millisecond."""
    if isinstance(value, dict):
        return {
            key: iso(item) if is_instant(key) and isinstance(item, int) else timed(item) for key, item in value.items()
        }
    return [timed(item) for item in value] if isinstance(value, list | tuple) else value


def instant(text: str, zone: str) -> int:
    """`2026-12-25T10:00`, by the clock of a time zone unless it says its own, in milliseconds. BadInput."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
        if not 1970 < moment.year < 2200:
            raise ValueError(text)
        return int(moment.timestamp()) * 1000
    except (ValueError, OverflowError):
        raise BadInput(
            "Invalid time {given!r}. Use a form like 2026-12-25T10:00 or 2026-12-25T10:00Z.", given=text[:40]
        ) from None


def checked_zone(name: str) -> str:
    """The IANA name of a time zone, as it was given; BadInput if there is none such."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput("Unknown time zone {name!r}. Use a name like Europe/London.", name=name) from None
    return name


def local_day(at: int, zone: str) -> str:
    """The calendar day of an instant in a time zone: `2026-11-22`."""
    return f"{datetime.fromtimestamp(at // 1000, ZoneInfo(zone)):%Y-%m-%d}"


def local_month(at: int, zone: str) -> str:
    """The calendar month of an instant in a time zone: `2026-11`."""
    return local_day(at, zone)[:7]


def month_start(month: str, zone: str) -> int:
    """The instant at which a calendar month (`2026-11`) begins in a time zone."""
    year, number = (int(part) for part in month.split("-"))
    return int(datetime(year, number, 1, tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def day_start(day: str, zone: str) -> int:
    """The instant at which a day begins in a time zone."""
    return int(datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def stamp(at: int) -> str:
    """An instant as a word for names, to the second, in UTC: `20261130071400`."""
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y%m%d%H%M%S}"


def checked_month(text: str) -> str:
    """A month as it was given; BadInput if it is none like `2026-11`."""
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", text, re.ASCII):
        raise BadInput("Invalid month {given!r}. Use a form like 2026-11.", given=text[:40])
    return text


def checked_day(text: str) -> str:
    """A day as it was given; BadInput if it is none like `2026-11-30`."""
    try:
        if not re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
            raise ValueError(text)
        date.fromisoformat(text)
    except ValueError:
        raise BadInput("{given!r} is not a day like 2026-11-30", given=text[:40]) from None
    return text


def days_of(month: str) -> list[str]:
    """The days of a month: `2026-11-01` and so on."""
    year, number = (int(part) for part in month.split("-"))
    return [f"{month}-{day:02d}" for day in range(1, monthrange(year, number)[1] + 1)]


def days_between(first: int, last: int, zone: str) -> list[str]:
    """The days of two instants in a time zone, and those between them; none if the second is before the first."""
    if last < first:
        return []
    day, end = (datetime.fromtimestamp(at // 1000, ZoneInfo(zone)).date() for at in (first, last))
    return [str(day + timedelta(days=number)) for number in range((end - day).days + 1)]


def period(name: str, now: int, zone: str) -> tuple[int, int]:
    """From when until when one of PERIODS is, the end not included, in a time zone. BadInput for another name."""
    today, last = local_day(now, zone), local_month(now, zone)
    day = date.fromisoformat(today)
    if name == "today":
        first, end = day, day + timedelta(days=1)
    elif name == "yesterday":
        first, end = day - timedelta(days=1), day
    elif name == "week":
        first, end = day - timedelta(days=6), day + timedelta(days=1)
    elif name == "month":
        return month_start(last, zone), month_start(next_month(last), zone)
    elif name == "last_month":
        return month_start(month_before(last), zone), month_start(last, zone)
    else:
        raise BadInput("{given!r} is not one of the periods: {known}", given=name[:20], known=", ".join(PERIODS))
    return day_start(str(first), zone), day_start(str(end), zone)


def month_before(month: str) -> str:
    """The calendar month before `2027-01`: `2026-12`."""
    return f"{date.fromisoformat(f'{month}-01') - timedelta(days=1):%Y-%m}"


def next_month(month: str) -> str:
    """The calendar month after `2026-12`: `2027-01`."""
    year, number = (int(part) for part in month.split("-"))
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"
