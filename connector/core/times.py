"""Instants as milliseconds since 1970 UTC, and their two spellings: Asterisk's and ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector.errors import BadInput


def from_asterisk(text: str) -> int:
    """`2026-11-22T19:01:34.123+0000`, as in every ARI event, in milliseconds. ValueError if it is something else."""
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
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


def checked_zone(name: str) -> str:
    """The IANA name of a time zone, as it was given; BadInput if there is none such."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"{name!r} is no time zone, as Europe/London is one") from None
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


def next_month(month: str) -> str:
    """The calendar month after `2026-12`: `2027-01`."""
    year, number = (int(part) for part in month.split("-"))
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"
