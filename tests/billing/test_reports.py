"""Reports are what somebody would find who added up every CDR and every posting by hand."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from connector.billing import calls, credit, history, ledger, plans, profiles, reports
from connector.billing.history import CdrView
from connector.billing.profiles import Credentials
from connector.billing.reports import MonthReport, Statement
from connector.core import times
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.money import MICROS
from connector.core.plans import DAY_MS
from connector.database.sqlite import FileStore
from connector.database.store import reading, rows
from connector.errors import BadInput
from tests.billing.conftest import ON_SQLITE
from tests.conftest import NOW

ZONE = "Europe/London"
HOUR_MS = 3_600_000
NUMBERS = ("+442079460001", "+447700900123", "+12125550100", "+331234567890", "+551112345678", "banana")
# From the last days of one month, over its end, into the next.
MONTH_END = times.month_start("2026-12", ZONE)
FIRST = MONTH_END - 3 * DAY_MS


def play(username: str, seed: int, count: int = 120) -> None:
    """Calls of six days at random hours, some of them over hours and midnights, up to the limit and beyond it."""
    drawn = random.Random(seed)
    events: list[tuple[int, int, int]] = []
    for number in range(count):
        began = FIRST + drawn.randrange(6 * DAY_MS // (2 * HOUR_MS)) * 2 * HOUR_MS + drawn.randrange(HOUR_MS // 2)
        events += [(began, 0, number), (began + drawn.randrange(20_000, 4 * HOUR_MS), 1, number)]
    answered: dict[int, int | None] = {}
    for at, ends, number in sorted(events):
        call_id = f"{seed}-{number:028d}"
        if not ends:
            out = number % 3 > 0
            source, called = (username, drawn.choice(NUMBERS)) if out else ("carrier", "+442079460100")
            way = Direction.OUT if out else Direction.IN
            attempt = Attempt(call_id, way, f"leg{number}", source, called, "101", at, at)
            if isinstance(calls.admit(attempt, "n"), Admitted):
                answered[number] = at + 1_000 if number % 5 else None
                if answered[number]:
                    calls.answered(call_id, at + 1_000, "other")
        elif number in answered:
            progress = Progress(f"leg{number}")
            progress.answered_at = answered[number]
            progress.leg_ended(f"leg{number}", at, 16)
            calls.ended(call_id, progress, at + 50)


def all_cdrs() -> list[CdrView]:
    """Every CDR."""
    return history.cdrs(100_000)


def most_at_once(found: list[CdrView], day: str) -> int:
    """The most channels in use on a day, from the beginnings and ends of calls."""
    begin = times.instant(f"{day}T00:00", ZONE)
    taken = [(max(c.started_at, begin), min(c.ended_at, begin + DAY_MS)) for c in found if c.refusal is None]
    taken = [(first, last) for first, last in taken if first < last or (first == last and first < begin + DAY_MS)]
    return max((sum(1 for a, b in taken if a <= at <= b) for at, _ in taken), default=0)


@pytest.fixture
def busy(office: Credentials) -> str:
    """The office, with calls of two months; its username."""
    plans.change("office", 3, 1, FIRST)
    play(office.username, 1)
    return office.username


def test_a_months_report_is_its_cdrs_added_up(busy: str) -> None:
    """By profile, destination, day and refusal; the busiest moment of each day; over both months all CDRs."""
    now = MONTH_END + 4 * DAY_MS
    found = all_cdrs()
    assert {cdr.refusal for cdr in found} >= {None, "channels_full", "no_rate", "number_invalid"}
    counted = 0
    for month in ("2026-11", "2026-12"):
        report = reports.of_profile(busy, month, now)
        mine = [cdr for cdr in found if times.local_month(cdr.booked_at, ZONE) == month]
        counted += len(mine)
        talked = [cdr for cdr in mine if cdr.refusal is None]
        assert report.calls_out == sum(1 for cdr in talked if cdr.direction == "out")
        assert report.calls_in == sum(1 for cdr in talked if cdr.direction == "in")
        assert report.price_micros == sum(cdr.price_micros or 0 for cdr in mine) > 0
        assert report.duration_ms == sum(cdr.duration_ms for cdr in mine)
        reasons = Counter(cdr.refusal for cdr in mine if cdr.refusal)
        assert {each.refusal: each.calls for each in report.refusals} == reasons
        assert report.refused == sum(reasons.values())
        charges = {cdr.id: history.explain(cdr.id) for cdr in talked if cdr.direction == "out"}
        by_rate = Counter[str]()
        for explained in charges.values():
            by_rate[explained.rate] += explained.price_micros
        assert {each.destination: each.price_micros for each in report.destinations} == by_rate
        assert sum(each.billed_s for each in report.destinations) == sum(c.billed_s for c in charges.values())
        assert report.bundle_s == sum(c.bundle_s for c in charges.values())
        for day in report.days:
            booked = [cdr for cdr in mine if times.local_day(cdr.booked_at, ZONE) == day.day]
            assert day.calls_out + day.calls_in + day.refused == len(booked)
            assert day.blocked == sum(1 for cdr in booked if cdr.refusal == "channels_full")
            assert day.peak == most_at_once(found, day.day), day
            assert day.channels == (3 if day.day >= times.local_day(NOW, ZONE) else 0)
    assert counted == len(found)
    assert reports.months(None, now) == ["2026-12", "2026-11"]


def test_the_company_report_is_the_sum_of_its_profiles(busy: str) -> None:
    """And what reached no profile, but its trunk, is there too."""
    attempt = Attempt("lost" * 4, Direction.IN, "leg", "carrier", "+33142685300", "+33", MONTH_END, MONTH_END)
    assert calls.admit(attempt, "n").code == "number_unknown"  # type: ignore[union-attr]
    whole: MonthReport = reports.month(None, "2026-12", MONTH_END + 4 * DAY_MS)
    alone = reports.of_profile(busy, "2026-12", MONTH_END + 4 * DAY_MS)
    assert [(use.profile, use.refused) for use in whole.profiles] == [("office", alone.refused)]
    assert ("no profile", "number_unknown") in {(each.profile, each.refusal) for each in whole.refusals}
    assert whole.refused == alone.refused + 1
    assert (whole.price_micros, whole.calls_out) == (alone.price_micros, alone.calls_out)
    assert [day.peak for day in whole.days] == [None] * len(whole.days)


def test_a_refused_call_is_worth_what_calls_like_it_cost(office: Credentials) -> None:
    """A minute of it by its rate, times the length of the month's calls out; without a rate it is worth nothing."""
    first = Attempt("a" * 8, Direction.OUT, "l", office.username, NUMBERS[0], "1", NOW, NOW)
    assert isinstance(calls.admit(first, "n"), Admitted)
    calls.answered("a" * 8, NOW, "x")
    for number, called in enumerate((NUMBERS[3], NUMBERS[1], NUMBERS[0], NUMBERS[0], "banana")):
        calls.admit(Attempt(f"b{number}" * 4, Direction.OUT, "l", office.username, called, "1", NOW, NOW), "n")
    progress = Progress("l")
    progress.answered_at = NOW
    progress.leg_ended("l", NOW + 150_000, 16)
    calls.ended("a" * 8, progress, NOW + 150_000)
    report = reports.month(None, None, NOW + 150_000)
    blocked = [each for each in report.refusals if each.refusal == "channels_full"]
    # Two more calls got one of the three channels, and wait; two did not: 0.023 a minute, 150 s long.
    assert [(each.calls, each.worth_micros) for each in blocked] == [(2, 2 * 23_000 * 150 // 60)]
    assert [each.worth_micros for each in report.refusals if each.refusal == "number_invalid"] == [0]


def test_what_a_closed_profile_refuses_is_worth_something(office: Credentials) -> None:
    """Its rate is known, whatever else was in the way; a number that is none is worth nothing."""
    profiles.set_state("office", "suspended")
    for number, called in enumerate((NUMBERS[0], "banana")):
        calls.admit(Attempt(f"s{number}" * 4, Direction.OUT, "l", office.username, called, "1", NOW, NOW), "n")
    (refused,) = reports.month(None, None, NOW).refusals
    assert (refused.refusal, refused.calls, refused.worth_micros) == ("profile_suspended", 2, 23_000)


def test_before_the_first_entry_there_was_nothing(busy: str) -> None:
    """A statement of the month in which a company began, and of one long before."""
    assert reports.statement(None, "2026-11", NOW).opening_micros == 0
    before = reports.statement(None, "2001-01", NOW)
    assert (before.opening_micros, before.closing_micros, before.entries, before.movements) == (0, 0, 0, [])


def adds_up(found: Statement) -> bool:
    """Whether a statement's own figures give what there is at its end."""
    came = found.opening_micros + found.topped_up_micros + found.refunds_micros
    went = found.channels_micros + found.numbers_micros + found.calls_micros
    return came - went == found.closing_micros


def test_a_statement_is_the_ledger(busy: str) -> None:
    """What there was, came, went and is: each month adds up, the next begins where it ended, and its calls are what
    the ledger charged; closed or not.
    """
    now = MONTH_END + 4 * DAY_MS
    plans.change("office", 2, 0, MONTH_END + 3 * DAY_MS)
    credit.take_back("office", MICROS, "some", MONTH_END + 3 * DAY_MS)
    for closed in (False, True):
        if closed:
            assert [view.month for view in ledger.close_months(now)] == ["2026-11"]
        november, december = (reports.statement(None, month, now) for month in ("2026-11", "2026-12"))
        assert adds_up(november)
        assert adds_up(december)
        assert december.opening_micros == november.closing_micros
        assert november.ended
        assert not december.ended
        assert december.refunds_micros > 0
        for found in (november, december):
            with reading():
                ((charged,),) = rows(
                    "SELECT SUM(posting.amount) FROM posting JOIN entry ON entry.id = posting.entry_id WHERE"
                    " posting.account_id LIKE ? AND entry.at >= ? AND entry.at < ?",
                    "%:usage",
                    found.from_at,
                    found.until_at,
                )
            assert found.calls_micros == charged > 0
            (line,) = found.credits
            total = line.opening_micros + line.added_micros - line.returned_micros - line.calls_micros
            assert total == line.closing_micros
    balances = ledger.accounts()
    assert december.balance_micros == next(sum_ for name, sum_ in balances.items() if name.endswith(":balance"))


def test_a_deleted_profile_is_on_the_statement(busy: str) -> None:
    """Its credit went back, and what its last call left of its hold too."""
    at = MONTH_END + 3 * DAY_MS
    assert isinstance(calls.admit(Attempt("z" * 8, Direction.OUT, "l", busy, NUMBERS[0], "1", at, at), "n"), Admitted)
    plans.delete_profile("office", at + 1_000)
    progress = Progress("l")
    progress.leg_ended("l", at + 2_000, 16)
    calls.ended("z" * 8, progress, at + 2_000)
    found = reports.statement(None, "2026-12", at + 3_000)
    assert adds_up(found)
    (line,) = found.credits
    assert line.closing_micros == 0
    assert line.opening_micros + line.added_micros == line.returned_micros + line.calls_micros


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "26-11", "2026-11-01", "", "\u0662026-11", "x" * 99])
def test_what_is_no_month_is_refused(office: Credentials, month: str) -> None:
    """Each by a line that says how a month is written."""
    with pytest.raises(BadInput, match="Invalid month"):
        reports.month(None, month, NOW)


SUMS = (
    "SELECT * FROM call_day",
    "SELECT * FROM destination_month",
    "SELECT company_id, month, profile_id, refusal, calls FROM refusal_month",
    "SELECT * FROM channel_hour",
    "SELECT id, booked_at FROM cdr",
)


# The tables that have come since, those first that others do not refer to.
LATER = (
    "trunk_order",
    "cost",
    "margin_month",
    "margin_floor",
    "exchange_rate",
    "sheet_layout",
    "card_charge",
    "card_recharge",
    "saved_filter",
    "media",
    "call_event",
    "call_post",
    "threshold",
    "invoice",
    "invoice_restart",
    "invoice_series",
    "buyer",
    "payment_event",
    "payment",
    "reference_version",
    "service_number",
    "button",
    "delivery",
    "webhook",
    "export",
    "call_day",
    "destination_month",
    "refusal_month",
    "channel_hour",
)


def sums_of(path: Path) -> list[list[tuple[object, ...]]]:
    """What stands in the tables of sums of a file; of what refused calls would have cost nothing was known before."""
    raw = sqlite3.connect(path)
    found = [sorted(raw.execute(sql).fetchall()) for sql in SUMS]
    raw.close()
    return found


@ON_SQLITE
def test_an_earlier_stores_calls_are_added_up_as_if_they_came_now(busy: str, store: FileStore) -> None:
    """A store of before, migrated, has the sums that it would have if this program had written its calls."""
    up = Attempt("up" * 8, Direction.OUT, "l", busy, NUMBERS[0], "1", MONTH_END + 9 * DAY_MS, MONTH_END + 9 * DAY_MS)
    assert isinstance(calls.admit(up, "n"), Admitted)
    path = store.path
    store.close()
    kept = sums_of(path)
    assert all(kept)
    raw = sqlite3.connect(path)
    for table in LATER:
        raw.execute(f"DROP TABLE {table}")
    raw.execute("DROP INDEX entry_not_of_calls")
    counting = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%_counts_%'"
    for (trigger,) in raw.execute(counting).fetchall():
        raw.execute(f"DROP TRIGGER {trigger}")
    raw.execute("DROP INDEX deck_whose")
    for column in ("trunk_id", "currency"):
        raw.execute(f"ALTER TABLE deck DROP COLUMN {column}")
    raw.execute("ALTER TABLE hold DROP COLUMN cost")
    for column in ("button", "sip_id", "routing"):
        raw.execute(f"ALTER TABLE call DROP COLUMN {column}")
    raw.execute("ALTER TABLE node DROP COLUMN codecs")
    raw.execute("ALTER TABLE users DROP COLUMN language")
    raw.execute("PRAGMA writable_schema = ON")
    raw.execute("UPDATE sqlite_master SET sql = REPLACE(sql, '''cut_off'',''media_lost''', '''cut_off''')")
    raw.execute("UPDATE sqlite_master SET sql = REPLACE(sql, ', ''payable''', '')")
    raw.execute("PRAGMA writable_schema = RESET")
    for column in ("booked_at", "offered_micros", "button", "sip_status", "hung_up_by", "routing"):
        raw.execute(f"ALTER TABLE cdr DROP COLUMN {column}")
    for column in ("billing_address", "contact", "withhold_prefixes"):
        raw.execute(f"ALTER TABLE profile DROP COLUMN {column}")
    raw.execute("DELETE FROM schema_migration WHERE name >= '0009'")
    raw.commit()
    raw.close()
    assert store.migrate()[0] == "0009_usage"
    store.close()
    assert sums_of(path) == kept
