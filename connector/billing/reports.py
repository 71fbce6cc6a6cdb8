"""Reports by month, from the sums of `usage` and from the ledger: calls, destinations, refusals, channels, money.

A month is a calendar month in the company's time zone. A call belongs to the month in which the ledger has its charge.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from connector.billing import ledger, usage
from connector.billing.usage import HOUR_MS
from connector.core import reports, times
from connector.core.ledger import asset, company_account, profile_account, purpose
from connector.database.models import Company, Profile
from connector.database.named import company_row, profile_row
from connector.database.store import fitting, reading, rows
from connector.words import marked

# Kinds of entries by which money comes or goes, and those that move it between a company and its profiles.
PURCHASES = ("subscription", "number fee", "refund")
ALLOCATIONS = ("add", "recharge", "take-back", "delete")
# What the ledger calls a movement, and what people do.
IN_WORDS = {
    "top-up": marked("Payment"),
    "reversal": marked("Payment taken back"),
    "subscription": marked("Channels"),
    "number fee": marked("Number"),
    "refund": marked("Refund"),
    "add": marked("Credit for a profile"),
    "recharge": marked("Auto-recharge of a profile"),
    "take-back": marked("Credit taken back"),
    "delete": marked("Profile deleted"),
}
MOST_MOVEMENTS = 1_000
_OURS = ("balance", "held", "credit", "credit_held")
_NOT_OF_CALLS = (
    "SELECT entry.number, entry.at, entry.kind, entry.about, posting.account_id, posting.amount FROM entry"
    " JOIN posting ON posting.entry_id = entry.id WHERE entry.company_id = ? AND entry.at >= ? AND entry.at < ?"
    " AND entry.kind NOT IN ('hold', 'settle') ORDER BY entry.company_id, entry.at, entry.number, posting.id"
)
_DAY_SUMS = (
    "SUM(calls_out), SUM(calls_in), SUM(refused), SUM(blocked), SUM(duration_ms), SUM(billed_s), SUM(bundle_s),"
    " SUM(price_micros) FROM call_day WHERE company_id = ?"
)
_BY_PROFILE = f"SELECT profile_id, {_DAY_SUMS} AND day BETWEEN ? AND ? AND profile_id <> 0 GROUP BY profile_id"
_DESTINATIONS = (
    "SELECT destination, SUM(calls), SUM(answered), SUM(duration_ms), SUM(billed_s), SUM(bundle_s), SUM(price_micros)"
    " FROM destination_month WHERE company_id = ? AND month = ? AND profile_id = ? GROUP BY destination"
)
_REFUSALS = "SELECT profile_id, refusal, calls, offered_micros FROM refusal_month WHERE company_id = ? AND month = ?"
_NAMES = "SELECT id, name, username, status FROM profile WHERE company_id = ?"
_NOBODY = ("no profile", "")
_PAID = (
    "SELECT profile_id, payer, SUM(price_micros) FROM destination_month WHERE company_id = ? AND month = ?"
    " AND price_micros > 0 GROUP BY profile_id, payer"
)
_CHANNELS = (
    "SELECT channels, starts_at, COALESCE(closed_at, ends_at) FROM term WHERE profile_id = ? AND starts_at < ?"
    " AND COALESCE(closed_at, ends_at) > ?"
)


@dataclass(frozen=True)
class ProfileUse:
    """A profile's calls of a month. `duration_ms` is talked; `billed_s` in whole blocks, of which `bundle_s` were paid
    by bundles and the rest cost `price_micros`.
    """

    profile: str
    username: str
    calls_out: int
    calls_in: int
    refused: int
    duration_ms: int
    billed_s: int
    bundle_s: int
    price_micros: int


@dataclass(frozen=True)
class DestinationUse:
    """Calls out of a month to one destination, by the name of its rate."""

    destination: str
    calls: int
    duration_ms: int
    billed_s: int
    bundle_s: int
    price_micros: int


@dataclass(frozen=True)
class RefusalUse:
    """Refused calls of a month, by profile and reason. `worth_micros`: what they might have cost (core/reports.py)."""

    profile: str
    username: str
    refusal: str
    calls: int
    worth_micros: int


@dataclass(frozen=True)
class DayUse:
    """A day. `blocked`: refused, for all channels were in use; `peak`: the most channels in use at once; `channels`:
    the most that were bought; both of one profile only, None for a whole company.
    """

    day: str
    calls_out: int
    calls_in: int
    refused: int
    blocked: int
    duration_ms: int
    price_micros: int
    peak: int | None
    channels: int | None


@dataclass(frozen=True)
class MonthReport:
    """A company's month, or one profile's: what was called, what it cost, what was refused."""

    company: str
    profile: str | None
    currency: str
    time_zone: str
    month: str
    profiles: list[ProfileUse]
    destinations: list[DestinationUse]
    refusals: list[RefusalUse]
    days: list[DayUse]
    calls_out: int
    calls_in: int
    refused: int
    duration_ms: int
    bundle_s: int
    price_micros: int
    worth_micros: int


@dataclass(frozen=True)
class Movement:
    """An entry of the ledger that is no call's: what came to the company and its profiles, and what went.

    `moved_micros`: between the company's balance and a profile's credit.
    """

    number: int
    at: int
    kind: str
    about: str
    in_micros: int
    out_micros: int
    moved_micros: int


@dataclass(frozen=True)
class CreditLine:
    """A profile's credit over a month: `opening` + `added` - `returned` - `calls` = `closing`. In micros."""

    profile: str
    username: str
    opening_micros: int
    added_micros: int
    returned_micros: int
    calls_micros: int
    closing_micros: int


@dataclass(frozen=True)
class Statement:
    """A company's money over a month: what there was, what came, what went, what there is; in micros.

    `opening` + `topped_up` + `refunds` - `taken_back` - `channels` - `numbers` - `calls` = `closing`: the ledger's own
    figures, held money included. `calls` are those of CDRs; were they not what the ledger charged, it would not add
    up. `ended`: the month is over. `head`: the hash of the ledger's last entry in it, if the
    reader may have it.
    """

    company: str
    currency: str
    time_zone: str
    month: str
    from_at: int
    until_at: int
    ended: bool
    opening_micros: int
    topped_up_micros: int
    refunds_micros: int
    taken_back_micros: int
    channels_micros: int
    numbers_micros: int
    calls_micros: int
    calls_by_balance_micros: int
    closing_micros: int
    held_micros: int
    balance_micros: int
    credits: list[CreditLine]
    movements: list[Movement]
    more: bool
    entries: int
    head: str

    @property
    def off_micros(self) -> int:
        """By how much it does not add up; 0 if it does."""
        came = self.opening_micros + self.topped_up_micros + self.refunds_micros - self.taken_back_micros
        return came - self.channels_micros - self.numbers_micros - self.calls_micros - self.closing_micros


def month(company: str | None, which: str | None, now: int) -> MonthReport:
    """The report of a company's month, `2026-11`; None is the one that runs. BadInput, NotFound."""
    with reading():
        return _report(company_row(company), which, now, None)


def of_profile(profile: str, which: str | None, now: int) -> MonthReport:
    """The report of a profile's month, as `month`."""
    with reading():
        row = profile_row(profile)
        return _report(row.company, which, now, row)


def months(company: str | None, now: int) -> list[str]:
    """The months that a company has books or calls of, the newest first; the one that runs is among them."""
    with reading():
        owner = company_row(company)
        began = rows("SELECT MIN(at) FROM entry WHERE company_id = ? AND number = 1", owner.id)[0][0]
        called = rows("SELECT MIN(day) FROM call_day WHERE company_id = ?", owner.id)[0][0]
        last = times.local_month(now, owner.time_zone)
        first = min(filter(None, (last, called and called[:7], began and times.local_month(began, owner.time_zone))))
    found = [first]
    while found[-1] < last:
        found.append(times.next_month(found[-1]))
    return found[::-1]


def statement(company: str | None, which: str | None, now: int, *, with_costs: bool = False) -> Statement:
    """The statement of a month, `2026-11`; None is the one that runs. `with_costs`: the reader may see what carriers
    cost, and so the hash of the last entry (`ledger.of_call`). BadInput, NotFound.
    """
    with reading():
        owner = company_row(company)
        named = _month_of(owner, which, now)
        begin, end = _bounds(owner, named)
        opening = ledger.standing(owner.id, begin)[2]
        number, head, closing = ledger.standing(owner.id, end)
        lines = rows(_NOT_OF_CALLS, owner.id, begin, end)
        movements = _movements(lines)
        came, went = _by_kind(movements, "in_micros"), _by_kind(movements, "out_micros")
        paid = [(number, payer, int(price)) for number, payer, price in rows(_PAID, owner.id, named)]
        calls = [(payer, price) for number, payer, price in paid if number == 0]
        return Statement(
            owner.name,
            owner.currency,
            owner.time_zone,
            named,
            begin,
            end,
            end <= now,
            _total(opening),
            came.get("top-up", 0),
            came.get("refund", 0),
            went.get("reversal", 0),
            went.get("subscription", 0),
            went.get("number fee", 0),
            sum(price for _, price in calls),
            sum(price for payer, price in calls if payer == "company"),
            _total(closing),
            sum(amount for name, amount in closing.items() if purpose(name) in ("held", "credit_held")),
            closing.get(company_account(owner.id, "balance"), 0),
            _credits(owner, opening, closing, lines, paid),
            movements[:MOST_MOVEMENTS],
            len(movements) > MOST_MOVEMENTS,
            number,
            head if with_costs or not ledger.has_costs(owner.id) else "",
        )


def _report(owner: Company, which: str | None, now: int, profile: Profile | None) -> MonthReport:
    only = 0 if profile is None else int(profile.id)
    named = _month_of(owner, which, now)
    names = {number: (name, username) for number, name, username, _ in rows(_NAMES, owner.id)}
    called = [(row[0], *_whole(row[1:])) for row in rows(_DESTINATIONS, owner.id, named, only)]
    usual_ms = reports.mean_ms(sum(row[3] for row in called), sum(row[2] for row in called))
    sql, values = fitting(_REFUSALS, ("profile_id = ?", only or None))
    refused = [
        RefusalUse(*names.get(number, _NOBODY), refusal, count, reports.worth(offered, usual_ms))
        for number, refusal, count, offered in rows(sql, owner.id, named, *values)
    ]
    days, bundle_s = _days(owner, named, only, now)
    destinations = [DestinationUse(name, count, *figures) for name, count, _, *figures in called]
    return MonthReport(
        owner.name,
        None if profile is None else profile.name,
        owner.currency,
        owner.time_zone,
        named,
        [] if only else sorted(_profiles(owner, named, names), key=lambda use: (-use.price_micros, use.profile)),
        sorted(destinations, key=lambda use: (-use.price_micros, use.destination)),
        sorted(refused, key=lambda use: (-use.calls, use.profile, use.refusal)),
        days,
        sum(day.calls_out for day in days),
        sum(day.calls_in for day in days),
        sum(day.refused for day in days),
        sum(day.duration_ms for day in days),
        bundle_s,
        sum(day.price_micros for day in days),
        sum(each.worth_micros for each in refused),
    )


def _whole(sums: tuple[Any, ...]) -> list[int]:
    """Sums as integers: PostgreSQL's are decimals."""
    return [int(sum_) for sum_ in sums]


def _month_of(owner: Company, which: str | None, now: int) -> str:
    return times.local_month(now, owner.time_zone) if which is None else times.checked_month(which)


def _bounds(owner: Company, named: str) -> tuple[int, int]:
    zone = owner.time_zone
    return times.month_start(named, zone), times.month_start(times.next_month(named), zone)


def _profiles(owner: Company, named: str, names: dict[int, tuple[str, str]]) -> list[ProfileUse]:
    days = times.days_of(named)
    found = []
    for number, *sums in rows(_BY_PROFILE, owner.id, days[0], days[-1]):
        out, came_in, refused, _, talked, billed, bundle, price = _whole(tuple(sums))
        use = ProfileUse(*names.get(number, _NOBODY), out, came_in, refused, talked, billed, bundle, price)
        found.append(use)
    return found


def _days(owner: Company, named: str, profile: int, now: int) -> tuple[list[DayUse], int]:
    """The days of a month, so far, and the seconds that bundles paid."""
    begin, end = _bounds(owner, named)
    days = times.days_of(named)
    marks = ", ".join("?" * len(days))  # each is a look-up of its own, where a range would read all profiles' rows
    sql = f"SELECT day, {_DAY_SUMS} AND day IN ({marks}) AND profile_id = ? GROUP BY day"
    found = {row[0]: _whole(row[1:]) for row in rows(sql, owner.id, *days, profile)}
    peaks = _peaks(profile, begin, min(end, now + HOUR_MS), owner.time_zone) if profile else {}
    bought = _bought(profile, begin, end, owner.time_zone) if profile else {}
    last = times.local_day(now, owner.time_zone)
    made = []
    for day in itertools.takewhile(lambda each: each <= last or each in found, days):
        out, came_in, refused, blocked, talked, _, _, price = found.get(day, [0] * 8)
        peak, channels = (peaks.get(day, 0), bought.get(day, 0)) if profile else (None, None)
        made.append(DayUse(day, out, came_in, refused, blocked, talked, price, peak, channels))
    return made, sum(sums[6] for sums in found.values())


def _peaks(profile: int, begin: int, end: int, zone: str) -> dict[str, int]:
    """The most channels in use on each day. Calls that are up were up when each hour began that they are in."""
    hours: dict[int, list[int]] = {}
    first = begin // HOUR_MS * HOUR_MS
    sql = "SELECT hour_at, peak, carried FROM channel_hour WHERE profile_id = ? AND hour_at >= ? AND hour_at < ?"
    for hour, peak, carried in rows(sql, profile, first, end):
        hours[hour] = [peak, carried]
    for (started,) in rows("SELECT started_at FROM call WHERE profile_id = ? AND dead_at IS NULL", profile):
        for hour in usage.hours_begun(started, first, end - HOUR_MS):
            hours.setdefault(hour, [0, 0])[1] += 1
    found: dict[str, int] = {}
    for hour, (peak, carried) in hours.items():
        day = times.local_day(hour, zone)
        found[day] = max(found.get(day, 0), peak, carried)
    return found


def _bought(profile: int, begin: int, end: int, zone: str) -> dict[str, int]:
    """The most channels that a profile had bought on each day."""
    found: dict[str, int] = {}
    for channels, starts, ends in rows(_CHANNELS, profile, end, begin):
        for day in times.days_between(max(starts, begin), min(ends, end) - 1, zone):
            found[day] = max(found.get(day, 0), channels)
    return found


def _movements(lines: list[tuple[Any, ...]]) -> list[Movement]:
    """Entries from their postings, in the ledger's order; those that move no money are left out."""
    entries: dict[int, list[Any]] = {}
    for number, at, kind, about, account, amount in lines:
        if asset(account) != "money":
            continue
        found = entries.setdefault(number, [at, kind, about, 0, 0])
        if purpose(account) in _OURS:
            found[3] += amount
            found[4] += max(0, amount)
    return [
        Movement(number, at, kind, about, max(0, net), max(0, -net), moved if net == 0 else 0)
        for number, (at, kind, about, net, moved) in entries.items()
    ]


def _by_kind(movements: list[Movement], figure: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in movements:
        found[each.kind] = found.get(each.kind, 0) + getattr(each, figure)
    return found


def _credits(
    owner: Company,
    opening: dict[str, int],
    closing: dict[str, int],
    lines: list[tuple[Any, ...]],
    calls: list[tuple[Any, ...]],
) -> list[CreditLine]:
    """Each profile's credit, held money included, of those that had any or moved any."""
    added: dict[str, int] = {}
    returned: dict[str, int] = {}
    for _, _, _, _, account, amount in lines:
        if purpose(account) == "credit":
            into = added if amount > 0 else returned
            into[account] = into.get(account, 0) + abs(amount)
    paid = {number: price for number, payer, price in calls if payer == "profile"}
    found = []
    for number, name, username, status in rows(f"{_NAMES} ORDER BY name, id", owner.id):
        free, held = profile_account(number, "credit"), profile_account(number, "credit_held")
        was = opening.get(free, 0) + opening.get(held, 0)
        there = closing.get(free, 0) + closing.get(held, 0)
        used, got = int(paid.get(number, 0)), added.get(free, 0)
        gave = returned.get(free, 0)
        if status == "archived":  # what its last calls left of their holds went to the company with their charges
            gave = was + got - used - there
        line = (was, got, gave, used, there)
        if any(line):
            found.append(CreditLine(name, username, *line))
    return found


def _total(balances: dict[str, int]) -> int:
    return sum(amount for name, amount in balances.items() if purpose(name) in _OURS)
