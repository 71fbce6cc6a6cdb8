"""Databases of PostgreSQL for tests: one each, copied from one that is migrated already."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg

from connector.config import StoreSettings
from connector.database.postgresql import SharedStore
from connector.database.sqlite import FileStore
from connector.database.store import Store, lock, writing
from lab.postgresql import Server

_TEMPLATE = "migrated"


def place_of(store: Store) -> StoreSettings:
    """Where a store is, for another process or thread that opens it by `connector.storage.stores.opened`."""
    if isinstance(store, FileStore):
        return StoreSettings(path=store.path)
    assert isinstance(store, SharedStore)
    return StoreSettings(url=store.url)


def at_once(function: Callable[[], None], threads: int) -> None:
    """Run a function in so many threads, begun together."""
    began = threading.Barrier(threads)

    def work() -> None:
        began.wait(10)
        function()

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(20)


@asynccontextmanager
async def company_kept(store: Store, name: str) -> AsyncIterator[threading.Event]:
    """Another session has locked a company, until the event is set, or the block is over."""
    has, done = threading.Event(), threading.Event()

    def keeps() -> None:
        with writing():
            lock("name = ?", name)
            has.set()
            done.wait(20)
        store.close()

    keeping = asyncio.create_task(asyncio.to_thread(keeps))
    try:
        await asyncio.to_thread(has.wait, 10)
        yield done
    finally:
        done.set()
        await keeping


def tamper(store: Store, *statements: str) -> None:
    """Change a store behind the program's back, its guards taken out and put back."""
    store.close()
    if isinstance(store, FileStore):
        _tamper_file(store, statements)
        return
    assert isinstance(store, SharedStore)
    with psycopg.connect(store.url) as raw:
        tables = [name for (name,) in raw.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        for table in tables:
            raw.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER'.encode())
        for statement in statements:
            assert raw.execute(statement.encode()).rowcount != 0, statement
        raw.execute("UPDATE reference_version SET version = version + 1")
        for table in tables:
            raw.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER USER'.encode())


def _tamper_file(store: FileStore, statements: tuple[str, ...]) -> None:
    raw = sqlite3.connect(store.path)
    raw.execute("PRAGMA foreign_keys = 1")
    guards = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in guards:
        raw.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert raw.execute(statement).rowcount != 0, statement
    for _, sql in guards:
        raw.execute(sql)
    raw.execute("UPDATE reference_version SET version = version + 1")
    raw.commit()
    raw.close()


class Databases:
    """Makes and drops them on a server of the tests' own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._do(f"CREATE DATABASE {_TEMPLATE}")
        store = SharedStore(self.url(_TEMPLATE))
        store.migrate()
        store.close()

    def url(self, name: str) -> str:
        """Where a database is."""
        return self.server.url(name)

    @contextmanager
    def one(self, *, migrated: bool = True, encoding: str = "") -> Iterator[str]:
        """A new database; its URL."""
        name = f"t{uuid.uuid4().hex}"
        how = f" TEMPLATE {_TEMPLATE} STRATEGY file_copy" if migrated else ""
        if encoding:
            how = f" TEMPLATE template0 ENCODING {encoding} LOCALE 'C'"
        self._do(f"CREATE DATABASE {name}{how}")
        try:
            yield self.url(name)
        finally:
            self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as admin:
            admin.execute(statement.encode())
