"""Any order of anything: entries balance, nothing is negative, every hold is resolved once."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from connector.billing import (
    calls,
    credit,
    decks,
    history,
    invoices,
    ledger,
    limits,
    payments,
    plans,
    profiles,
    reports,
)
from connector.billing.payments import Told
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.holds import Slicing
from connector.core.invoices import TAX_POINTS
from connector.core.kept import Kept
from connector.core.money import MICROS
from connector.core.paging import Turn
from connector.core.plans import DAY_MS
from connector.database.models import Invoice
from connector.database.postgresql import SharedStore
from connector.database.sqlite import FileStore
from connector.database.store import Store, reading, rows
from connector.errors import BadInput, NotFound
from connector.routing import trunks
from tests.billing.test_invoices import TERMS, issue_due
from tests.conftest import DECK, NOW
from tests.core.test_invoices import BUYER
from tests.databases import Databases

NUMBERS = ("+442079460001", "+447700900123", "+12125550100", "+331234567890", "+551112345678", "+449012345678")
sums = st.integers(1, 60 * MICROS)
profile_names = st.sampled_from(["office", "warehouse"])


class Company(RuleBasedStateMachine):
    """One company with two profiles, and everything that can happen to it."""

    live = Bundle("live")

    def __init__(self, fresh: AbstractContextManager[Store]) -> None:
        super().__init__()
        self.fresh = fresh
        self.store = fresh.__enter__()
        self.now = NOW
        self.usernames: dict[str, str] = {}
        self.ended: dict[str, int | None] = {}
        self.offered = 0

    @initialize(money=st.integers(30, 4_000), tax_point=st.sampled_from(TAX_POINTS))
    def begin(self, money: int, tax_point: str) -> None:
        """Money, rates, two profiles; and how it is invoiced."""
        self.terms = replace(TERMS, tax_point=tax_point)
        profiles.create_company("Acme", "GBP", "Europe/London", NOW)
        trunks.create_trunk("carrier", "127.0.0.1", 5070, NOW)
        decks.load(DECK, "rates", NOW)
        invoices.set_buyer("Acme", asdict(BUYER), TERMS)
        credit.top_up(money * MICROS, "first", NOW)
        for name, channels in (("office", 3), ("warehouse", 1)):
            self.usernames[name] = profiles.create_profile(name, channels, "asterisk", NOW).username

    def tried(self, function: Any, *args: Any, **more: Any) -> None:
        """Do something that may be refused, twice if it has a key: refused, it changes nothing."""
        before = ledger.accounts()
        try:
            function(*args, **more)
        except (BadInput, NotFound):
            assert ledger.accounts() == before

    @rule(target=live, name=profile_names, number=st.sampled_from(NUMBERS), slice_s=st.sampled_from([1, 10, 60, 600]))
    def offer(self, name: str, number: str, slice_s: int) -> Any:
        """A call out comes to the gate."""
        self.offered += 1
        attempt = Attempt(
            uuid.uuid4().hex, Direction.OUT, "A", self.usernames[name], number, "1", self.now, self.now + 1
        )
        got = calls.admit(attempt, "node", Slicing(slice_s))
        return (got.call_id, self.now, got.guard_s) if isinstance(got, Admitted) else multiple()

    @rule(call=live, times=st.integers(1, 3), stale=st.booleans())
    def extend(self, call: tuple[str, int, int], times: int, stale: bool) -> None:
        """It talks on; a request may come again, or late."""
        held = call[2]
        for _ in range(times):
            got = calls.extend(call[0], held, self.now)
            held = held if stale or got is None else got

    @rule(call=live)
    def answer(self, call: tuple[str, int, int]) -> None:
        """It is answered; the event may come more than once."""
        calls.answered(call[0], self.now, "B")
        calls.answered(call[0], self.now + 5, "B")

    @rule(call=consumes(live), answered=st.booleans(), ms=st.integers(-1_000, 900_000), again=st.booleans())
    def end(self, call: tuple[str, int, int], answered: bool, ms: int, again: bool) -> None:
        """It ends: talked, unanswered, or with a clock that went back; the event may come twice."""
        progress = Progress("A")
        progress.answered_at = self.now if answered else None
        progress.leg_ended("A", self.now + ms, 16)
        for _ in range(1 + again):
            calls.ended(call[0], progress, self.now)
        price = history.cdr(call[0]).price_micros
        assert self.ended.setdefault(call[0], price) == price

    @rule(micros=sums, key=st.sampled_from("abcdef"))
    def top_up(self, micros: int, key: str) -> None:
        """Money comes, perhaps with a key that was used."""
        coins = max(10_000, micros // 10_000 * 10_000)  # money comes in whole pence
        self.tried(credit.top_up, coins, key, self.now)

    @rule(
        kind=st.sampled_from(["announced", "received", "failed", "taken back", "reinstated"]),
        number=st.integers(1, 3),
        event=st.sampled_from("uvwxyz"),
        units=st.integers(1, 60),
    )
    def gateway(self, kind: str, number: int, event: str, units: int) -> None:
        """A gateway tells of a payment, in any order, twice."""
        told, micros = Told("gateway", event, f"pay_{number}"), units * MICROS
        for _ in range(2):
            if kind in ("announced", "received"):
                tell = payments.announced if kind == "announced" else payments.received
                self.tried(tell, told, credit.payment_reference(), micros, "GBP", self.now)
            elif kind == "failed":
                self.tried(payments.failed, told, "no", self.now)
            else:
                change = payments.taken_back if kind == "taken back" else payments.reinstated
                self.tried(change, told, micros, "refund", self.now)

    @rule(name=profile_names, micros=sums, key=st.sampled_from("abcdef"), back=st.booleans())
    def allocate(self, name: str, micros: int, key: str, back: bool) -> None:
        """Credit is given and taken back."""
        self.tried(credit.take_back if back else credit.add, name, micros, key, self.now)

    @rule(name=profile_names, amount=sums, threshold=sums)
    def recharge(self, name: str, amount: int, threshold: int) -> None:
        """Auto-recharge is set."""
        self.tried(credit.set_recharge, name, amount, threshold, 5 * amount, self.now)

    @rule(name=profile_names, channels=st.integers(0, 5), bundles=st.integers(0, 4))
    def change(self, name: str, channels: int, bundles: int) -> None:
        """A subscription is bought or changed."""
        self.tried(plans.change, name, channels, bundles, self.now)
        self.tried(plans.buy, name, channels, bundles, self.now)

    @rule(name=profile_names, uses=st.booleans(), most=st.none() | sums)
    def limit(self, name: str, uses: bool, most: int | None) -> None:
        """Limits are set."""
        self.tried(limits.change, name, {"uses_company_balance": uses, "day_micros": most}, [], [])

    @rule(name=profile_names)
    def cancel(self, name: str) -> None:
        """A subscription is cancelled."""
        self.tried(plans.cancel, name, self.now)

    @rule(name=profile_names)
    def delete(self, name: str) -> None:
        """A profile is deleted, with calls up, and another of its name is made."""
        self.tried(plans.delete_profile, name, self.now)
        self.usernames[name] = profiles.create_profile(name, 0, "asterisk", self.now).username

    @rule(ms=st.sampled_from([1, 60_000, 3_600_000, DAY_MS, 3 * DAY_MS, 30 * DAY_MS, 31 * DAY_MS]))
    def wait(self, ms: int) -> None:
        """Time goes by, and what is due is done."""
        self.now += ms
        plans.renew_due(self.now)
        ledger.close_months(self.now)

    @rule()
    def invoice(self) -> None:
        """What is due is invoiced: as much as came from outside, or as was charged, less than a coin apart."""
        issue_due(self.terms, self.now)
        found = [*Invoice.select().order_by(Invoice.id)]
        invoiced = sum(-each.gross_micros if each.kind == "credit note" else each.gross_micros for each in found)
        if self.terms.tax_point == "payment":
            assert invoiced == -ledger.accounts()["company:1:outside"]
        elif found:
            months = [month for month in reports.months(None, self.now) if month <= found[-1].month]
            charged = [reports.statement(None, month, self.now) for month in months]
            assert invoiced + found[-1].left_micros == sum(
                each.calls_micros + each.channels_micros + each.numbers_micros - each.refunds_micros for each in charged
            )

    @invariant()
    def adds_up(self) -> None:
        """Every balance is its postings', nothing is negative, what is held is what the live calls hold."""
        assert ledger.verify().problems == []
        with reading():
            notes = [*rows("SELECT DISTINCT about FROM entry"), *rows("SELECT DISTINCT text FROM notice")]
        assert [text for (text,) in notes if Kept.of(text) is None] == []
        seen = payments.page_of(None, Turn(limit=100)).items
        came = sum(each.amount_micros - each.taken_back_micros for each in seen if each.state == "received")
        assert ledger.accounts()["company:1:outside"] == -came
        assert payments.owed(None) == sum(each.owed_micros for each in seen)

    def teardown(self) -> None:
        """Every call ends: nothing is held any more, and each call offered has one CDR."""
        for call in calls.live():
            progress = Progress("A")
            progress.leg_ended("A", self.now, 16)
            calls.ended(call.id, progress, self.now)
        held = {name: balance for name, balance in ledger.accounts().items() if name.endswith("held")}
        assert not any(held.values()), held
        assert len(history.cdrs(100_000)) == self.offered
        self.wait(31 * DAY_MS)
        self.invoice()
        self.adds_up()
        self.store.close()
        self.fresh.__exit__(None, None, None)


@contextmanager
def new_file() -> Iterator[Store]:
    """An empty store of SQLite."""
    with tempfile.TemporaryDirectory(prefix="connector-property-") as folder:
        store = FileStore(Path(folder) / "connector.db")
        store.migrate()
        yield store


@contextmanager
def new_database(databases: Databases) -> Iterator[Store]:
    """An empty store of PostgreSQL."""
    with databases.one() as url:
        yield SharedStore(url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_whatever_happens_to_a_company_its_books_add_up(kind: str, databases: Databases) -> None:
    """Calls, money, subscriptions and time, in any order: nothing is lost, made, oversold or below zero."""

    def company() -> Company:
        return Company(new_file() if kind == "sqlite" else new_database(databases))

    run_state_machine_as_test(
        cast("type[Company]", company),
        settings=settings(
            max_examples=20 if kind == "sqlite" else 8,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
