"""The store in a file of SQLite, for one node.

SQLite is used in WAL mode with full sync. SQLite 3.7.0 to 3.51.2 can lose commits in that mode when two connections
write or checkpoint at once ("WAL-reset"), and Debian 12 ships such a one; the locked `pysqlite3` wheel brings a later
one, and should an older one be loaded all the same, the rollback journal is used (docs/decisions/0002).
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Any

import peewee

from connector.core.times import iso
from connector.database import reference
from connector.database.store import BUSY_LIMIT_S, Store, note, unavailable_if_broken
from connector.errors import BadInput, StoreUnavailable

# SQLite's name for a store that is gone with its connection.
IN_MEMORY = Path(":memory:")
# The store's own files: SQLite's log and its index belong to it.
PARTS = ("", "-wal", "-shm", "-journal")
FIRST_WHOLE_WAL = (3, 51, 3)
# How often a lock that another process has is asked for again.
_POLL_MS = 3
# After a turn did not come, turns are left out for so long.
_WITHOUT_TURNS_S = 10


def sqlite_version() -> tuple[int, ...]:
    """The SQLite that is loaded, which is not always the system's."""
    picked = vars(peewee)["sqlite3"]  # peewee takes pysqlite3 if it is there, else the standard library's
    return tuple(picked.sqlite_version_info)


def journal_mode() -> str:
    """The journal mode that keeps data whole on the SQLite that is loaded."""
    return "wal" if sqlite_version() >= FIRST_WHOLE_WAL else "delete"


class _Database(peewee.SqliteDatabase):
    """SQLite, where each process that waits for the write lock gets a turn.

    SQLite has no queue for the lock: a process that waits tries again after 1, 2, 5, 10 and at last every 100 ms, and
    the last writer takes the lock again at once. Beside three such writers the fourth got nothing for two seconds and
    was refused (src/main.c, sqliteDefaultBusyCallback). So a writer takes a second lock before SQLite's, and keeps it
    until SQLite's is there: the last writer waits behind it. The turn is a courtesy: without it SQLite's lock
    is as good as before.
    """

    def __init__(self, path: Path, **options: Any) -> None:
        super().__init__(str(path), **options)
        # A folder needs no file of our own, whose owner could be another one than the store's. SQLite does not lock it.
        self._locked_for_turns = None if path == IN_MEMORY else path.absolute().parent
        self._without_turns_until = 0.0

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """Run one statement. Peewee's own way takes four times as long, for what it logs and looks up."""
        note(sql)
        state = vars(self)["_state"]
        if state.conn is None:
            return super().execute_sql(sql, params)  # type: ignore[no-untyped-call]
        try:
            return state.conn.execute(sql, params or ())
        except Exception:
            with vars(peewee)["__exception_wrapper__"]:  # as Peewee's own errors
                raise

    def begin(self, lock_type: str | None = None) -> None:
        """Begin a transaction; OperationalError if another process has had the write lock for BUSY_LIMIT_S."""
        if lock_type != "IMMEDIATE" or self._locked_for_turns is None:
            super().begin(lock_type)
            return
        until = time.monotonic() + BUSY_LIMIT_S
        connection: Any = self.connection()  # type: ignore[no-untyped-call]
        turn = self._turn()
        try:
            connection.execute(f"PRAGMA busy_timeout = {_POLL_MS}")
            while True:
                try:
                    super().begin(lock_type)
                except peewee.OperationalError as error:
                    if "locked" not in str(error) or time.monotonic() > until:
                        raise
                else:
                    return
        finally:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_LIMIT_S * 1000}")
            if turn is not None:
                os.close(turn)

    def _turn(self) -> int | None:
        """Wait for the lock on the folder; the open folder, which has the lock until it is closed. None without a turn:
        the folder cannot be opened or locked, or a process keeps the lock, stopped or on purpose. Then turns are left
        out for a while, and everybody writes as soon as SQLite lets them.
        """
        assert self._locked_for_turns is not None
        if time.monotonic() < self._without_turns_until:
            return None
        try:
            folder = os.open(self._locked_for_turns, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        until = time.monotonic() + BUSY_LIMIT_S / 2
        while time.monotonic() < until:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_POLL_MS / 1000)
            except OSError:
                break
            else:
                return folder
        os.close(folder)
        self._without_turns_until = time.monotonic() + _WITHOUT_TURNS_S
        return None


class FileStore(Store):
    """A store in one file. That it has one connector is the business of a lock file beside it (connector.service)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        pragmas = {
            "journal_mode": journal_mode(),
            "synchronous": "full",  # a commit that was answered is on the disk
            "foreign_keys": 1,
        }
        super().__init__(_Database(path, pragmas=pragmas, timeout=BUSY_LIMIT_S), str(path))

    def migrate(self) -> list[str]:
        """Bring the schema up to date, making the file if it is not there; the names of what was applied."""
        with unavailable_if_broken(self.name):
            if self.path != IN_MEMORY:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self.path.touch(mode=0o600)
        return super().migrate()

    def check(self) -> None:
        """Raise StoreUnavailable, in words, if the store is not there or its schema is another one's."""
        if not self.path.exists():
            raise StoreUnavailable("there is no store at {path}: 'connector serve' makes it", path=self.path)
        super().check()

    def write_as(self, node: str) -> None:
        """A file has one connector, and so one name."""

    def must_be_idle(self) -> None:
        """Whether a connector has a file is said by the lock beside it (connector.service.running)."""

    def copy_to(self, path: Path) -> None:
        """Make a whole copy, as the store is at one moment, while others go on writing to it."""
        with unavailable_if_broken(self.name):
            self.db.execute_sql("VACUUM INTO ?", (str(path),))  # type: ignore[no-untyped-call]

    def must_take(self) -> None:
        """As the base says: its folder may be written to."""
        folder = self.path.parent
        if not os.access(folder, os.W_OK | os.X_OK):
            raise BadInput(
                "the folder {folder} is not there, or may not be written to by the connector's user", folder=folder
            )

    def replace_by(self, copy: Path, now: int) -> Path | None:
        """Put a file in this one's place; what was there is moved aside, with SQLite's own files."""
        synced(copy)
        kept = self.moved_aside(now, "before")
        copy.rename(self.path)
        reference.forget(self.db)
        synced(self.path.parent)
        return kept

    def moved_aside(self, now: int, word: str) -> Path | None:
        """Rename the file, with a word and the time in its name. Returns the new path; None if the file is missing."""
        if not self.path.exists():
            return None
        stamp = (iso(now) or "").replace(":", "").replace("-", "").partition(".")[0]
        kept = self.path.with_name(f"{self.path.name}.{word}-{stamp}")
        for part in PARTS:
            here = self.path.with_name(self.path.name + part)
            if here.exists():
                here.rename(kept.with_name(kept.name + part))
        return kept

    def fold(self) -> None:
        """Bring all of it into the one file."""
        with unavailable_if_broken(self.name):
            self.db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[no-untyped-call]


def synced(path: Path) -> None:
    """What was written to a file or a folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
