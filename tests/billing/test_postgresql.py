"""What is different on PostgreSQL: its constraints in its own words, its sessions, the way from one to the other."""

from __future__ import annotations

import sqlite3
from contextlib import nullcontext, suppress
from pathlib import Path

import peewee
import psycopg
import pytest

from connector.billing import calls, credit, history, ledger, plans, profiles
from connector.billing.profiles import Credentials
from connector.config import StoreSettings
from connector.core.calls import Admitted
from connector.core.plans import DAY_MS
from connector.database.postgresql import SharedStore
from connector.database.sqlite import FileStore
from connector.database.store import Store, answers, foresee, reading, rows, writing
from connector.errors import BadInput, SettingsError, StoreUnavailable, StoreUnreachable
from connector.routing import trunks
from connector.storage import backup, stores
from tests.billing.conftest import ON_POSTGRESQL
from tests.billing.test_calls import attempt, finish
from tests.conftest import NOW
from tests.databases import Databases, at_once

OLD_STORES = sorted((Path(__file__).parent.parent / "stores").glob("*.sql"))


@pytest.fixture
def busy_office(office: Credentials) -> Credentials:
    """A profile with 3 channels and 10 pounds, a call that is up, one that is over, and a term of bundles."""
    finish(up(office), ended_at=NOW + 90_000)
    up(office)
    plans.change("office", 3, 1, NOW + DAY_MS)
    return office


def up(office: Credentials) -> str:
    """A call that was answered."""
    got = calls.admit(attempt(office.username), "node")
    assert isinstance(got, Admitted)
    calls.answered(got.call_id, NOW, "B")
    return got.call_id


POSTING = "INSERT INTO posting (entry_id, account_id, amount) VALUES ({}, 'profile:1:{}', {})"
CALL = (
    "INSERT INTO call (id, node, profile_id, slot, direction, caller_id, dialled, called, trunk_id, gate_leg,"
    " transferred, started_at, seen_at) VALUES ('x', 'n', 1, {}, 'out', '', '', '', 1, '', false, 0, 0)"
)


@ON_POSTGRESQL
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE posting SET amount = 1", "append only"),
        ("DELETE FROM posting", "append only"),
        ("UPDATE entry SET about = ''", "append only"),
        ("DELETE FROM entry", "append only"),
        (POSTING.format(1, "credit", -10_000_000), "check constraint"),
        (POSTING.format(2, "credit_held", -23_001), "check constraint"),
        (POSTING.format(1, "credit", 0), "check constraint"),
        (POSTING.format(9999, "credit", 5), "foreign key"),
        (CALL.format(1), "unique constraint"),
        (CALL.format(4), "more channels than the profile has"),
        ("INSERT INTO term (company_id, profile_id, channels, bundles, price_micros, bundles_price_micros, periods,"
         " starts_at, ends_at, renews) VALUES (1, 1, 1, 0, 0, 0, 1, 0, 1, true)", "unique constraint"),
    ],
)  # fmt: skip
def test_the_store_itself_refuses(statement: str, said: str, busy_office: Credentials, store: Store) -> None:
    """History does not change, nothing goes below zero, no more is held than is there, no channel is oversold."""
    with pytest.raises(peewee.DatabaseError, match=said), store.db.atomic():
        store.db.execute_sql(statement)  # type: ignore[no-untyped-call]
    assert ledger.verify().problems == []


@ON_POSTGRESQL
def test_who_only_reads_cannot_write(store: Store) -> None:
    """A reading transaction is one for the database too."""
    with pytest.raises(StoreUnavailable, match="read-only"), reading():
        store.db.execute_sql("DELETE FROM notice")  # type: ignore[no-untyped-call]


@ON_POSTGRESQL
@pytest.mark.parametrize("of_a_part", [False, True])
def test_a_failed_trip_leaves_no_statement_behind_that_the_server_does_not_know(store: Store, of_a_part: bool) -> None:
    """A trip to the server that fails half-way skips what comes after. What psycopg meant to prepare in that rest is
    forgotten with the transaction: else the session failed at this statement for ever.
    """
    question = ("SELECT name FROM company WHERE id = ?", (1,))
    for _ in range(2):  # psycopg looks at the outcome of a ROLLBACK the first time only, and nothing is prepared yet
        with writing() if of_a_part else nullcontext(), suppress(StoreUnavailable), writing():
            rows("SELECT 1")
            rows("SELECT 1 / 0")
    prepared_after = 5
    for _ in range(prepared_after):
        with writing():
            foresee(question)
    with (
        writing() if of_a_part else nullcontext(),
        pytest.raises(StoreUnavailable, match="division by zero"),
        writing(),
    ):
        rows("SELECT 1")  # or nothing of the part has reached the server, and nothing is rolled back
        foresee(("SELECT 1 / 0", ()), question)
    for _ in range(2):
        with writing():
            foresee(question)
            assert answers(question) == []


def books() -> tuple[object, ...]:
    """What a company's people would say is all that matters."""
    return (
        ledger.verify().heads,
        ledger.accounts(),
        history.cdrs(100),
        calls.live(),
        plans.show("office"),
        profiles.list_profiles(),
    )


def test_a_backup_of_either_store_goes_into_either(
    store: Store, busy_office: Credentials, databases: Databases, tmp_path: Path
) -> None:
    """That is how one moves from one node to many: the books, the calls, the hashes are the same; and life goes on."""
    plans.cancel("office", NOW + DAY_MS)
    plans.renew_due(NOW + 40 * DAY_MS)
    assert profiles.show_profile("office").channels == 0  # and a call is up: it is taken over all the same
    before = books()
    made = backup.backup(store, tmp_path / "kept.db")
    assert (made.live_calls, made.cdrs) == (1, 1)
    with databases.one(migrated=False) as url:
        for target in (SharedStore(url), FileStore(tmp_path / "new.db")):
            view = backup.restore(tmp_path / "kept.db", target, NOW)
            assert view.kept is None
            assert books() == before
            assert ledger.verify().problems == []
            credit.top_up(50_000, "later", NOW)
            trunks.create_trunk("another", "127.0.0.1", 5071, NOW)
            assert ledger.verify().problems == []
            target.close()
        again = SharedStore(url)
        with pytest.raises(BadInput, match="has a company"):
            backup.restore(tmp_path / "kept.db", again, NOW)
        again.close()
    store.open()


def test_nothing_is_restored_under_a_connector_that_runs(
    store: Store, busy_office: Credentials, databases: Databases, tmp_path: Path
) -> None:
    """It would admit and renew before somebody has looked; and what is there is not brought up to date either."""
    backup.backup(store, tmp_path / "kept.db")
    with databases.one(migrated=False) as url:
        target = SharedStore(url)
        target.write_as("first")
        with reading():
            pass
        with pytest.raises(BadInput, match="a connector runs"):
            backup.restore(tmp_path / "kept.db", target, NOW)
        with pytest.raises(StoreUnavailable, match="is empty"):
            target.check()
        target.close()
    store.open()


def test_a_url_that_is_none_is_said_to_be_so() -> None:
    """One line, that quotes nothing of it."""
    with pytest.raises(SettingsError) as caught:
        stores.opened(StoreSettings(url="postgresql://host/db?sslmod=a-secret"))
    assert "a-secret" not in str(caught.value)


def test_a_database_that_cannot_keep_every_letter_is_refused(databases: Databases) -> None:
    """Callers have names in every script."""
    with databases.one(encoding="LATIN1") as url:
        store = SharedStore(url)
        for ask in (store.check, store.migrate):
            with pytest.raises(StoreUnavailable, match="UTF8"):
                ask()
        store.close()


@pytest.mark.parametrize("dump", OLD_STORES, ids=lambda path: path.stem)
def test_a_store_of_every_earlier_schema_can_move_to_postgresql(
    dump: Path, databases: Databases, tmp_path: Path
) -> None:
    """A backup of a file is brought up to date on its way."""
    raw = sqlite3.connect(tmp_path / "old.db")
    raw.executescript(dump.read_text())
    raw.close()
    with databases.one() as url:
        target = SharedStore(url)
        assert backup.restore(tmp_path / "old.db", target, NOW).migrations
        (live,), (past,) = calls.live(), history.cdrs(10)
        assert (live.id, past.id, past.duration_ms) == ("b" * 32, "a" * 32, 61_510)
        assert ledger.verify().problems == []
        target.close()


def test_two_that_start_together_make_the_tables_once(databases: Databases) -> None:
    """One makes them, the other waits for it and finds them."""
    with databases.one(migrated=False) as url:
        store = SharedStore(url)
        with pytest.raises(StoreUnavailable, match="is empty"):
            store.check()
        done: list[list[str]] = []

        def migrates() -> None:
            done.append(store.migrate())
            store.close()

        at_once(migrates, 3)
        assert sorted(len(names) for names in done) == [0, 0, len(OLD_STORES) + 1]
        store.check()
        store.close()


def test_a_server_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    """One line, at once, that names the store and no secret."""
    store = SharedStore(f"postgresql://lab@/books?host={tmp_path}", "a-secret")
    for ask in (store.check, store.migrate, lambda: calls.live()):
        with pytest.raises(StoreUnavailable) as caught:
            ask()
        assert "books on" in str(caught.value)
        assert "a-secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(StoreUnreachable):
        credit.top_up(50_000, "x", NOW)


@ON_POSTGRESQL
def test_a_session_that_hangs_in_a_transaction_keeps_no_company(office: Credentials, store: Store) -> None:
    """What every session of ours asks the server for, it has."""
    wanted = {"lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s", "synchronous_commit": "on"}
    for name, value in wanted.items():
        assert store.db.execute_sql(f"SHOW {name}").fetchone() == (value,)  # type: ignore[no-untyped-call]
    assert psycopg.conninfo.conninfo_to_dict(str(store.db.database))["user"] == "lab"
