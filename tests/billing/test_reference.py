"""Reference data from memory: no call is decided by what was before a change that the store already had."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module

import pytest

from connector.billing import calls, credit, decks, ledger, limits, nodes, numbers, plans, profiles
from connector.billing.profiles import Credentials
from connector.core.calls import Admitted, Direction
from connector.core.money import MICROS
from connector.core.plans import DAY_MS
from connector.core.refusals import Refusal
from connector.database import models, reference
from connector.database.models import TABLES, database
from connector.database.store import Store, reading, rows, run, trying, writing
from connector.errors import BadInput
from connector.routing import trunks
from connector.storage import stores
from tests.billing.conftest import ON_POSTGRESQL
from tests.billing.test_calls import NODE, admitted, attempt, finish
from tests.billing.test_ledger import tampered
from tests.conftest import DECK, NOW
from tests.databases import place_of

MIGRATIONS = [
    import_module(f"connector.database.migrations.{name}")
    for name in ("0013_reference", "0018_call_events", "0024_costs", "0025_trunk_orders")
]
# What calls change, or what no call is decided by.
OTHERS = {
    "account", "api_token", "audit", "buyer", "call", "call_day", "call_event", "call_post",
    "card_charge", "card_recharge", "cdr",
    "channel_hour", "charge", "closing", "cost",
    "delivery", "destination_month", "emergency_call", "entry", "export", "hold", "invoice", "invoice_restart",
    "invoice_series", "margin_month", "media", "node", "notice", "payment", "payment_event", "posting", "price_list",
    "reachability",
    "reference_version", "refusal_month", "request", "restored", "saved_filter", "session", "sheet_layout",
    "sign_in_link", "stock",
    "threshold", "users",
}  # fmt: skip


def version() -> int:
    """The version of the reference data."""
    with reading():
        return int(rows("SELECT SUM(version) FROM reference_version")[0][0])


def refusal_of(source: str, dialled: str = "+442079460001") -> str:
    """Why a call out is refused; "" if it is admitted, and then it is over."""
    decided = calls.admit(attempt(source, dialled), NODE)
    if isinstance(decided, Admitted):
        finish(decided.call_id)
        return ""
    assert isinstance(decided, Refusal)
    return decided.code


def elsewhere(store: Store, function: Callable[[], object]) -> None:
    """Run a function in another thread, with a connection of its own: another node, or the command line."""

    def work() -> None:
        other = stores.opened(place_of(store))
        try:
            function()
        finally:
            other.close()
            store.open()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)


def test_every_table_is_reference_data_or_not() -> None:
    """Who adds a table says which; the triggers of the migrations are those of all that are."""
    assert {table for each in MIGRATIONS for table in each.TABLES} == reference.TABLES
    assert {vars(model)["_meta"].table_name for model in TABLES} == reference.TABLES | OTHERS
    assert reference.TABLES.isdisjoint(OTHERS)


@pytest.mark.parametrize("table", sorted(reference.TABLES))
def test_every_change_is_counted(table: str, office: Credentials, store: Store) -> None:
    """A row more, changed or less, by whatever program."""
    found = vars(models)
    model = next(each for each in TABLES if vars(each)["_meta"].table_name == table)
    assert model in found.values()
    key = vars(model)["_meta"].sorted_fields[0].column_name
    before = version()
    with writing():
        there = rows(f"SELECT COUNT(*) FROM {table}")[0][0]
        run(f"UPDATE {table} SET {key} = {key}")
        run(f"DELETE FROM {table} WHERE 1 = 0")
    changed = version() - before
    # SQLite counts rows, PostgreSQL statements.
    assert changed == (there if place_of(store).path else 2)
    with reading():
        sql = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%_counts_%'"
        if place_of(store).path:
            assert rows(sql)[0][0] == 3 * len(reference.TABLES)


def test_a_call_changes_none_and_asks_for_none_twice(office: Credentials, store: Store) -> None:
    """From admission to CDR, a refusal, an extension and a recharge: the version stays; the second call asks only what
    calls change.
    """
    credit.set_recharge("office", 5 * MICROS, 9_990_000, None, NOW)
    finish(admitted(office.username).call_id)
    before, known = version(), len(database.obj.reference.answers)
    up = admitted(office.username).call_id
    calls.answered(up, NOW + 5, "B")
    calls.extend(up, 60, NOW + 50_000)
    finish(up)
    assert refusal_of(office.username, dialled="12") == "number_invalid"
    nodes.here(NODE, 1, NOW)
    assert version() == before
    # The refused call asked for its own number, and no more.
    assert len(database.obj.reference.answers) <= known + 2


def test_a_change_elsewhere_is_seen_by_the_next_call(office: Credentials, store: Store) -> None:
    """Another node or the command line changes what this one has in memory: the next call is decided by it."""
    assert refusal_of(office.username) == ""
    for change, why in (
        (lambda: limits.change("office", {}, [("+", False)], []), "destination_blocked"),
        (lambda: limits.change("office", {}, [], ["+"]), ""),
        (lambda: profiles.set_state("office", "suspended"), "profile_suspended"),
        (lambda: profiles.set_state("office", "open"), ""),
    ):
        elsewhere(store, change)
        assert refusal_of(office.username) == why


def test_a_change_of_its_own_is_seen_at_once(office: Credentials, store: Store) -> None:
    """In the transaction that makes it, and not after it was taken back."""
    assert refusal_of(office.username) == ""
    with trying():
        limits.change("office", {}, [("+", False)], [])
        decided = calls.admit(attempt(office.username), NODE)
        assert isinstance(decided, Refusal)
        assert decided.code == "destination_blocked"
    assert refusal_of(office.username) == ""
    with pytest.raises(BadInput), writing():
        limits.change("office", {}, [("+", False)], [])
        raise BadInput("it is not to be")
    assert refusal_of(office.username) == ""


def test_a_reader_of_an_earlier_moment_does_not_see_the_later_one(office: Credentials, store: Store) -> None:
    """A transaction that began before a change goes on with what was; those after it have what is."""
    with reading():
        before = reference.rows("SELECT name FROM trunk")
        elsewhere(store, lambda: trunks.create_trunk("second", "127.0.0.1", 5090, NOW))
        assert reference.rows("SELECT name FROM trunk ") == before  # asked anew: the words differ
    with reading():
        assert len(reference.rows("SELECT name FROM trunk")) == len(before) + 1


def test_a_deck_that_comes_into_use_needs_no_change(office: Credentials, store: Store) -> None:
    """At its instant it is in use, although nothing was written then."""
    dear = DECK.replace("0.023", "0.5")
    decks.load(dear, "dear", NOW, after_ms=10_000)
    with reading():
        profile = reference.one(models.Profile, "username = ?", office.username)
        assert profile is not None
        rates = [decks.rate_of(profile.company_id, "+442079460001", at) for at in (NOW + 9_999, NOW + 10_001)]
    assert [found and found[1].price_per_minute_micros for found in rates] == [23_000, 500_000]


def test_channels_that_were_bought_are_there_for_the_next_call(office: Credentials, store: Store) -> None:
    """The limit is the store's: three calls, the fourth is refused; one channel more elsewhere, and it is admitted."""
    up = [admitted(office.username).call_id for _ in range(3)]
    assert refusal_of(office.username) == "channels_full"
    elsewhere(store, lambda: plans.change("office", 4, None, NOW + 2 * DAY_MS))
    assert refusal_of(office.username) == ""
    for call_id in up:
        finish(call_id)


def test_what_strangers_dial_does_not_fill_the_memory(
    office: Credentials, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is emptied when there is too much, and calls are decided as before."""
    monkeypatch.setattr(reference, "MOST_QUESTIONS", 20)
    for number in range(60):
        called = attempt("carrier", f"+4420794{number:05}", Direction.IN)
        assert isinstance(calls.admit(called, NODE), Refusal)
        assert len(database.obj.reference.answers) <= 20
    assert refusal_of(office.username) == ""


def test_a_part_that_fails_leaves_nothing_behind(office: Credentials, store: Store) -> None:
    """In a batch, a call is admitted and then taken back: the next has its channel, and the ledger has no gap."""
    first, second = attempt(office.username), attempt(office.username)
    with writing():
        assert isinstance(calls.admit(first, NODE), Admitted)
        with pytest.raises(BadInput), writing():
            assert isinstance(calls.admit(second, NODE), Admitted)
            raise BadInput("it fails half-way")
        assert isinstance(calls.admit(attempt(office.username), NODE), Admitted)
        assert isinstance(calls.admit(attempt(office.username), NODE), Admitted)
        assert isinstance(calls.admit(attempt(office.username), NODE), Refusal)
    assert len(calls.live()) == 3
    assert second.call_id not in {call.id for call in calls.live()}
    assert ledger.verify().problems == []
    for call in calls.live():
        finish(call.id)
    assert ledger.verify().problems == []


def test_a_store_without_its_counting_is_found(office: Credentials, store: Store) -> None:
    """`ledger verify` says that a trigger is missing: without it, calls could be decided by what was."""
    if not place_of(store).path:
        tampered(store, "UPDATE company SET name = name")
        with writing():
            run("DROP TRIGGER profile_counts ON profile")
        (problem,) = ledger.verify().problems
    else:
        tampered(store, "UPDATE company SET name = name")
        with writing():
            run("DROP TRIGGER profile_counts_update")
        (problem,) = ledger.verify().problems
    assert "profile_counts" in problem


def test_a_number_that_is_bought_elsewhere_rings_here(office: Credentials, store: Store) -> None:
    """That a number is nobody's is remembered only as long as it is so."""
    called = attempt("carrier", "+442079460155", Direction.IN)
    assert isinstance(calls.admit(called, NODE), Refusal)
    elsewhere(store, lambda: numbers.add("+442079460155", "office", NOW))
    decided = calls.admit(attempt("carrier", "+442079460155", Direction.IN), NODE)
    assert isinstance(decided, Admitted)
    finish(decided.call_id)


@ON_POSTGRESQL
def test_a_call_that_waited_is_decided_by_what_is_then(office: Credentials, store: Store) -> None:
    """Another session suspends the profile while a call waits for the company: the call is refused."""
    assert refusal_of(office.username) == ""
    suspended, go_on = threading.Event(), threading.Event()
    found: list[object] = []

    def suspends() -> None:
        with writing():
            profiles.set_state("office", "suspended")
            suspended.set()
            go_on.wait(10)
        store.close()

    def asks() -> None:
        found.append(calls.admit(attempt(office.username), NODE))
        store.close()

    threads = [threading.Thread(target=each) for each in (suspends, asks)]
    threads[0].start()
    assert suspended.wait(10)
    threads[1].start()
    with reading():
        waiting = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not rows(f"{waiting} AND {len(found)} = 0")[0][0]:
            threads[1].join(0.02)
    go_on.set()
    for thread in threads:
        thread.join(10)
    (decided,) = found
    assert isinstance(decided, Refusal)
    assert decided.code == "profile_suspended"


@ON_POSTGRESQL
def test_a_database_that_went_back_is_read_anew(office: Credentials, store: Store) -> None:
    """As after a recovery to an earlier moment: the version is lower, and when it is as high again, it is another's."""
    assert refusal_of(office.username) == ""
    with writing():
        run("UPDATE reference_version SET version = 0")
    assert refusal_of(office.username) == ""
    assert database.obj.reference.version == 0
