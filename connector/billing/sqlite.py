"""The store in a file of SQLite, for one node.

SQLite is used in WAL mode with full sync. SQLite 3.7.0 to 3.51.2 can lose commits in that mode when two connections
write or checkpoint at once ("WAL-reset"), and Debian 12 ships such a one; the locked `pysqlite3` wheel brings a later
one, and should an older one be loaded all the same, the rollback journal is used (docs/decisions/0002).
"""

from __future__ import annotations

import os
from pathlib import Path

import peewee

from connector.billing.store import BUSY_LIMIT_S, Store, unavailable_if_broken
from connector.core.times import iso
from connector.errors import StoreUnavailable

# SQLite's name for a store that is gone with its connection.
IN_MEMORY = Path(":memory:")
# The store's own files: SQLite's log and its index belong to it.
PARTS = ("", "-wal", "-shm", "-journal")
FIRST_WHOLE_WAL = (3, 51, 3)


def sqlite_version() -> tuple[int, ...]:
    """The SQLite that is loaded, which is not always the system's."""
    picked = vars(peewee)["sqlite3"]  # peewee takes pysqlite3 if it is there, else the standard library's
    return tuple(picked.sqlite_version_info)


def journal_mode() -> str:
    """The journal mode that keeps data whole on the SQLite that is loaded."""
    return "wal" if sqlite_version() >= FIRST_WHOLE_WAL else "delete"


class FileStore(Store):
    """A store in one file. That it has one connector is the business of a lock file beside it (connector.service)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        pragmas = {
            "journal_mode": journal_mode(),
            "synchronous": "full",  # a commit that was answered is on the disk
            "foreign_keys": 1,
        }
        super().__init__(peewee.SqliteDatabase(str(path), pragmas=pragmas, timeout=BUSY_LIMIT_S), str(path))

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
            raise StoreUnavailable(f"there is no store at {self.path}: 'connector serve' makes it")
        super().check()

    def write_as(self, node: str) -> None:
        """A file has one connector, and so one name."""

    def copy_to(self, path: Path) -> None:
        """Make a whole copy, as the store is at one moment, while others go on writing to it."""
        with unavailable_if_broken(self.name):
            self.db.execute_sql("VACUUM INTO ?", (str(path),))  # type: ignore[no-untyped-call]

    def replace_by(self, copy: Path, now: int) -> Path | None:
        """Put a file in this one's place; what was there is moved aside, with SQLite's own files."""
        synced(copy)
        kept = self._moved_aside(now)
        copy.rename(self.path)
        synced(self.path.parent)
        return kept

    def _moved_aside(self, now: int) -> Path | None:
        if not self.path.exists():
            return None
        stamp = (iso(now) or "").replace(":", "").replace("-", "").partition(".")[0]
        kept = self.path.with_name(f"{self.path.name}.before-{stamp}")
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
