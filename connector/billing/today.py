"""What an overview shows of one day: calls, cost, channels hour by hour, refused calls, and what is still to be done
before the first call. Reads a few rows of sums (billing/usage.py), however many calls there were.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from connector.billing import decks, plans, usage
from connector.core import times
from connector.core.access import Scope
from connector.core.ledger import profile_account
from connector.core.plans import DAY_MS
from connector.database.store import fitting, reading, rows

HOUR_MS = usage.HOUR_MS
# By how many days of calls and how many days of renewals the time is estimated for which the money is enough.
CALL_DAYS = 7
RENEWAL_DAYS = 30
MOST_REFUSALS = 10
# Ordinary numbers of several countries, by which is seen whether calls cost anything.
_ORDINARY = ("+12125550100", "+442079460100", "+493012345678", "+33123456789", "+34911234567", "+81312345678")
# Has the stores use the index of entries that are not of calls, which are most (migration 0009).
_INDEXED = "kind NOT IN ('hold', 'settle')"


@dataclass(frozen=True)
class Hour:
    """`at`: when it began, in ms. `in_use`: the most channels of each profile in it, added up."""

    at: int
    in_use: int


@dataclass(frozen=True)
class Refused:
    """Calls of one profile that were refused for one reason.

    `profile` and `username` are "" for a deleted profile, and for calls that reached none.
    """

    profile: str
    username: str
    code: str
    calls: int


@dataclass(frozen=True)
class Today:
    """A day so far, in the company's time zone. `channels`: how many all profiles have. Money in micros. `refusals`: of
    the month so far, `month` (`2026-11`), the commonest first, `MOST_REFUSALS` at most; `reasons`: how many there are.
    """

    calls: int
    refused: int
    price_micros: int
    channels: int
    hours: tuple[Hour, ...]
    month: str
    refusals: tuple[Refused, ...]
    reasons: int

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
        found = _refusals(scope, day[:7])
        figures = (int(calls), int(refused), int(price), int(channels))
        return Today(*figures, hours, day[:7], tuple(found[:MOST_REFUSALS]), len(found))


def _hours(scope: Scope, begin: int, now: int) -> tuple[Hour, ...]:
    """Every whole hour since `begin`, of profiles that are not deleted. A call that is up was up when each hour began
    that it is in.
    """
    first, last = -(-begin // HOUR_MS) * HOUR_MS, now // HOUR_MS * HOUR_MS
    mine = (("p.company_id = ?", scope.company), ("p.id = ?", scope.profile))
    kept = (
        "FROM channel_hour h JOIN profile p ON p.id = h.profile_id"
        " WHERE h.hour_at >= ? AND h.hour_at <= ? AND p.status <> 'archived'"
    )
    most = "CASE WHEN h.peak > h.carried THEN h.peak ELSE h.carried END"
    sql, values = fitting(f"SELECT h.hour_at, SUM({most}) {kept}", *mine)
    in_use = dict.fromkeys(range(first, last + 1, HOUR_MS), 0)
    in_use |= {hour: int(sum_) for hour, sum_ in rows(f"{sql} GROUP BY h.hour_at", first, last, *values)}
    up = "SELECT p.id, c.started_at FROM call c JOIN profile p ON p.id = c.profile_id WHERE c.dead_at IS NULL"
    sql, values = fitting(up, *mine)
    more: Counter[tuple[int, int]] = Counter()
    for profile, started in rows(sql, *values):
        more.update((profile, hour) for hour in usage.hours_begun(started, first, last + 1))
    if more:
        busy = "h.profile_id IN (SELECT profile_id FROM call WHERE dead_at IS NULL)"
        sql, values = fitting(f"SELECT h.profile_id, h.hour_at, h.peak, h.carried {kept} AND {busy}", *mine)
        found = {(profile, hour): (peak, carried) for profile, hour, peak, carried in rows(sql, first, last, *values)}
        for key, count in more.items():
            peak, carried = found.get(key, (0, 0))
            in_use[key[1]] += max(peak, carried + count) - max(peak, carried)
    return tuple(Hour(*each) for each in in_use.items())


def _refusals(scope: Scope, month: str) -> list[Refused]:
    kept = (
        "SELECT p.name, p.username, r.refusal, r.calls FROM refusal_month r LEFT JOIN profile p ON p.id = r.profile_id"
        " AND p.status <> 'archived' WHERE r.company_id = ? AND r.month = ?"
    )
    sql, values = fitting(kept, ("r.profile_id = ?", scope.profile))
    found: Counter[tuple[str, str, str]] = Counter()
    for name, username, code, calls in rows(sql, scope.company, month, *values):
        found[name or "", username or "", code] += int(calls)
    return [Refused(*key, count) for key, count in found.most_common()]


def lasts_days(company: int, money_micros: int, now: int) -> int | None:
    """For how many days money is enough, if the next days cost as much as the last `CALL_DAYS` of calls, or as those
    since the first call, and the next `RENEWAL_DAYS` of renewals; None if nothing was spent and nothing renews.
    """
    with reading():
        zone = usage.company_zone(company)
        today = times.local_day(now, zone)
        of_company = "FROM call_day WHERE company_id = ? AND profile_id = 0"
        ((first,),) = rows(f"SELECT MIN(day) {of_company}", company)
        days = times.days_between(now - CALL_DAYS * DAY_MS, now - DAY_MS, zone)
        days = [today] if first == today else [day for day in days if first and day >= first]
        marks = ", ".join("?" * len(days))
        spent = 0
        if days:
            ((sum_,),) = rows(f"SELECT SUM(price_micros) {of_company} AND day IN ({marks})", company, *days)
            spent = int(sum_ or 0) // len(days)
        due = plans.due_before(now + RENEWAL_DAYS * DAY_MS).get(company, (0, 0))[0]
    a_day = spent + due // RENEWAL_DAYS
    return max(0, money_micros) // a_day if a_day else None


def calls_are_free(company: int, now: int) -> bool:
    """Whether ordinary calls cost nothing by the rates of a company, as after a setup without billing."""
    with reading():
        found = [decks.rate_of(company, number, now) for number in _ORDINARY]
    prices = [rate.price_per_minute_micros + rate.connection_fee_micros for _, rate in filter(None, found)]
    return bool(prices) and not any(prices)


def begun(company: int, profile: str, now: int) -> Begun:
    """How far a company is on the way to its first call, with one of its profiles, by its user name; "" for none."""

    def any_of(sql: str, *values: object) -> bool:
        """Whether a question has an answer."""
        return bool(rows(f"{sql} LIMIT 1", *values))

    with reading():
        ids = rows("SELECT id FROM profile WHERE username = ? AND company_id = ?", profile, company)
        own = ids[0][0] if ids else 0
        top_up = f"SELECT 1 FROM entry WHERE company_id = ? AND kind = 'top-up' AND {_INDEXED}"
        return Begun(
            profile=bool(ids),
            rates=any_of(
                "SELECT 1 FROM deck WHERE company_id = ? AND trunk_id IS NULL AND in_use_at <= ?", company, now
            ),
            trunk=any_of("SELECT 1 FROM trunk WHERE company_id = ? AND state = 'open'", company),
            money=any_of(top_up, company),
            channels=any_of("SELECT 1 FROM profile WHERE id = ? AND channels > 0", own),
            credit=any_of("SELECT 1 FROM account WHERE name = ? AND balance > 0", profile_account(own, "credit")),
            connected=any_of("SELECT 1 FROM reachability WHERE endpoint = ? AND state = 'up'", profile),
            number=any_of("SELECT 1 FROM number WHERE profile_id = ? AND released_at IS NULL", own)
            or any_of("SELECT 1 FROM inbound_account WHERE profile_id = ?", own),
            called=any_of(
                "SELECT 1 FROM call_day WHERE company_id = ? AND profile_id = 0 AND duration_ms > 0", company
            ),
        )
