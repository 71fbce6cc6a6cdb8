"""Backups of the store: whole while calls go on, proven by being opened, and restored without losing what was there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from connector.billing import ledger, restored
from connector.database.sqlite import PARTS, FileStore, synced
from connector.database.store import Store, reading, rows
from connector.errors import BadInput, StoreUnavailable


@dataclass(frozen=True)
class BackupView:
    """A backup that was opened and verified. `books_end_at` is the last instant that it knows of."""

    path: str
    bytes: int
    books_end_at: int
    entries: int
    cdrs: int
    live_calls: int
    heads: dict[str, str]


@dataclass(frozen=True)
class RestoredView:
    """A store that came back; what was there before is kept beside it, if there was any."""

    path: str
    kept: str | None
    books_end_at: int
    migrations: list[str]


def backup(store: Store, target: Path) -> BackupView:
    """Copy the store, as it is at one moment, to `target`, and prove the copy: opened, whole, every balance added up.

    The connector may run meanwhile. BadInput if `target` exists; StoreUnavailable, and nothing is left, if the copy
    cannot be made or proven.
    """
    if target.exists():
        raise BadInput("{target} is there already: a backup overwrites nothing", target=target)
    if not target.parent.is_dir():
        raise BadInput("there is no folder {parent}", parent=target.parent)
    making = target.with_name(f".{target.name}.making")
    _remove(making)
    try:
        store.copy_to(making)
        making.chmod(0o600)
        with opened_copy(making) as copy:
            found = proven(copy, target)
        synced(making)
        making.rename(target)
        synced(target.parent)
    except OSError as error:
        raise StoreUnavailable("the backup cannot be written: {error}", error=error) from error
    finally:
        _remove(making)
        store.open()
    return found


def opened(source: Path) -> BinaryIO:
    """A backup, to be read. BadInput if there is none, StoreUnavailable if it cannot be read."""
    try:
        if not source.is_file():
            raise BadInput("there is no backup {source}", source=source)
        if source.with_name(source.name + "-wal").exists():
            raise BadInput("{source} is a store in use, not a backup", source=source)
        return source.open("rb")
    except OSError as error:
        raise StoreUnavailable(
            "the backup {source} cannot be read: {strerror}", source=source, strerror=error.strerror
        ) from error


def restore(source: Path, store: Store, now: int, file: BinaryIO | None = None) -> RestoredView:
    """Put a backup in the store's place. The connector must not run; what was there is moved aside, never removed.

    A database of PostgreSQL has to be new: it takes over every row. A backup of either goes into either.

    The backup is proven and brought up to date first. Until `connector reconcile --done` the store charges nothing by
    itself. `file`: the backup, if it is open already. BadInput or StoreUnavailable: nothing has changed.
    """
    try:
        with file or opened(source) as known_file, _folder_beside(store) as folder:
            making = folder / "restoring.db"
            making.touch(mode=0o600)
            with making.open("wb") as copied:
                shutil.copyfileobj(known_file, copied)
            with opened_copy(making) as copy:
                migrations = copy.migrate()
                known = proven(copy, source)
                restored.mark(now)
            kept = store.replace_by(making, now)
    except OSError as error:
        raise StoreUnavailable("the store cannot be restored: {error}", error=error) from error
    finally:
        store.open()
    return RestoredView(store.name, str(kept) if kept else None, known.books_end_at, migrations)


@contextmanager
def _folder_beside(store: Store) -> Iterator[Path]:
    """A folder on the disk of the store, if that is a file; gone afterwards."""
    beside = store.path.parent if isinstance(store, FileStore) else None
    if beside is not None:
        beside.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=".restoring-", dir=beside) as folder:
        yield Path(folder)


def proven(copy: FileStore, name: Path) -> BackupView:
    """What the open store holds; StoreUnavailable if it is not whole or does not add up."""
    copy.check()
    with reading():
        ((word,),) = rows("PRAGMA integrity_check(1)")
        ((cdrs,),) = rows("SELECT COUNT(*) FROM cdr")
        ((live,),) = rows("SELECT COUNT(*) FROM call")
    report = ledger.verify()
    if word != "ok" or not report.ok:
        wrong = word if word != "ok" else report.problems[0]
        raise StoreUnavailable("The ledger in {name} does not add up: {wrong}", name=name, wrong=wrong)
    return BackupView(
        path=str(name),
        bytes=copy.path.stat().st_size,
        books_end_at=restored.books_end_at(),
        entries=report.entries,
        cdrs=cdrs,
        live_calls=live,
        heads=report.heads,
    )


@contextmanager
def opened_copy(path: Path) -> Iterator[FileStore]:
    """Open a copy; if all went well, all of it is in the one file afterwards."""
    opened = FileStore(path)
    try:
        yield opened
        opened.fold()
    finally:
        opened.close()


def _remove(path: Path) -> None:
    for part in PARTS:
        path.with_name(path.name + part).unlink(missing_ok=True)
