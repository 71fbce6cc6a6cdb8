"""The store keeps data whole, and itself refuses what must never be."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from peewee import SqliteDatabase

from connector import database as tables
from connector.billing import calls, history, ledger
from connector.billing.profiles import Credentials
from connector.database import sqlite
from connector.database.models import TABLES, database
from connector.database.sqlite import FileStore
from connector.database.store import writing
from connector.errors import StoreUnavailable
from tests.conftest import whole

NEWEST = sorted(path.stem for path in (Path(tables.__file__).parent / "migrations").glob("0*.py"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    """An empty store in a file, migrated."""
    opened = FileStore(tmp_path / "connector.db")
    opened.migrate()
    yield from whole(opened)


def test_the_loaded_sqlite_is_one_that_keeps_data_whole_in_wal_mode(store: FileStore) -> None:
    """The locked wheel brings SQLite 3.51.3 or later, and WAL with full sync is in use."""
    assert sqlite.sqlite_version() >= sqlite.FIRST_WHOLE_WAL
    assert store.db.execute_sql("PRAGMA journal_mode").fetchone() == ("wal",)  # type: ignore[no-untyped-call]
    assert store.db.execute_sql("PRAGMA synchronous").fetchone() == (2,)  # type: ignore[no-untyped-call]
    assert store.db.execute_sql("PRAGMA foreign_keys").fetchone() == (1,)  # type: ignore[no-untyped-call]


def test_an_older_sqlite_gets_the_rollback_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """3.7.0 to 3.51.2 can lose commits in WAL mode (the WAL-reset bug): there it is not used."""
    monkeypatch.setattr(sqlite, "sqlite_version", lambda: (3, 40, 1))
    assert sqlite.journal_mode() == "delete"


def schema(path: Path) -> set[str]:
    """Every statement that makes a table or an index of a store, but for those of the migrations' own books."""
    raw = sqlite3.connect(path)
    rows = raw.execute("SELECT sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL").fetchall()
    raw.close()
    return {sql for (sql,) in rows if "schema_migration" not in sql and "sqlite_sequence" not in sql}


def schema_of_models(folder: Path) -> set[str]:
    """The same of a store that the models make."""
    path = folder / "models.db"
    fresh = SqliteDatabase(str(path))
    with fresh.bind_ctx(TABLES):
        fresh.create_tables(TABLES, safe=False)
    fresh.close()
    return schema(path)


def test_migrations_make_what_the_models_say(store: FileStore, tmp_path: Path) -> None:
    """From nothing, the migrations make exactly the models' tables, checks and indexes."""
    assert schema(store.path) == schema_of_models(tmp_path)


OLD_STORES = sorted((Path(__file__).parent.parent / "stores").glob("*.sql"))


@pytest.mark.parametrize("dump", OLD_STORES, ids=lambda path: path.stem)
def test_a_store_of_every_earlier_schema_is_brought_up_to_date(dump: Path, tmp_path: Path) -> None:
    """Made by the program of its time: a call of the past, one that is up, and the books add up as they did."""
    path = tmp_path / "connector.db"
    raw = sqlite3.connect(path)
    raw.executescript(dump.read_text())
    raw.close()
    opened = FileStore(path)
    with pytest.raises(StoreUnavailable, match="older than this program"):
        opened.check()
    assert opened.migrate()[-1] == NEWEST[-1]
    opened.check()
    assert schema(path) == schema_of_models(tmp_path)
    assert ledger.verify().problems == []
    (live,), (past,) = calls.live(), history.cdrs(10)
    assert (live.id, past.id, past.duration_ms) == ("b" * 32, "a" * 32, 61_510)
    assert live.held_s == (None if dump.stem.startswith("0001") else 60)
    opened.close()


def test_numbers_in_retired_forms_are_brought_up_to_date(tmp_path: Path) -> None:
    """Calls to them are looked for in their current form; where that is somebody's already, the old one stays."""
    path = tmp_path / "connector.db"
    raw = sqlite3.connect(path)
    raw.executescript((Path(__file__).parent.parent / "stores" / "0011_buttons.sql").read_text())
    raw.executescript(
        "INSERT INTO number VALUES (11,1,1,'+5215512345678',0,'',NULL), (12,1,1,'+525587654321',0,'',NULL),"
        " (13,1,1,'+5215587654321',0,'',NULL), (14,1,1,'+5215512345678',0,'',5);"
        "INSERT INTO stock VALUES ('+5215512345678','MX','55',0,'USD',0);"
        "INSERT INTO verified VALUES (1,1,'+390612345678','document',0), (2,1,'+551181234567','document',0);"
        "UPDATE profile SET caller_number = '+22990123456' WHERE id = 1;"
    )
    raw.close()
    store = FileStore(path)
    store.migrate()
    store.close()
    raw = sqlite3.connect(path)
    held = raw.execute("SELECT id, e164 FROM number WHERE id > 10 ORDER BY id").fetchall()
    assert held == [(11, "+525512345678"), (12, "+525587654321"), (13, "+5215587654321"), (14, "+5215512345678")]
    assert raw.execute("SELECT e164 FROM stock WHERE country = 'MX'").fetchall() == [("+525512345678",)]
    assert raw.execute("SELECT e164 FROM verified ORDER BY id").fetchall() == [("+390612345678",), ("+5511981234567",)]
    assert raw.execute("SELECT caller_number FROM profile").fetchall() == [("+2290190123456",)]
    raw.close()


def test_there_is_a_sample_of_every_earlier_schema() -> None:
    """Whoever adds a migration keeps a store of the schema before it."""
    assert [path.stem for path in OLD_STORES] == NEWEST[:-1]


def test_migrating_twice_changes_nothing(store: FileStore) -> None:
    """The second time there is nothing to do."""
    assert store.migrate() == []
    store.check()


def test_the_store_itself_cannot_be_oversold(store: FileStore, office: Credentials) -> None:
    """A slot above the channels bought, and a slot twice, are refused by the database, whoever asks."""
    store.close()
    raw = sqlite3.connect(store.path)
    insert = (
        "INSERT INTO call (id, node, profile_id, slot, direction, caller_id, dialled, called, trunk_id, gate_leg,"
        " transferred, started_at, seen_at) VALUES (?, 'n', 1, ?, 'out', '', '', '', 1, '', 0, 0, 0)"
    )
    raw.execute(insert, ("a", 3))
    with pytest.raises(sqlite3.IntegrityError, match="more channels than the profile has"):
        raw.execute(insert, ("b", 4))
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        raw.execute(insert, ("c", 3))
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        raw.execute(insert, ("d", 0))
    raw.close()


def test_a_store_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    """No store, no answer, and none is made by asking."""
    with pytest.raises(StoreUnavailable, match="there is no store"):
        FileStore(tmp_path / "none.db").check()
    assert not (tmp_path / "none.db").exists()


def test_a_file_that_is_no_store_is_said_to_be_so(tmp_path: Path) -> None:
    """One line, no Traceback, and the file stays as it was."""
    path = tmp_path / "connector.db"
    path.write_text("this is no database, it is a letter to a friend. " * 100)
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        FileStore(path).migrate()
    assert path.read_text().startswith("this is no database")


def test_each_of_four_that_write_without_pause_gets_a_turn(store: FileStore) -> None:
    """None of them waits for the two seconds after which a write is refused, though the lock is never free for long."""

    def write(times: int) -> None:
        for _ in range(times):
            with writing():
                time.sleep(0.05)  # as long as a commit on a slow disk

    with ThreadPoolExecutor(4) as threads:
        for written in [threads.submit(write, 40) for _ in range(4)]:
            written.result()


def test_the_store_is_readable_by_its_owner_only(store: FileStore) -> None:
    """It holds digests as good as passwords."""
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert database.obj is store.db
