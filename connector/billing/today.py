"""What an overview shows of one day: calls, cost, channels hour by hour, refused calls, and what is still to be done
before the first call. Reads a few rows of sums (billing/usage.py), however many calls there were.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.billing import plans, usage
from connector.core import times
from connector.core.access import Scope
from connector.core.plans import DAY_MS
from connector.database.store import fitting, reading, rows

HOUR_MS = usage.HOUR_MS
# By how many days of calls and how many days of renewals the time is estimated for which the money is enough.
CALL_DAYS = 7
RENEWAL_DAYS = 30
# Refused calls are looked for among so many of the latest calls.
MOST_LOOKED_AT = 5_000
MOST_REFUSALS = 10
# Has the stores use the index of entries that are not of calls, which are most (migration 0009).
_INDEXED = "kind NOT IN ('hold', 'settle')"


@dataclass(frozen=True)
class Hour:
    """`at`: when it began, in ms. `in_use`: the most channels of each profile in it, added up."""

    at: int
    in_use: int


@dataclass(frozen=True)
class Refused:
    """Calls of one profile that were refused for one reason. `last_at`: the time of the last one, in ms.

    `profile` and `username` are "" for calls that belong to no profile.
    """

    profile: str
    username: str
    code: str
    calls: int
    last_at: int


@dataclass(frozen=True)
class Today:
    """A day so far, in the company's time zone. `channels`: how many all profiles have. `refusals`: of 24 hours, the
    commonest first. Money in micros.
    """

    calls: int
    refused: int
    price_micros: int
    channels: int
    hours: tuple[Hour, ...]
    refusals: tuple[Refused, ...]

    @property
    def most(self) -> Hour | None:
        """The hour with the most channels in use; None if there was no call."""
        return max((hour for hour in self.hours if hour.in_use), key=lambda hour: hour.in_use, default=None)


@dataclass(frozen=True)
class Begun:
    """What a company has done on the way to its first call; True is done."""

    profile: bool
    rates: bool
    trunk: bool
    money: bool
    channels: bool
    credit: bool
    connected: bool
    number: bool
    called: bool


def of(scope: Scope, now: int) -> Today:
    """The day of a company so far, or of one of its profiles. `scope.company` is not None."""
    company = scope.company or 0
    with reading():
        zone = usage.company_zone(company)
        day = times.local_day(now, zone)
        sums = (
            "SELECT COALESCE(SUM(calls_out + calls_in), 0), COALESCE(SUM(refused), 0), COALESCE(SUM(price_micros), 0)"
            " FROM call_day WHERE company_id = ? AND day = ? AND profile_id = ?"
        )
        ((calls, refused, price),) = rows(sums, company, day, scope.profile or 0)
        bought = "SELECT COALESCE(SUM(channels), 0) FROM profile WHERE status <> 'archived'"
        sql, values = fitting(bought, ("company_id = ?", company), ("id = ?", scope.profile))
        ((channels,),) = rows(sql, *values)
        hours = _hours(scope, times.instant(f"{day}T00:00", zone), now)
        return Today(int(calls), int(refused), int(price), int(channels), hours, _refusals(scope, now))


def _hours(scope: Scope, begin: int, now: int) -> tuple[Hour, ...]:
    """Every hour since `begin`. A call that is up was up when each hour began that it is in."""
    first, last = begin // HOUR_MS * HOUR_MS, now // HOUR_MS * HOUR_MS
    kept = (
        "SELECT h.profile_id, h.hour_at, h.peak, h.carried FROM channel_hour h JOIN profile p ON p.id = h.profile_id"
        " WHERE h.hour_at >= ? AND h.hour_at <= ?"
    )
    mine = (("p.company_id = ?", scope.company), ("p.id = ?", scope.profile))
    sql, values = fitting(kept, *mine)
    found = {(profile, hour): [peak, carried] for profile, hour, peak, carried in rows(sql, first, last, *values)}
    up = "SELECT p.id, c.started_at FROM call c JOIN profile p ON p.id = c.profile_id WHERE c.dead_at IS NULL"
    sql, values = fitting(up, *mine)
    for profile, started in rows(sql, *values):
        for hour in range(max(first, (started // HOUR_MS + 1) * HOUR_MS), last + 1, HOUR_MS):
            found.setdefault((profile, hour), [0, 0])[1] += 1
    in_use = dict.fromkeys(range(first, last + 1, HOUR_MS), 0)
    for (_, hour), figures in found.items():
        in_use[hour] += max(figures)
    return tuple(Hour(*each) for each in in_use.items())


def _refusals(scope: Scope, now: int) -> tuple[Refused, ...]:
    # A profile is in one company: with both conditions SQLite would walk through the company's calls.
    whose = ("company_id = ?", None if scope.profile else scope.company), ("profile_id = ?", scope.profile)
    latest, values = fitting("SELECT profile_id, refusal, ended_at FROM cdr WHERE ended_at >= ?", *whose)
    sql = (
        f"SELECT p.name, p.username, c.refusal, COUNT(*), MAX(c.ended_at) FROM"
        f" ({latest} ORDER BY ended_at DESC LIMIT {MOST_LOOKED_AT}) c LEFT JOIN profile p ON p.id = c.profile_id"
        " WHERE c.refusal IS NOT NULL GROUP BY p.name, p.username, c.refusal"
        f" ORDER BY COUNT(*) DESC, MAX(c.ended_at) DESC LIMIT {MOST_REFUSALS}"
    )
    return tuple(
        Refused(name or "", username or "", code, int(count), int(last))
        for name, username, code, count, last in rows(sql, now - DAY_MS, *values)
    )


def lasts_days(company: int, money_micros: int, now: int) -> int | None:
    """For how many days money is enough, if the next days cost as much as the last `CALL_DAYS` of calls and the next
    `RENEWAL_DAYS` of renewals; None if nothing was spent and nothing renews.
    """
    with reading():
        zone = usage.company_zone(company)
        days = times.days_between(now - CALL_DAYS * DAY_MS, now - DAY_MS, zone)
        marks = ", ".join("?" * len(days))
        sql = f"SELECT SUM(price_micros) FROM call_day WHERE company_id = ? AND profile_id = 0 AND day IN ({marks})"
        ((spent,),) = rows(sql, company, *days)
        due = plans.due_before(now + RENEWAL_DAYS * DAY_MS).get(company, (0, 0))[0]
    a_day = int(spent or 0) // CALL_DAYS + due // RENEWAL_DAYS
    return max(0, money_micros) // a_day if a_day else None


def begun(company: int, now: int) -> Begun:
    """How far a company is on the way to its first call."""

    def any_of(sql: str, *values: object) -> bool:
        """Whether a question has an answer."""
        return bool(rows(f"{sql} LIMIT 1", *values))

    with reading():
        own = "SELECT 1 FROM profile WHERE company_id = ? AND status <> 'archived'"
        paid = "SELECT 1 FROM account WHERE company_id = ? AND purpose = ? AND balance > 0"
        return Begun(
            profile=any_of(own, company),
            rates=any_of("SELECT 1 FROM deck WHERE company_id = ? AND in_use_at <= ?", company, now),
            trunk=any_of("SELECT 1 FROM trunk WHERE company_id = ? AND state = 'open'", company),
            money=any_of(f"SELECT 1 FROM entry WHERE company_id = ? AND kind = 'top-up' AND {_INDEXED}", company),
            channels=any_of(f"{own} AND channels > 0", company),
            credit=any_of(paid, company, "credit"),
            connected=any_of(
                "SELECT 1 FROM reachability r JOIN profile p ON p.username = r.endpoint"
                " WHERE p.company_id = ? AND r.state = 'up'",
                company,
            ),
            number=any_of("SELECT 1 FROM number WHERE company_id = ? AND released_at IS NULL", company)
            or any_of("SELECT 1 FROM inbound_account WHERE company_id = ?", company),
            called=any_of(
                "SELECT 1 FROM call_day WHERE company_id = ? AND profile_id = 0 AND duration_ms > 0", company
            ),
        )
