"""The time machine: a copy of the store, run forward with a clock of its own, by the code that runs every day."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from connector.billing import credit, ledger, plans, profiles
from connector.core import times
from connector.core.formats import shown
from connector.core.ledger import company_account
from connector.core.plans import DAY_MS
from connector.database.sqlite import FileStore
from connector.database.store import Store
from connector.notices import notices

# At least so often, besides the instants at which something is due: there may be a month to close.
STEP_MS = DAY_MS


@dataclass(frozen=True)
class Step:
    """One entry of a day. `balance_micros` is what the company's balance gains, negative if it pays."""

    at: int
    kind: str
    about: str
    balance_micros: int


@dataclass(frozen=True)
class Day:
    """A calendar day in its company's time zone, on which money moved. `balance_micros` is the balance at its end."""

    day: str
    company: str
    currency: str
    steps: list[Step]
    balance_micros: int


@dataclass(frozen=True)
class Notice:
    """What the company's people would be told."""

    at: str
    company: str
    text: str


@dataclass(frozen=True)
class Journey:
    """All of it: the days on which money moves, what would be told, and every company's balance at the end."""

    from_at: int
    to_at: int
    days: list[Day]
    notices: list[Notice]
    balances: dict[str, str]
    ledger_ok: bool


def run(store: Store, days: int, now: int) -> Journey:
    """Run a copy of the store `days` days forward from `now`. The store itself is only read."""
    with tempfile.TemporaryDirectory(prefix="connector-timemachine-") as folder:
        copy = Path(folder) / "connector.db"
        store.copy_to(copy)
        opened = FileStore(copy)
        opened.migrate()
        try:
            return _forward(days, now)
        finally:
            opened.close()
            store.open()


def _forward(days: int, now: int) -> Journey:
    companies = profiles.company_views()
    last_number = {company.id: ledger.last_number(company.id) for company in companies}
    told = notices.count()
    until = now + days * DAY_MS
    at = now
    while at <= until:
        plans.renew_due(at)
        ledger.close_months(at)
        due = plans.next_due(at)
        step = at + STEP_MS
        at = min(step, due) if due is not None else step
    found: list[Day] = []
    balances: dict[str, str] = {}
    for company in companies:
        found += _days(company, last_number[company.id])
        balances[company.name] = shown(credit.balance(company.name).available_micros, company.currency)
    new = list(reversed(notices.newest(notices.count() - told)))
    return Journey(
        from_at=now,
        to_at=until,
        days=sorted(found, key=lambda day: (day.day, day.company)),
        notices=[Notice(times.iso(view.at) or "", view.company, view.text) for view in new],
        balances=balances,
        ledger_ok=ledger.verify().ok,
    )


def _days(company: profiles.CompanyView, after: int) -> list[Day]:
    account = company_account(company.id, "balance")
    entries = list(reversed(ledger.entries(ledger.last_number(company.id) - after, company.name)))
    balance = ledger.accounts(company.name).get(account, 0) - sum(e.postings.get(account, 0) for e in entries)
    days: dict[str, list[Step]] = {}
    for entry in entries:
        step = Step(entry.at, entry.kind, entry.about, entry.postings.get(account, 0))
        days.setdefault(times.local_day(entry.at, company.time_zone), []).append(step)
    made = []
    for day, steps in days.items():
        balance += sum(step.balance_micros for step in steps)
        made.append(Day(day, company.name, company.currency, steps, balance))
    return made
