"""The open store: frames every transaction, locks companies, runs SQL as it is. Knows no table but `company`.

There are two kinds: a file of SQLite (sqlite.py), for one node, and a database of PostgreSQL (postgresql.py), which
several nodes share. Everything above this module is the same for both.

SQLite lets one write at a time. On PostgreSQL whoever writes to a company locks it first (`lock`), in turn, and keeps
it to the end of the transaction: so the channels, the credit and the ledger of a company have one writer on either, and
what a function reads after its lock is what it changes (docs/decisions/0011).
"""

from __future__ import annotations

import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from operator import add
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ParamSpec, Protocol, TypeVar

import peewee
from playhouse.migrations import MigrationError, Runner

from connector.database.models import database
from connector.errors import StoreBusy, StoreUnavailable, StoreUnreachable

M = TypeVar("M", bound=peewee.Model)
P = ParamSpec("P")
R = TypeVar("R")
# An SQL statement, and its values.
Question = tuple[str, tuple[Any, ...]]
# The version of the reference data (reference.py): it is asked again after each lock, for others may have changed it.
VERSION: Question = ("SELECT SUM(version) FROM reference_version", ())
# Makes one number of two: `add`, `max`.
Merge = Callable[[int, int], int]

# A call that waits for a locked store is refused and not forgotten: below the gate's timeout.
BUSY_LIMIT_S = 2
# The first half of the keys of our advisory locks on PostgreSQL, so that they are nobody else's: "conn" in ASCII.
ROOM = 0x636F6E6E
COMPANIES = ROOM + 1
# So long after nodes were in each other's way they leave room for each other; so long a batch waits for a company.
CROWDED_S = 1.0
CROWDED_WAIT_MS = 200
# A call is kept in memory with its company; so many are more than any node carries.
MOST_KEPT = 20_000
_MIGRATIONS = Path(__file__).parent / "migrations"
# serialization_failure, deadlock_detected, lock_not_available, unique_violation: somebody else was quicker.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BUSY = ("40001", "40P01", "55P03", "23505")
_CHANGES = re.compile(r'\s*(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|UPDATE|DELETE\s+FROM)\s+"?(\w+)', re.IGNORECASE)


class StoreDoor(Protocol):
    """Runs billing functions where they disturb no event; connector.storage.writer does."""

    async def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run one billing function; what it returns or raises."""


class Store(ABC):
    """One open store. `name` is what people call it. Peewee keeps a connection per thread."""

    def __init__(self, db: peewee.Database, name: str) -> None:
        self.db = db
        self.name = name
        self.open()

    def open(self) -> None:
        """Make this the store that everything here works on."""
        database.initialize(self.db)

    def migrate(self) -> list[str]:
        """Bring the schema up to date, making the store if it is not there; the names of what was applied."""
        with unavailable_if_broken(self.name):
            return list(Runner(self.db, str(_MIGRATIONS)).up())

    def check(self) -> None:
        """Raise StoreUnavailable, in words, if the store is not there or its schema is another one's."""
        with unavailable_if_broken(self.name):
            rows = Runner(self.db, str(_MIGRATIONS)).status()
        if all(row.applied is None for row in rows):
            raise StoreUnavailable("the store {name} is empty: 'connector serve' makes its tables", name=self.name)
        if any(row.applied is None for row in rows):
            raise StoreUnavailable(
                "the store {name} is older than this program: 'connector serve' updates it", name=self.name
            )
        if any(row.path is None for row in rows):
            raise StoreUnavailable("the store {name} is newer than this program", name=self.name)

    @abstractmethod
    def write_as(self, node: str) -> None:
        """From now on the calling thread writes in a node's name, of which there is one: see the kinds of store."""

    @abstractmethod
    def must_be_idle(self) -> None:
        """BadInput if a connector runs with it, as far as the store knows that itself."""

    @abstractmethod
    def copy_to(self, path: Path) -> None:
        """Make a whole copy, as the store is at one moment, in a file of SQLite, while others go on writing."""

    @abstractmethod
    def must_take(self) -> None:
        """BadInput or StoreUnavailable if a copy of another store could not be put in this one's place."""

    @abstractmethod
    def replace_by(self, copy: Path, now: int) -> Path | None:
        """Put a store in a file of SQLite in this one's place, all of it or nothing; where what was there is kept.

        BadInput if what is there would be lost.
        """

    def close(self) -> None:
        """Close this thread's connection."""
        with suppress(peewee.PeeweeException):  # it may be broken, and then it is closed already
            self.db.close()


@contextmanager
def unavailable_if_broken(name: object) -> Iterator[None]:
    """Anything the database or the disk says becomes StoreUnavailable, in one line."""
    try:
        yield
    except (peewee.PeeweeException, MigrationError, OSError) as error:
        raise _unavailable(error, name, begun=True) from error


def writing() -> AbstractContextManager[None]:
    """One transaction that writes; inside another one, a part of it that stands or falls by itself.

    On SQLite it takes the write lock at once: a transaction that reads first and writes later fails there, however long
    it would have waited. Raises StoreUnavailable; nothing is written then.
    """
    return _Part() if _frames.open and _frames.open[-1].is_batch else _written()


@contextmanager
def _written() -> Iterator[None]:
    with _transaction("IMMEDIATE", "READ COMMITTED"), _frames.frame(writes=True):
        yield


@contextmanager
def batch() -> Iterator[None]:
    """One transaction of several functions that write. They have no savepoints, which cost a tenth of a call: if one
    fails after it wrote something, `is_spoiled` says so, and the whole has to be taken back.
    """
    with _transaction("IMMEDIATE", "READ COMMITTED"), _frames.frame(writes=True):
        _frames.open[-1].is_batch = True
        yield


def is_spoiled() -> bool:
    """Whether a function of this batch failed after it wrote something."""
    return _frames.open[-1].is_spoiled


class _Part:
    """A function of a batch."""

    def __enter__(self) -> None:
        outer = _frames.open[-1]
        self._written = _here.written
        _frames.open.append(_Frame(set(outer.locked or ())))

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        inner, outer = _frames.open.pop(), _frames.open[-1]
        if error is None:
            _keep(outer, inner)
            return
        outer.is_spoiled |= _here.written != self._written
        if isinstance(error, peewee.PeeweeException | OSError):
            outer.is_spoiled = True
            raise _unavailable(error, name(), begun=True) from error


@contextmanager
def reading() -> Iterator[None]:
    """One transaction that only reads: all of it sees the same moment. Raises StoreUnavailable."""
    with _transaction("DEFERRED", "REPEATABLE READ, READ ONLY"), _frames.frame(writes=False):
        if not on_sqlite() and database.obj.transaction_depth() == 1:
            # Whoever adds up a year thinks long between two questions, and keeps nobody waiting.
            database.obj.defer("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield


@contextmanager
def trying() -> Iterator[None]:
    """One transaction whose changes are seen in it, and taken back at its end: what would be, without its being so."""
    with _transaction("IMMEDIATE", "READ COMMITTED") as transaction, _frames.frame(writes=True):
        yield
        transaction.rollback()
        _frames.open[-1].forget()


def lock(condition: str, *values: Any, ahead: Sequence[Question] = ()) -> None:
    """Let nobody else write to the companies that fit a condition in SQL, until this transaction is over.

    Waits a while for who has them now; StoreBusy if that is not enough. A transaction that has a company already does
    not wait for another, for that one's owner may wait for the first; nor does one that has waited in vain, for others
    wait behind it. In a transaction that only reads it does nothing.

    `ahead`: what will be asked right after it (`foresee`): PostgreSQL answers in the same trip, of the moment after the
    lock.
    """
    held = _frames.held
    if held is None:
        return
    if on_sqlite():  # which has one writer at a time: what is left to do is to know for whom
        held.update(found for (found,) in rows(f"SELECT id FROM company WHERE {condition}", *values))
        return
    wanted: Question = (f"SELECT id FROM company WHERE {condition}", values)
    # A row's lock is no queue: who has just let go of it has it again before who waits is awake (measured: two nodes
    # under load waited 1 s and more for each other's 0.1 s). An advisory lock is one. The row's lock is for other
    # programs.
    waits = not held and not _frames.impatient
    _frames.impatient = True
    if waits:
        queue: Question = (f"SELECT id, pg_advisory_xact_lock({COMPANIES}, id) FROM company WHERE {condition}", values)
        got: Question = (f"SELECT id FROM company WHERE {condition} FOR NO KEY UPDATE", values)
        foresee(queue, got, VERSION, wanted, *ahead)
        answers(queue)
    else:
        got = _free(condition, values)
        foresee(got, VERSION, wanted, *ahead)
    found = {company for (company,) in answers(got)}
    _here.moment += 1
    if {company for (company,) in answers(wanted)} - found:
        raise _taken()
    _frames.impatient = False
    held.update(found)


def _free(condition: str, values: tuple[Any, ...], most: int = 1_000_000) -> Question:
    """Locks those of some companies, as many as `most`, that nobody has, and says which."""
    return (
        f"WITH wanted AS MATERIALIZED (SELECT id FROM company WHERE {condition}), got AS MATERIALIZED"
        f" (SELECT id FROM wanted WHERE pg_try_advisory_xact_lock({COMPANIES}, id) LIMIT {most})"
        " SELECT company.id FROM company JOIN got ON got.id = company.id FOR NO KEY UPDATE OF company SKIP LOCKED",
        values,
    )


def lock_company(company: int, ahead: Sequence[Question] = ()) -> None:
    """The same for a company that is there for sure: nothing is asked on SQLite, or if it is locked already."""
    held = _frames.held
    if held is None or company in held:
        foresee(*ahead)
    elif on_sqlite():
        held.add(company)
    elif remembered(("taken", company)):
        raise _taken()
    else:
        lock("id = ?", company, ahead=ahead)


def _taken() -> StoreBusy:
    return StoreBusy("the store {name} is busy, try again: another node has the company", name=name())


def nobody_writes_as(node: str) -> bool:
    """Whether nobody writes in a node's name now, nor will before this transaction is over.

    A file has one connector, which knows of itself: what it says of other names is true.
    """
    return on_sqlite() or bool(rows(f"SELECT pg_try_advisory_xact_lock({ROOM}, hashtext(?))", node)[0][0])


def clock_off_ms(now: int) -> int:
    """How far a time is ahead of the store's own clock, in milliseconds; 0 for a file, which has none."""
    if on_sqlite():
        return 0
    with reading():
        ((there,),) = rows("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)")
    return now - int(there)


def locked(company: int) -> bool:
    """Whether this transaction has locked a company."""
    return company in (_frames.held or ())


def locked_companies() -> set[int]:
    """The companies that this transaction has locked so far."""
    return set(_frames.held or ())


def moment() -> tuple[int, int]:
    """Which transaction of this thread this is, and how often it has locked something: what others wrote before that
    can be read since.
    """
    return _here.number, _here.moment


def changed_tables() -> set[str]:
    """The tables that this transaction has changed so far."""
    return _here.changed


def note(sql: str) -> None:
    """A statement is about to run on this thread, on either kind of database."""
    if sql[:1] not in "Ss":  # most are questions
        _here.written += 1
        table = _changes(sql)
        if table:
            _here.changed.add(table)


@lru_cache(maxsize=4096)
def _changes(sql: str) -> str:
    """The table that a statement changes; "" for none."""
    found = _CHANGES.match(sql)
    return found[1].lower() if found else ""


def remember(what: Hashable, value: object) -> None:
    """Keep what this transaction has read or written, and nobody else can change before it is over, for the company is
    locked: the last entry of its ledger, a balance, the channels in use. Code that changes one calls this again.
    """
    _frames.open[-1].known[what] = value


def remembered(what: Hashable) -> Any:
    """The value that was remembered in this transaction; None for none. What a failed part remembered is not kept."""
    for frame in reversed(_frames.open):
        if what in frame.known:
            return frame.known[what]
    return None


def lock_companies(companies: Sequence[int], ahead: Sequence[Question]) -> set[int]:
    """Lock those of several companies that nobody has, and ask `ahead` right after it, in one trip; those that are
    locked. If all are taken, the first is waited for. `lock_company` says of the others at once that they are taken.

    While nodes are in each other's way, one takes at most half of the companies: so they work side by side. StoreBusy.
    """
    held = _frames.held
    assert held is not None
    wanted = [company for company in companies if company not in held]
    if on_sqlite() or not wanted:
        held.update(wanted)
        foresee(*ahead)
        return held
    most = len(wanted) if time.monotonic() > _frames.crowded_until else (len(wanted) + 1) // 2
    free = _free(f"id IN ({', '.join('?' * len(wanted))})", tuple(wanted), most)
    foresee(free, VERSION, *ahead)
    got = {company for (company,) in answers(free)}
    _here.moment += 1
    if len(got) < most:
        _frames.crowded_until = time.monotonic() + CROWDED_S
    if not got and not held:
        # Others may ask for companies that are free meanwhile: not for long.
        run(f"SET LOCAL lock_timeout = '{CROWDED_WAIT_MS}ms'")
        lock("id = ?", wanted[0], ahead=ahead)
        run("SET LOCAL lock_timeout TO DEFAULT")
        got = {wanted[0]}
    for company in wanted:
        if company not in got:
            remember(("taken", company), True)
    held.update(got)
    return held


def for_good(what: Hashable) -> Any:
    """The value that was kept for good of the open store; None for none."""
    return _kept().get(what)


def keep_for_good(what: Hashable, value: object) -> None:
    """Keep what never changes in the open store, such as whose a call is."""
    kept = _kept()
    if len(kept) >= MOST_KEPT:
        kept.clear()
    kept[what] = value


def _kept() -> dict[Hashable, object]:
    db = database.obj
    found: dict[Hashable, object] | None = vars(db).get("kept_for_good")
    if found is None:
        found = db.kept_for_good = {}
    return found


def add_later(sql: str, key: tuple[Any, ...], numbers: tuple[int, ...], merge: Merge = add) -> None:
    """Run a statement with a key and numbers at the end of this transaction. It is run once for all numbers of the same
    key, which are merged one by one. For sums that nobody reads before.
    """
    _merge(_frames.open[-1].sums, (sql, key, merge), numbers)


class _Here(threading.local):
    """What is known of this thread's transaction."""

    def __init__(self) -> None:
        self.number = 0
        self.moment = 0
        self.written = 0
        self.changed: set[str] = set()

    def begin(self) -> None:
        """A transaction begins that is in no other."""
        self.number += 1
        self.changed = set()


_here = _Here()
_savepoint: Any = vars(peewee)["_savepoint"]


@dataclass
class _Frame:
    """A transaction, or a part of one: the companies that it has locked (None if it only reads), what it remembers, and
    what is added to sums at its end. What a part did is gone if the part is rolled back.
    """

    locked: set[int] | None
    known: dict[Any, Any] = field(default_factory=dict)
    sums: dict[tuple[str, tuple[Any, ...], Merge], tuple[int, ...]] = field(default_factory=dict)
    is_batch: bool = False
    is_spoiled: bool = False

    def forget(self) -> None:
        """What it did was taken back."""
        self.known.clear()
        self.sums.clear()


class _Frames(threading.local):
    """The frames of this thread's transaction, the innermost last."""

    def __init__(self) -> None:
        self.open: list[_Frame] = []
        self.impatient = False
        self.crowded_until = 0.0

    @property
    def held(self) -> set[int] | None:
        """The companies that are locked; None if the transaction only reads, or there is none."""
        return self.open[-1].locked if self.open else None

    @contextmanager
    def frame(self, *, writes: bool) -> Iterator[None]:
        """A transaction, or a part of one."""
        if not self.open:
            self.impatient = False
        inner = _Frame(set(self.held or ()) if writes else None)
        self.open.append(inner)
        try:
            yield
        finally:
            self.open.pop()
        if self.open:
            _keep(self.open[-1], inner)
        else:
            for (sql, key, _), numbers in inner.sums.items():
                run(sql, *key, *numbers)


def _keep(outer: _Frame, inner: _Frame) -> None:
    """What a part of a transaction did is the transaction's."""
    if outer.locked is not None:
        outer.locked |= inner.locked or set()
    outer.known |= inner.known
    for kind, numbers in inner.sums.items():
        _merge(outer.sums, kind, numbers)


def _merge(
    sums: dict[tuple[str, tuple[Any, ...], Merge], tuple[int, ...]],
    kind: tuple[str, tuple[Any, ...], Merge],
    numbers: tuple[int, ...],
) -> None:
    before = sums.get(kind)
    sums[kind] = numbers if before is None else tuple(map(kind[2], before, numbers))


_frames = _Frames()


@contextmanager
def _transaction(for_sqlite: str, for_postgresql: str) -> Iterator[Any]:
    """A transaction, or inside one a savepoint. How it begins is said in the words of either database."""
    db = database.obj
    outermost = db.transaction_depth() == 0
    kind = for_sqlite if on_sqlite() else for_postgresql
    begun = False
    if not _frames.open:
        _here.begin()
    # A name for each depth, or a part would be rolled back to the wrong place. It is the same each time, so that the
    # statement is prepared once. (Peewee's own depth does not count savepoints.)
    begin = partial(db.atomic, kind) if outermost else partial(_savepoint, db, sid=f"s{len(_frames.open)}")
    try:
        with ExitStack() as stack:
            try:
                transaction = stack.enter_context(begin())
            except peewee.PeeweeException:
                if not outermost or not _dropped_if_broken(db):
                    raise
                transaction = stack.enter_context(db.atomic(kind))  # it was the old connection's fault: by a new one
            begun = True
            yield transaction
    except (peewee.PeeweeException, OSError) as error:
        raise _unavailable(error, name(), begun) from error
    finally:
        if outermost:
            _dropped_if_broken(db)


def _dropped_if_broken(db: peewee.Database) -> bool:
    """Whether the thread's connection was of no use any more; the next transaction makes a new one then."""
    if db.is_closed() or db.is_connection_usable():
        return False
    with suppress(peewee.PeeweeException):
        db.close()
    return True


def _unavailable(error: Exception, where: object, begun: bool) -> StoreUnavailable:
    cause: Any = getattr(error, "orig", None) or error  # what the driver said, if Peewee wrapped it
    said = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
    if not begun:
        return StoreUnreachable("the store {where} cannot be used: {said}", where=where, said=said)
    if getattr(cause, "sqlstate", None) in _BUSY:
        return StoreBusy("the store {where} is busy, try again: {said}", where=where, said=said)
    return StoreUnavailable("the store {where} cannot be used: {said}", where=where, said=said)


def name() -> str:
    """What people call the store that is open."""
    return str(getattr(database.obj, "shown_name", database.obj.database))


def may_write() -> bool:
    """Whether this transaction may write: then it sees all that was committed."""
    return _frames.held is not None


def on_sqlite() -> bool:
    """Whether the open store is a file of SQLite."""
    return isinstance(database.obj, peewee.SqliteDatabase)


# What follows is for the path of every call. Peewee takes 0.3 ms to word a statement, and an admission has a dozen of
# them; these take theirs as it is, with "?" for each value, and are six times as fast (measured; docs/decisions/0006).


def asked(model: type[M], condition: str, *values: Any) -> Question:
    """What `one` asks."""
    return _asking(model, condition), values


@lru_cache(maxsize=1024)
def _asking(model: type[M], condition: str) -> str:
    return f'SELECT * FROM "{vars(model)["_meta"].table_name}" WHERE {condition} LIMIT 1'


def one(model: type[M], condition: str, *values: Any) -> M | None:
    """The first row of a model's table that matches a condition in SQL, or None. Inside a transaction."""
    sql, _ = asked(model, condition, *values)
    cursor = database.obj.execute_sql(_worded(sql), values)
    row = cursor.fetchone()
    if row is None:
        return None
    # Peewee's own way from a row to a model (`raw`) takes five times as long (docs/decisions/0006).
    by_column = vars(model)["_meta"].columns
    fields = [by_column[column[0]] for column in cursor.description]
    names = [getattr(field, "object_id_name", field.name) for field in fields]
    found = {name: field.python_value(value) for name, field, value in zip(names, fields, row, strict=True)}
    return model(__no_default__=1, **found)


def record(model: type[M], condition: str, *values: Any) -> Any:
    """As `one`, for a row of numbers and texts: its columns as the database has them, without Peewee's model."""
    sql, _ = asked(model, condition, *values)
    return next(iter(records(sql, values)), None)


def records(sql: str, values: Sequence[Any]) -> list[Any]:
    """The rows that an SQL statement gives, each with its columns by name. Inside a transaction."""
    cursor = database.obj.execute_sql(_worded(sql), values)
    names = [column[0] for column in cursor.description]
    return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def foresee(*questions: Question) -> None:
    """Say what will be asked in the very same words, by `rows` or `one`: PostgreSQL is asked all of it in one trip.

    An answer is given once, and none after something was written: it is as true as if it were asked then.
    """
    if questions and not on_sqlite():
        database.obj.foresee([(_worded(sql), values) for sql, values in questions])


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows that an SQL statement gives. Inside a transaction."""
    found: list[tuple[Any, ...]] = database.obj.execute_sql(_worded(sql), values).fetchall()
    return found


def answers(question: Question) -> list[tuple[Any, ...]]:
    """The rows that a question gives. Inside a transaction."""
    sql, values = question
    return rows(sql, *values)


def fitting(sql: str, *conditions: tuple[str, Any]) -> Question:
    """An SQL statement that has a WHERE, with those conditions besides whose value is there: what `rows` takes.

    A value stands for each "?" of its condition; a tuple for one each.
    """
    values: list[Any] = []
    for condition, value in conditions:
        if value is not None:
            sql += f" AND {condition}"
            values += value if isinstance(value, tuple) else [value] * condition.count("?")
    return sql, tuple(values)


def run(sql: str, *values: Any) -> None:
    """Run an SQL statement that gives nothing. Inside a transaction, which fails at its end at the latest if it does.

    On PostgreSQL it goes along with the next statement that asks for something, or with the end of the transaction.
    """
    if on_sqlite():
        database.obj.execute_sql(sql, values)
    else:
        database.obj.defer(_worded(sql), values)


def insert(model: type[M], **values: Any) -> None:
    """Put one row into a model's table, by column names. Inside a transaction."""
    run(_inserting(model, tuple(values)), *values.values())


@lru_cache(maxsize=1024)
def _inserting(model: type[M], names: tuple[str, ...]) -> str:
    columns = ", ".join(f'"{name}"' for name in names)
    return f'INSERT INTO "{vars(model)["_meta"].table_name}" ({columns}) VALUES ({", ".join("?" * len(names))})'


def _worded(sql: str) -> str:
    param = database.obj.param
    return sql if param == "?" else sql.replace("?", param)


def bytewise(column: str) -> str:
    """A column of texts as SQL that compares it by its bytes, in no language."""
    return column if on_sqlite() else f'{column} COLLATE "C"'


def triggers() -> dict[str, str]:
    """The triggers that the open store has, by name, and what they do."""
    sql = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        if on_sqlite()
        else "SELECT tgname, prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal"
    )
    return dict(rows(sql))
