"""Instants as milliseconds since 1970 UTC, and their two spellings: Asterisk's and ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime


def from_asterisk(text: str) -> int:
    """`2026-11-22T19:01:34.123+0000`, as in every ARI event, in milliseconds. ValueError if it is something else."""
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
    whole = int(moment.timestamp())  # microsecond is apart: a float of the whole would round
    return whole * 1000 + moment.microsecond // 1000


def iso(at: int | None) -> str | None:
    """Milliseconds as `2026-11-22T19:01:34.123Z`; None stays None."""
    if at is None:
        return None
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"
