"""The time machine: months in seconds, on a copy, by the code of every day."""

from __future__ import annotations

from connector.billing import credit, ledger, plans, profiles
from connector.billing.profiles import Credentials
from connector.core.money import MICROS
from connector.core.plans import DAY_MS
from connector.core.times import from_asterisk
from connector.database.sqlite import FileStore
from connector.storage import timemachine
from tests.conftest import NOW


def test_95_days_are_three_renewals(office: Credentials, store: FileStore) -> None:
    """Each on its day of the company's calendar, and the store itself stays as it is."""
    plans.change("office", 10, 2, NOW)
    before, entries = ledger.accounts(), ledger.last_number(1)
    journey = timemachine.run(store, 95, NOW)
    assert (ledger.accounts(), ledger.last_number(1)) == (before, entries)
    price = 10 * 6_950_000 + 2 * 45 * MICROS
    paid = [day for day in journey.days if any(step.kind == "subscription" for step in day.steps)]
    assert [day.day for day in paid] == ["2026-12-18", "2027-01-17", "2027-02-16"]
    assert [sum(step.balance_micros for step in day.steps) for day in paid] == [-price] * 3
    assert paid[-1].balance_micros == before["company:1:balance"] - 3 * price
    assert journey.ledger_ok
    assert journey.notices == []


def test_money_that_ends_is_seen_coming(office: Credentials, store: FileStore) -> None:
    """Grace, a notice a day, and then nothing more: what would be told is told now."""
    credit.add("office", credit.balance().available_micros - 3 * 6_950_000, "rest", NOW)
    journey = timemachine.run(store, 95, NOW)
    assert len([day for day in journey.days if any(step.kind == "subscription" for step in day.steps)]) == 1
    assert [notice.text.rpartition("; ")[2][:7] for notice in journey.notices] == ["it goes"] * 3 + ["it is i"]
    assert journey.balances == {"Acme": "£0.00"}
    assert plans.show("office").status == "active"


def test_leap_days_and_summer_time_move_no_term(company: str, store: FileStore) -> None:
    """A term is 30 days to the second: over 29 February, and over both changes of the clock."""
    start = from_asterisk("2028-02-15T23:30:00.000+0000")
    profiles.create_profile("leap", 1, "asterisk", start)
    journey = timemachine.run(store, 270, start)
    at = [step.at for day in journey.days for step in day.steps if step.kind == "subscription"]
    assert at == [start + n * 30 * DAY_MS for n in range(1, 10)]
    # From 23:30 to 00:30 by London's clock when summer time begins, and back when it ends.
    days = [day.day for day in journey.days]
    assert days[:3] == ["2028-03-16", "2028-04-16", "2028-05-16"]
    assert days[-1] == "2028-11-11"
