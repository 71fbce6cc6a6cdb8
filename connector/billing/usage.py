"""Sums of calls, kept as they are booked: a report of a million calls reads a few rows.

Written in the transaction that writes the CDR, so they are as true as the CDRs. A call belongs to the day and month, in
its company's time zone, in which the ledger has its charge (`booked_at`), so that they add up to the ledger's figures.
The most channels in use in an hour is the greater of two: the most after an admission in it (`peak`), and those in use
when it began (`carried`), to which every call adds when it ends.
"""

from __future__ import annotations

from typing import Any

from connector.billing import costs
from connector.core import times
from connector.core.refusals import CHANNELS_FULL
from connector.database import reference
from connector.database.store import add_later

HOUR_MS = 3_600_000
# No call lasts longer than a day; who was said to, began before the clock was set.
MOST_HOURS = 48
_ZONE = "SELECT time_zone FROM company WHERE id = ?"


def _adding(table: str, key: str, sums: str) -> str:
    """An SQL statement that adds a row's sums to those of its key."""
    columns = f"{key}, {sums}"
    marks = ", ".join("?" * len(columns.split(", ")))
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums.split(", "))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {added}"


_DAY = _adding(
    "call_day",
    "company_id, day, profile_id",
    "calls_out, calls_in, refused, blocked, duration_ms, billed_s, bundle_s, price_micros",
)
_DESTINATION = _adding(
    "destination_month",
    "company_id, month, profile_id, destination, payer",
    "calls, answered, duration_ms, billed_s, bundle_s, price_micros",
)
_MARGIN = _adding(
    "margin_month",
    "company_id, month, profile_id, trunk_id, destination",
    "calls, costed, duration_ms, bundle_s, price_micros, costed_price_micros, cost_micros",
)
_REFUSAL = _adding("refusal_month", "company_id, month, profile_id, refusal", "calls, offered_micros")
_BUSY = _adding("channel_hour", "profile_id, hour_at", "peak, carried, busy_ms")
_PEAK = (
    "INSERT INTO channel_hour (profile_id, hour_at, peak, carried, busy_ms) VALUES (?, ?, ?, 0, 0)"
    " ON CONFLICT (profile_id, hour_at) DO UPDATE SET peak = excluded.peak WHERE excluded.peak > channel_hour.peak"
)


def booked(cdr: dict[str, Any], charge: dict[str, Any] | None, cost: dict[str, Any] | None) -> None:
    """A CDR was written: its columns, its charge's and its cost's. One that reached nobody's profile or trunk is in no
    company's figures.
    """
    company = cdr["company_id"]
    if company is None:
        return
    day = times.local_day(cdr["booked_at"], company_zone(company))
    profile, refusal = cdr["profile_id"] or 0, cdr["refusal"]
    figures = (cdr["duration_ms"], 0, 0, cdr["price_micros"] or 0)
    if charge is not None:
        figures = (figures[0], charge["billed_s"], charge["bundle_s"], figures[3])
    out = refusal is None and cdr["direction"] == "out"
    counts = (out, not out and refusal is None, refusal is not None, refusal == CHANNELS_FULL.code)
    for whose in {profile, 0}:
        add_later(_DAY, (company, day, whose), (*map(int, counts), *figures))
        if out:
            rate, payer = (charge["rate_name"], charge["payer"]) if charge else ("", "")
            key = (company, day[:7], whose, rate, payer)
            add_later(_DESTINATION, key, (1, int(figures[0] > 0), *figures))
    if charge is not None and cdr["trunk_id"] is not None and figures[0] > 0 and (cost or costs.has_decks(company)):
        price = figures[3]
        costed = (1, price, cost["cost_micros"]) if cost else (0, 0, 0)
        sums = (1, costed[0], figures[0], figures[2], price, *costed[1:])
        add_later(_MARGIN, (company, day[:7], profile, cdr["trunk_id"], charge["rate_name"]), sums)
    if refusal is not None:
        add_later(_REFUSAL, (company, day[:7], profile, refusal), (1, cdr["offered_micros"] or 0))


def company_zone(company: int) -> str:
    """The time zone of a company, in the caller's transaction."""
    return str(reference.rows(_ZONE, company)[0][0])


def taken(profile: int, in_use: int, at: int) -> None:
    """A call was admitted; so many channels of its profile are in use now."""
    add_later(_PEAK, (profile, at // HOUR_MS * HOUR_MS), (in_use,), max)


def hours_begun(started_at: int, first: int, stop: int) -> range:
    """The hours, from `first` on and before `stop`, at whose beginning a call was up that is still up."""
    return range(max(first, (started_at // HOUR_MS + 1) * HOUR_MS), stop, HOUR_MS)


def freed(profile: int, started_at: int, ended_at: int) -> None:
    """A call is over that had its channel from one instant to another."""
    first = started_at // HOUR_MS
    last = max(first, ended_at // HOUR_MS)
    for hour in range(max(first, last - MOST_HOURS), last + 1):
        begin, end = max(started_at, hour * HOUR_MS), min(ended_at, (hour + 1) * HOUR_MS)
        add_later(_BUSY, (profile, hour * HOUR_MS), (0, int(hour > first), max(0, end - begin)))
