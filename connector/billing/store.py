"""Opens the store, brings its schema up to date, and frames every transaction. Knows no table.

SQLite is used in WAL mode with full sync. SQLite 3.7.0 to 3.51.2 can lose commits in that mode when two connections
write or checkpoint at once ("WAL-reset"), and Debian 12 ships such a one; the locked `pysqlite3` wheel brings a later
one, and should an older one be loaded all the same, the rollback journal is used (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import peewee
from playhouse.migrations import MigrationError, Runner

from connector.billing.models import database
from connector.errors import StoreUnavailable

M = TypeVar("M", bound=peewee.Model)

# SQLite's name for a store that is gone with its connection.
IN_MEMORY = Path(":memory:")
FIRST_WHOLE_WAL = (3, 51, 3)
# Below the gate's timeout: a call that waits for a locked store is refused, not forgotten.
BUSY_LIMIT_S = 2
_MIGRATIONS = Path(__file__).parent / "migrations"


def sqlite_version() -> tuple[int, ...]:
    """The SQLite that is loaded, which is not always the system's."""
    picked = vars(peewee)["sqlite3"]  # peewee takes pysqlite3 if it is there, else the standard library's
    return tuple(picked.sqlite_version_info)


def journal_mode() -> str:
    """The journal mode that keeps data whole on the SQLite that is loaded."""
    return "wal" if sqlite_version() >= FIRST_WHOLE_WAL else "delete"


class Store:
    """One open store. Peewee keeps a connection per thread; `close` closes the calling thread's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = peewee.SqliteDatabase(
            str(path),
            pragmas={
                "journal_mode": journal_mode(),
                "synchronous": "full",  # a commit that was answered is on the disk
                "foreign_keys": 1,
            },
            timeout=BUSY_LIMIT_S,
        )
        database.initialize(self.db)

    def migrate(self) -> list[str]:
        """Bring the schema up to date, making the store if it is not there; the names of what was applied."""
        with unavailable_if_broken(self.path):
            if self.path != IN_MEMORY:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self.path.touch(mode=0o600)
            return list(Runner(self.db, str(_MIGRATIONS)).up())

    def check(self) -> None:
        """Raise StoreUnavailable, in words, if the store is not there or its schema is another one's."""
        if not self.path.exists():
            raise StoreUnavailable(f"there is no store at {self.path}: 'connector serve' makes it")
        with unavailable_if_broken(self.path):
            rows = Runner(self.db, str(_MIGRATIONS)).status()
        if any(row.applied is None for row in rows):
            raise StoreUnavailable(f"the store {self.path} is older than this program: 'connector serve' updates it")
        if any(row.path is None for row in rows):
            raise StoreUnavailable(f"the store {self.path} is newer than this program")

    def copy_to(self, path: Path) -> None:
        """Make a whole copy, as the store is at one moment, while others go on writing to it."""
        with unavailable_if_broken(self.path):
            self.db.execute_sql("VACUUM INTO ?", (str(path),))  # type: ignore[no-untyped-call]

    def fold(self) -> None:
        """Bring all of it into the one file."""
        with unavailable_if_broken(self.path):
            self.db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close this thread's connection."""
        self.db.close()


@contextmanager
def unavailable_if_broken(where: Path | str) -> Iterator[None]:
    """Anything the database or the disk says becomes StoreUnavailable, in one line."""
    try:
        yield
    except (peewee.PeeweeException, MigrationError, OSError) as error:
        raise StoreUnavailable(f"the store {where} cannot be used: {error}") from error


@contextmanager
def writing() -> Iterator[None]:
    """One transaction that writes.

    It takes the write lock at once: a transaction that reads first and writes later fails on SQLite, however long it
    would have waited. Raises StoreUnavailable; nothing is written then.
    """
    with unavailable_if_broken(_name()), _atomic("IMMEDIATE"):
        yield


@contextmanager
def reading() -> Iterator[None]:
    """One transaction that only reads: all of it sees the same moment. Raises StoreUnavailable."""
    with unavailable_if_broken(_name()), _atomic("DEFERRED"):
        yield


@contextmanager
def trying() -> Iterator[None]:
    """One transaction whose changes are seen in it, and taken back at its end: what would be, without its being so."""
    with unavailable_if_broken(_name()), _atomic("IMMEDIATE") as transaction:
        yield
        transaction.rollback()


def _name() -> str:
    return str(database.obj.database)


def _atomic(kind: str) -> Any:
    """A transaction; how it begins has a name on SQLite only."""
    return database.atomic(kind) if isinstance(database.obj, peewee.SqliteDatabase) else database.atomic()


# What follows is for the path of every call. Peewee takes 0.3 ms to word a statement, and an admission has a dozen of
# them; these take theirs as it is, with "?" for each value, and are six times as fast (measured; docs/decisions/0006).


def one(model: type[M], condition: str, *values: Any) -> M | None:
    """The first row of a model's table that fits a condition in SQL, or None. Inside a transaction."""
    sql = f'SELECT * FROM "{vars(model)["_meta"].table_name}" WHERE {condition} LIMIT 1'
    return next(iter(cast("Any", model).raw(_worded(sql), *values)), None)


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows that an SQL statement gives. Inside a transaction."""
    return list(cast("Any", database).execute_sql(_worded(sql), values).fetchall())


def run(sql: str, *values: Any) -> int:
    """Run an SQL statement that gives no rows; how many rows it touched. Inside a transaction."""
    return int(cast("Any", database).execute_sql(_worded(sql), values).rowcount)


def insert(model: type[M], **values: Any) -> None:
    """Put one row into a model's table, by column names. Inside a transaction."""
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join("?" * len(values))
    run(f'INSERT INTO "{vars(model)["_meta"].table_name}" ({names}) VALUES ({marks})', *values.values())


def _worded(sql: str) -> str:
    return sql if database.obj.param == "?" else sql.replace("?", database.obj.param)


def triggers() -> dict[str, str]:
    """The triggers that the open store has, by name, and what they do."""
    sql = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        if isinstance(database.obj, peewee.SqliteDatabase)
        else "SELECT tgname, prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal"
    )
    return dict(rows(sql))
