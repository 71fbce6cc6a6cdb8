"""The store in a database of PostgreSQL, which several nodes share.

A node's name belongs to the one session that writes for it: the session holds an advisory lock of that name, which
PostgreSQL frees when the session ends, and no connection of a writing thread is used without it. So two connectors can
never write in one node's name, and who holds a node's lock knows that nobody writes for it. A server that pools
sessions by transaction (PgBouncer's "transaction" mode) cannot do this: connect to PostgreSQL itself.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import peewee
from psycopg.conninfo import conninfo_to_dict

from connector.billing.models import TABLES, Account, Profile
from connector.billing.sqlite import FileStore
from connector.billing.store import ROOM, Store, reading, unavailable_if_broken
from connector.core.plans import MOST_CHANNELS
from connector.errors import BadInput

_MIGRATING = 0
_AT_ONCE = 500
# A server that is gone without a word is noticed by these, in seconds; and so is, by the server, a client of ours.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_LINK = {
    "connect_timeout": 2,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 4_000,
}
_SESSION = {
    "lock_timeout": "1s",  # who has a company has it for the fraction of a second that a shared commit takes
    "idle_in_transaction_session_timeout": "10s",  # a client that hangs in a transaction keeps no company locked
    "synchronous_commit": "on",  # a commit that was answered is on the disk
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "4s",
    "timezone": "UTC",
}


class _Sessions(peewee.PostgresqlDatabase):
    """Peewee's database, whose connections of a writing thread have the lock of its node's name."""

    def __init__(self, url: str, shown_name: str, **parameters: Any) -> None:
        self.shown_name = shown_name
        self.writes_as = threading.local()
        super().__init__(url, prefer_psycopg3=True, **parameters)

    def _connect(self) -> Any:
        connection = cast("Any", super())._connect()
        node = getattr(self.writes_as, "node", None)
        if node is not None:
            sql = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
            ((got,),) = connection.execute(sql, (ROOM, node)).fetchall()
            if not got:
                connection.close()
                raise peewee.OperationalError(f"a connector already runs as node {node!r}: each has a name of its own")
        return connection


class SharedStore(Store):
    """A store in a database, by its libpq URL: `postgresql://user@host/database?sslmode=verify-full`."""

    def __init__(self, url: str, password: str | None = None) -> None:
        known = conninfo_to_dict(url)
        shown_name = f"{known.get('dbname', '')} on {known.get('host', 'this machine')}"
        settings = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
        options = f"{known.get('options') or ''} {settings}".strip()
        more = {"password": password} if password else {}
        self.url = url
        super().__init__(_Sessions(url, shown_name, options=options, **_LINK, **more), shown_name)

    def migrate(self) -> list[str]:
        """Make the tables, or bring them up to date; one node does it, others that start meanwhile wait for it."""
        with unavailable_if_broken(self.name):
            self.db.execute_sql("SELECT pg_advisory_lock(%s, %s)", (ROOM, _MIGRATING))  # type: ignore[no-untyped-call]
            try:
                return super().migrate()
            finally:
                self.db.execute_sql("SELECT pg_advisory_unlock(%s, %s)", (ROOM, _MIGRATING))  # type: ignore[no-untyped-call]

    def write_as(self, node: str) -> None:
        """The calling thread writes with the lock of the node's name, or not at all."""
        cast("_Sessions", self.db).writes_as.node = node
        self.close()

    def copy_to(self, path: Path) -> None:
        """Copy every row, as they are at one moment, into a new file of SQLite; the same books on either."""
        copy = FileStore(path)
        try:
            copy.migrate()
            copy.close()
            with unavailable_if_broken(self.name):
                self.open()
                with reading():
                    _copied(self.db, copy.db)
        finally:
            self.open()
            copy.close()

    def fill_from(self, source: Store) -> None:
        """Take over every row of a file of SQLite. BadInput, and nothing is changed, if there is a company here."""
        with unavailable_if_broken(self.name), self.db.atomic():
            if self.db.execute_sql("SELECT 1 FROM company LIMIT 1").fetchall():  # type: ignore[no-untyped-call]
                raise BadInput(f"{self.name} has a company: a backup is restored into a new database")
            _copied(source.db, self.db)
            for model in TABLES:  # the next ids come after those that were taken over
                if isinstance(_meta(model).primary_key, peewee.AutoField):
                    table = _meta(model).table_name
                    sql = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), MAX(id)) FROM \"{table}\""
                    self.db.execute_sql(sql)  # type: ignore[no-untyped-call]


def _copied(source: peewee.Database, target: peewee.Database) -> None:
    """Every row of every table, parents first, past no guard of the target's: balances are the sums of its postings."""
    with target.atomic():
        for model in TABLES:
            fields = _meta(model).sorted_fields
            names = ", ".join(f'"{field.column_name}"' for field in fields)
            marks = ", ".join([target.param] * len(fields))
            table = f'"{_meta(model).table_name}"'
            cursor = _streaming(source)
            with _wrapped():
                cursor.execute(f"SELECT {names} FROM {table} ORDER BY {_meta(model).primary_key.column_name}")
            while some := _next(cursor):
                with _wrapped():
                    into = cast("Any", target).connection().cursor()
                    into.executemany(
                        f"INSERT INTO {table} ({names}) VALUES ({marks})", [_fit(model, fields, row) for row in some]
                    )
            cursor.close()
        for profile, channels in source.execute_sql("SELECT id, channels FROM profile").fetchall():  # type: ignore[no-untyped-call]
            sql = f"UPDATE profile SET channels = {target.param} WHERE id = {target.param}"
            target.execute_sql(sql, (channels, profile))  # type: ignore[no-untyped-call]


def _fit(model: type[peewee.Model], fields: list[peewee.Field], row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row's values as the target takes them: no balance yet, and channels enough for calls that outlived theirs."""
    instead: dict[tuple[type[peewee.Model], str], Any] = {(Account, "balance"): 0, (Profile, "channels"): MOST_CHANNELS}
    return tuple(
        instead.get((model, field.name), bool(value) if isinstance(field, peewee.BooleanField) else value)
        for field, value in zip(fields, row, strict=True)
    )


def _streaming(source: peewee.Database) -> Any:
    """A cursor that does not bring all of its rows at once."""
    connection = cast("Any", source).connection()
    return connection.cursor() if isinstance(source, peewee.SqliteDatabase) else connection.cursor(name="copied")


def _next(cursor: Any) -> list[tuple[Any, ...]]:
    with _wrapped():
        return list(cursor.fetchmany(_AT_ONCE))


def _wrapped() -> Any:
    """What a driver raises, as Peewee's own errors."""
    return vars(peewee)["__exception_wrapper__"]


def _meta(model: type[peewee.Model]) -> Any:
    return vars(model)["_meta"]
