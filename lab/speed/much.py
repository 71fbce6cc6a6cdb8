"""Writes large test data: millions of CDRs with their sums as billing/usage.py keeps them, and long rate sheets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

DAYS_MS = 90 * 24 * 3_600_000
_AT_ONCE = 50_000
# Multiplied by these, numbers in a row are spread as if they were drawn (Knuth, The Art of Computer Programming, 6.4).
_CDRS = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :until),
drawn AS (SELECT i, (i * 2654435761) % :days AS before, (i * 40503) % 300000 AS talked FROM n)
INSERT INTO cdr (id, node, company_id, profile_id, direction, caller_id, dialled, called, trunk_id, gate_leg,
 started_at, answered_at, ended_at, booked_at, duration_ms, cause, ending, price_micros)
SELECT printf('%032x', i), 'n', 1, :profile + (i * 7919) % :profiles, CASE WHEN i % 2 THEN 'in' ELSE 'out' END, '101',
 printf('+4420794%05d', i % 100000), printf('+4420794%05d', i % 100000), 1, 'leg',
 :now - before - talked - 5000, :now - before - talked, :now - before, :now - before, talked, 16,
 CASE (i / 7) % 5 WHEN 0 THEN 'busy' WHEN 1 THEN 'no_answer' ELSE 'ok' END, (i * 104729) % 100000
FROM drawn
"""
# One pass over all CDRs; the sums are made from these. A CDR is booked when its call ends.
_HOURS = (
    "CREATE TEMP TABLE hours AS SELECT profile_id, ended_at / 3600000 AS hour, price_micros % 40 AS kind,"
    " COUNT(*) AS calls, SUM(duration_ms) AS talked_ms, SUM(price_micros) AS price_micros"
    " FROM cdr WHERE gate_leg = 'leg' GROUP BY 1, 2, 3"
)
_DAY_OF = "DATE(hour * 3600, 'unixepoch')"
# But for the clock of the company's time zone.
_SUMS = (
    *(
        f"INSERT OR REPLACE INTO destination_month SELECT 1, SUBSTR({_DAY_OF}, 1, 7), {whose},"
        " 'Destination ' || kind, 'profile', SUM(calls), SUM(calls), SUM(talked_ms), 0, 0,"
        " SUM(price_micros) FROM hours GROUP BY 2, 3, 4"
        for whose in ("profile_id", "0")
    ),
    *(
        f"INSERT OR REPLACE INTO call_day SELECT 1, {_DAY_OF}, {whose}, SUM(calls), 0, 0, 0, SUM(talked_ms), 0, 0,"
        " SUM(price_micros) FROM hours GROUP BY 2, 3"
        for whose in ("profile_id", "0")
    ),
    f"INSERT OR REPLACE INTO refusal_month SELECT 1, SUBSTR({_DAY_OF}, 1, 7), profile_id, 'no_rate', SUM(calls), 0"
    " FROM hours GROUP BY 2, 3",
    "INSERT OR REPLACE INTO channel_hour SELECT profile_id, hour * 3600000, 2, 1, SUM(talked_ms) FROM hours"
    " GROUP BY 1, 2",
    "DROP TABLE hours",
)


def write_cdrs(
    path: Path,
    count: int,
    now: int,
    *,
    first_profile: int = 1,
    profiles: int = 1,
    alone: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write `count` CDRs of the three months before `now`, and their sums, to the first company's profiles with the ids
    from `first_profile` on. Other programs can write in between. `alone`: there are none, and nothing is synchronised.
    """
    with closing(sqlite3.connect(path, timeout=30)) as raw:
        raw.execute("PRAGMA cache_size = -2000000")  # in kB: the indexes are written in no order
        indexes: list[tuple[str, str]] = []
        if alone:
            raw.execute("PRAGMA synchronous = OFF")
            raw.execute("PRAGMA journal_mode = OFF")
            # Made anew at the end, they are written in order, which takes a tenth of the time.
            indexes = raw.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'cdr' AND sql IS NOT NULL"
            ).fetchall()
            for name, _ in indexes:
                raw.execute(f'DROP INDEX "{name}"')
        values = {"days": DAYS_MS, "now": now, "profile": first_profile, "profiles": profiles}
        for first in range(0, count, _AT_ONCE):
            raw.execute(_CDRS, {**values, "first": first, "until": min(first + _AT_ONCE, count)})
            raw.commit()
            progress(min(first + _AT_ONCE, count))
        for statement in (*(sql for _, sql in indexes), _HOURS, *_SUMS):
            raw.execute(statement)
            raw.commit()


def rate_sheet(count: int) -> str:
    """A rate sheet with `count` prefixes (at most 900,000) of one country."""
    rows = (
        f"44{number:06d},Somewhere {number % 900},0.{number % 90 + 10}" for number in range(100_000, 100_000 + count)
    )
    return "prefix,name,price_per_minute\n" + "\n".join(rows) + "\n"
