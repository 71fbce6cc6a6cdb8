"""Moves everything from one store to another of either kind, with the connector stopped: a file to a database, or back.

Calls that are up go on, and their rows move with the rest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connector.billing import ledger, restored
from connector.database.models import COPIED
from connector.database.sqlite import FileStore
from connector.database.store import Store, lock, reading, rows, writing
from connector.errors import StoreUnavailable
from connector.storage.backup import BackupView, opened_copy, proven


@dataclass(frozen=True)
class MovedView:
    """What was moved, as the new store has it. `kept`: where a file is that stood in its place."""

    source: str
    target: str
    entries: int
    cdrs: int
    live_calls: int
    heads: dict[str, str]
    kept: str | None


def move(source: Store, target: Store, scratch: Path | None, now: int, switch: Callable[[], None]) -> MovedView:
    """Copy every row, prove the copy, and use it: every balance added up, the chains of the ledger the same on both.

    No connector may work with either. `switch` names the target in the settings; while it does nobody else can post to
    the source, which is compared once more and then admits nothing: what a command entered meanwhile is found out.
    BadInput, before anything is copied, if the target has a company, or a connector runs with one of them;
    StoreUnavailable if the copy cannot be made or differs, and then the source is as it was. `scratch`: a folder with
    room for a copy; None: the system's.
    """
    try:
        source.open()
        source.must_be_idle()
        with _proven_copy(source, target, scratch) as (making, found):
            kept = target.replace_by(making, now)
        target.open()
        target.check()
        there = _counted(target)
        source.open()
        with writing():
            lock("1 = 1")
            source.must_be_idle()
            if _counted(source) != there:
                raise StoreUnavailable(
                    "{name} differs from {name_2}, or that was changed meanwhile: empty it, and try again",
                    name=target.name,
                    name_2=source.name,
                )
            restored.mark(now)
            switch()
    except OSError as error:
        raise StoreUnavailable("the store cannot be moved: {error}", error=error) from error
    return MovedView(
        source.name, target.name, found.entries, found.cdrs, found.live_calls, found.heads, str(kept) if kept else None
    )


def rehearse(source: Store, target: Store, scratch: Path | None) -> MovedView:
    """Say what `move` would move, and whether it could: a copy is made and proven, and the target is looked at. Both
    stay as they are, and a connector may work with the source meanwhile. Errors as of `move`.
    """
    try:
        with _proven_copy(source, target, scratch) as (_, found):
            pass
    except OSError as error:
        raise StoreUnavailable("the store cannot be moved: {error}", error=error) from error
    return MovedView(source.name, target.name, found.entries, found.cdrs, found.live_calls, found.heads, None)


@contextmanager
def _proven_copy(source: Store, target: Store, scratch: Path | None) -> Iterator[tuple[Path, BackupView]]:
    """A copy of the source in a file of SQLite, removed afterwards, and what it has. BadInput, before it is made, if
    the target cannot take it.
    """
    source.open()
    source.check()
    target.must_take()
    source.open()
    with tempfile.TemporaryDirectory(prefix=".moving-", dir=scratch) as folder:
        making = Path(folder) / "moving.db"
        source.copy_to(making)
        making.chmod(0o600)
        with opened_copy(making) as copy:
            found = proven(copy, Path(source.name))
        yield making, found


def put_aside(source: Store, now: int) -> Path | None:
    """Give a file that was moved another name, which is returned; None for a database."""
    if not isinstance(source, FileStore):
        return None
    source.open()
    source.fold()
    source.close()
    return source.moved_aside(now, "moved")


def _counted(store: Store) -> tuple[dict[str, int], dict[str, str]]:
    """How many rows each table of the open store has, and the ends of the ledger's chains.

    StoreUnavailable if it does not add up.
    """
    with reading():
        tables = [vars(model)["_meta"].table_name for model in COPIED]
        counts = {table: int(rows(f'SELECT COUNT(*) FROM "{table}"')[0][0]) for table in tables}
    report = ledger.verify()
    if not report.ok:
        raise StoreUnavailable(
            "what is in {name} does not add up: {problems}", name=store.name, problems=report.problems[0]
        )
    return counts, report.heads
