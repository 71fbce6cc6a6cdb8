"""The store in a database of PostgreSQL, which several nodes share.

A node's name belongs to the one session that writes for it: the session holds an advisory lock of that name, which
PostgreSQL frees when the session ends, and no connection of a writing thread is used without it. So two connectors can
never write in one node's name, and who holds a node's lock knows that nobody writes for it. A server that pools
sessions by transaction (PgBouncer's "transaction" mode) cannot do this: connect to PostgreSQL itself.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, cast

import peewee
import psycopg
from psycopg.conninfo import conninfo_to_dict

from connector.core.plans import MOST_CHANNELS
from connector.database.grouping import grouped
from connector.database.models import COPIED, TABLES, Account, Profile
from connector.database.sqlite import FileStore
from connector.database.store import ROOM, Question, Store, note, reading, unavailable_if_broken
from connector.errors import BadInput, StoreUnavailable

OLDEST_VERSION = 15
_MIGRATING = 0
# Longer than any statement of a call takes, and below the gate's timeout.
HUNG_MS = 4_000
_AT_ONCE = 500
# A trip that fails half-way skips the statements behind the one that failed, and psycopg 3.3 counts those among them as
# prepared that it meant to prepare: each later use of one fails. A rollback makes it forget what it has prepared, if it
# looks at what the server says to it; it does so for a statement that it sees for the first time. So each rollback of a
# part has a number, in a comment.
_NUMBERS = count()
# psycopg keeps what it found in statements of up to 4,096 characters.
_LONG = 4_096
# A server that is gone without a word is noticed by these, in seconds; and so is, by the server, a client of ours.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_LINK = {
    "connect_timeout": 2,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 4_000,
    "client_encoding": "utf8",
}
_SESSION = {
    "lock_timeout": "2s",  # who has a company has it for the fraction of a second that a shared commit takes
    "idle_in_transaction_session_timeout": "10s",  # a client that hangs in a transaction keeps no company locked
    "synchronous_commit": "on",  # a commit that was answered is on the disk
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "4s",
    "timezone": "UTC",
}


class _Thread(threading.local):
    """What a thread of ours has: the node it writes as, the statements it deferred, the answers it foresaw, and whether
    its transaction can only be rolled back.
    """

    def __init__(self) -> None:
        self.node: str | None = None
        self.deferred: list[tuple[str, Sequence[Any]]] = []
        self.foreseen: dict[Question, Any] = {}
        self.parts_done = False  # among the deferred statements are some of parts that were released
        self.broken = False


class _Sessions(peewee.PostgresqlDatabase):
    """Peewee's database, whose connections of a writing thread have the lock of its node's name.

    A server that says nothing any more keeps nobody waiting for ever: such a thread's connection is cut.
    """

    def __init__(self, url: str, shown_name: str, **parameters: Any) -> None:
        self.shown_name = shown_name
        self.thread = _Thread()
        self._asking: dict[int, tuple[int, Any]] = {}
        super().__init__(url, prefer_psycopg3=True, **parameters)

    def defer(self, sql: str, params: Sequence[Any] = (), *, changes: bool = True) -> None:
        """Run a statement that gives nothing, together with the next one that gives something. One that changes rows
        makes the answers that were foreseen old.
        """
        note(sql)
        if changes:
            self.thread.foreseen.clear()
        self.thread.deferred.append((sql, params))

    def foresee(self, questions: Sequence[Question]) -> None:
        """Ask all of it in one trip; the answers are kept until each is asked for, or something is written."""
        self._check()
        foreseen = self.thread.foreseen
        foreseen.clear()
        with self._watched():
            cursors = self._together([*self._taken(), *questions])[-len(questions) :]
        foreseen.update(zip(questions, cursors, strict=True))

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """Run one statement, and before it those that were deferred: one trip to the server for all of them.

        A savepoint and its release are deferred too. One of them fails: all fail as this one. If one fails that belongs
        to a part which was released before, the transaction can only be rolled back, for that part counts as done.
        """
        note(sql)
        self._check()
        known = self.thread.foreseen.pop((sql, tuple(params or ())), None)
        if known is not None:
            return known
        if not sql.startswith("SELECT"):
            self.thread.foreseen.clear()
        deferred = self.thread.deferred
        if sql.startswith("SAVEPOINT"):
            self.defer(sql)
            return None
        if sql.startswith("RELEASE"):
            self._release(sql)
            return None
        if sql.startswith("ROLLBACK TO"):
            begun = sql.replace("ROLLBACK TO SAVEPOINT", "SAVEPOINT")
            place = _last(deferred, begun)
            if place is not None:  # nothing of it has reached the server
                del deferred[place:]
                return None
            deferred.clear()
            sql = f"{sql} -- {next(_NUMBERS)}"
        with self._watched():
            if not deferred:
                return cast("Any", super()).execute_sql(sql, params)
            return self._together([*self._taken(), (sql, params or ())])[-1]

    def _together(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Run statements in one trip. Raises what the first of them that fails says; the others are not run then."""
        connection = cast("Any", self).connection()
        try:
            with _wrapped(), connection.pipeline():
                return [_executed(connection, sql, params) for sql, params in statements]
        except BaseException:
            self.thread.broken = self.thread.parts_done
            raise
        finally:
            self.thread.parts_done = False

    def _check(self) -> None:
        """OperationalError if the transaction can only be rolled back."""
        if self.thread.broken:
            raise peewee.OperationalError("an earlier part of the transaction failed")

    def _taken(self) -> list[tuple[str, Sequence[Any]]]:
        """What was deferred until now."""
        taken = grouped(self.thread.deferred)
        self.thread.deferred.clear()
        return taken

    def _release(self, sql: str) -> None:
        """A part is done. If all of it is still here it needs no savepoint: should it fail, the whole does."""
        place = _last(self.thread.deferred, sql.replace("RELEASE SAVEPOINT", "SAVEPOINT"))
        if place is None:
            self.defer(sql)
        else:
            del self.thread.deferred[place]
        self.thread.parts_done = True

    def begin(self, isolation_level: Any = None) -> None:
        """Begin a transaction."""
        self._forget()
        cast("Any", self).connection()
        with self._watched():
            cast("Any", super()).begin(isolation_level)

    def commit(self) -> Any:
        """Commit it."""
        self._check()
        if self.thread.deferred:
            self.execute_sql("SELECT 1")
        with self._watched():
            return cast("Any", super()).commit()

    def rollback(self) -> Any:
        """Roll it back.

        By psycopg's own `rollback`, which also forgets what was prepared (see _NUMBERS).
        """
        self._forget()
        with self._watched(), _wrapped():
            return cast("Any", self).connection().rollback()

    def _forget(self) -> None:
        self.thread.deferred.clear()
        self.thread.foreseen.clear()
        self.thread.parts_done = self.thread.broken = False

    @contextmanager
    def _watched(self, connection: Any = None) -> Iterator[None]:
        if self.thread.node is None:
            yield
            return
        thread = threading.get_ident()
        self._asking[thread] = time.monotonic_ns(), connection or cast("Any", self)._state.conn
        try:
            yield
        finally:
            self._asking.pop(thread, None)

    def cut_the_hung(self) -> None:
        """For ever: cut the connections whose server has not answered for too long; their threads get an error."""
        while True:
            time.sleep(1)
            for since, connection in list(self._asking.values()):
                if time.monotonic_ns() - since > HUNG_MS * 1_000_000 and connection is not None:
                    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as link:
                        link.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> Any:
        connection = cast("Any", super())._connect()
        node = self.thread.node
        if node is not None:
            sql = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
            with self._watched(connection):
                ((got,),) = connection.execute(sql, (ROOM, node)).fetchall()
            if not got:
                connection.close()
                raise peewee.OperationalError(f"a connector already runs as node {node!r}: each has a name of its own")
        return connection


def _executed(connection: Any, sql: str, params: Sequence[Any]) -> Any:
    """Run a statement. A long one is numbered here, once: psycopg looks for the places of its values each time."""
    if len(sql) < _LONG:
        return connection.execute(sql, params)
    return psycopg.RawCursor(connection).execute(_numbered(sql), params)


@lru_cache(maxsize=512)
def _numbered(sql: str) -> bytes:
    """A statement with $1, $2 and so on for its values."""
    first, *others = sql.split("%s")
    return "".join([first, *(f"${number}{text}" for number, text in enumerate(others, 1))]).encode()


def _last(statements: Sequence[tuple[str, Sequence[Any]]], sql: str) -> int | None:
    """The place of the last of some statements that has these words."""
    return next((place for place in range(len(statements) - 1, -1, -1) if statements[place][0] == sql), None)


class SharedStore(Store):
    """A store in a database, by its libpq URL: `postgresql://user@host/database?sslmode=verify-full`."""

    def __init__(self, url: str, password: str | None = None) -> None:
        known = conninfo_to_dict(url)
        shown_name = f"{known.get('dbname', '')} on {known.get('host', 'this machine')}"
        settings = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
        options = f"{known.get('options') or ''} {settings}".strip()
        more = {"password": password} if password else {}
        self.url = url
        logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of each trip that failed; we get its error
        super().__init__(_Sessions(url, shown_name, options=options, **_LINK, **more), shown_name)

    def migrate(self) -> list[str]:
        """Make the tables, or bring them up to date; one node does it, others that start meanwhile wait for it."""
        self._must_be_fit()
        with unavailable_if_broken(self.name):
            # Whoever brings a large store up to date thinks for long, too, between two statements.
            for patience in ("lock_timeout", "idle_in_transaction_session_timeout", "statement_timeout"):
                self.db.execute_sql(f"SET {patience} = 0")  # type: ignore[no-untyped-call]
            self.db.execute_sql("SELECT pg_advisory_lock(%s, %s)", (ROOM, _MIGRATING))  # type: ignore[no-untyped-call]
            try:
                return super().migrate()
            finally:
                self.close()  # and with it the lock and its patience

    def check(self) -> None:
        """As the base's; and if its PostgreSQL is too old, or it cannot keep every letter."""
        self._must_be_fit()
        super().check()

    def _must_be_fit(self) -> None:
        with unavailable_if_broken(self.name):
            sql = "SELECT current_setting('server_encoding'), current_setting('server_version_num')::int / 10000"
            ((encoding, version),) = cast("Any", self.db).execute_sql(sql).fetchall()
        if version < OLDEST_VERSION:
            raise StoreUnavailable(
                "{name} is PostgreSQL {version}: {oldest_version} or later is needed",
                name=self.name,
                version=version,
                oldest_version=OLDEST_VERSION,
            )
        if encoding != "UTF8":
            raise StoreUnavailable(
                "the database {name} is in {encoding}: make one in UTF8", name=self.name, encoding=encoding
            )

    def write_as(self, node: str) -> None:
        """The calling thread writes with the lock of the node's name, or not at all."""
        sessions = cast("_Sessions", self.db)
        sessions.thread.node = node
        self.close()
        threading.Thread(target=sessions.cut_the_hung, name="store's watch", daemon=True).start()

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

    def _must_be_new(self) -> None:
        """BadInput if there is a company in it, or a connector runs with it."""
        ask = cast("Any", self.db).execute_sql
        ((there,),) = ask("SELECT to_regclass('company') IS NOT NULL").fetchall()
        if there and ask("SELECT 1 FROM company LIMIT 1").fetchall():
            raise BadInput("{name} has a company already: it takes a new database", name=self.name)
        self._must_be_idle()

    def must_be_idle(self) -> None:
        """BadInput if a connector runs with it."""
        with unavailable_if_broken(self.name):
            self._must_be_idle()

    def _must_be_idle(self) -> None:
        ask = cast("Any", self.db).execute_sql
        # Two keys, and the first is ours: the name of a node that is there.
        sql = (
            "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
            " WHERE locktype = 'advisory' AND datname = current_database() AND classid = %s AND objsubid = 2"
            " AND objid <> %s AND granted"
        )
        if ask(sql, (ROOM, _MIGRATING)).fetchall():
            raise BadInput("a connector runs with {name}: stop it first", name=self.name)

    def must_take(self) -> None:
        """As the base says: a new database, in UTF8, of a late PostgreSQL, in which tables may be made."""
        self.open()
        self._must_be_fit()
        with unavailable_if_broken(self.name):
            self._must_be_new()
            ask = cast("Any", self.db).execute_sql
            sql = "SELECT current_user, current_schema(), has_schema_privilege(current_schema(), 'CREATE')"
            ((user, schema, may_create),) = ask(sql).fetchall()
        if not may_create:
            grant = f'GRANT CREATE ON SCHEMA "{schema or "public"}" TO "{user}"'
            raise BadInput(
                "{user} may not make tables in {name}: its owner has to say {grant}",
                user=user,
                name=self.name,
                grant=grant,
            )

    def replace_by(self, copy: Path, now: int) -> None:
        """Take over every row of a file of SQLite. BadInput, and nothing is changed, if there is a company here."""
        source = FileStore(copy)
        try:
            self._fill_from(source)
        finally:
            source.close()
            self.open()

    def _fill_from(self, source: Store) -> None:
        with unavailable_if_broken(self.name):
            self._must_be_new()
        self.migrate()
        with unavailable_if_broken(self.name), self.db.atomic():
            self._must_be_new()
            _copied(source.db, self.db)
            for model in TABLES:  # the next ids come after those that were taken over
                if isinstance(_meta(model).primary_key, peewee.AutoField):
                    table = _meta(model).table_name
                    sequence = f"pg_get_serial_sequence('{table}', 'id')"
                    sql = f'SELECT setval({sequence}, COALESCE(MAX(id), 1), MAX(id) IS NOT NULL) FROM "{table}"'
                    self.db.execute_sql(sql)  # type: ignore[no-untyped-call]


def _copied(source: peewee.Database, target: peewee.Database) -> None:
    """Every row of every table, parents first, past no guard of the target's: balances are the sums of its postings."""
    with target.atomic():
        for model in COPIED:
            fields = _meta(model).sorted_fields
            names = ", ".join(f'"{field.column_name}"' for field in fields)
            marks = ", ".join([target.param] * len(fields))
            table = f'"{_meta(model).table_name}"'
            key = ", ".join(f'"{field.column_name}"' for field in _meta(model).get_primary_keys())
            cursor = _streaming(source)
            with _wrapped():
                cursor.execute(f"SELECT {names} FROM {table} ORDER BY {key}")
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
