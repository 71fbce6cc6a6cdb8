"""Reference data: what calls are decided by and what rarely changes, such as profiles, trunks, numbers and limits. It
is kept in memory for as long as the store's version of it is the same.

The store counts every change of these tables by triggers of its own (migrations 0013 and later), whichever program
or node makes it. A transaction reads the version with its first question, and again when it has waited for a lock; then
it asks the store only what the memory of this version does not have. A transaction that changes reference data itself
reads the store from then on.

What calls change is never asked here: channels in use, balances, the ledger, holds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from connector.database import store
from connector.database.models import Table, database

M = TypeVar("M", bound=Table)
T = TypeVar("T")

TABLES = frozenset({
    "company", "profile", "trunk", "number", "verified", "hours", "department", "inbound_account", "button", "mailbox",
    "deck", "limits", "prefix_rule", "service_number", "recharge", "term",
    "webhook", "exchange_rate", "margin_floor", "trunk_order",
})  # fmt: skip
# What anybody dials is among the questions: the memory is emptied when it has so many.
MOST_QUESTIONS = 50_000


class Memory:
    """The answers of one store at one version. A store has one that all threads share."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.answers: dict[tuple[Any, ...], Any] = {}

    def keep(self, question: tuple[Any, ...], answer: Any) -> None:
        """Keep an answer, or what was made of several."""
        if len(self.answers) >= MOST_QUESTIONS:
            self.answers.clear()
        self.answers[question] = answer


class _Current(threading.local):
    """The memory that this thread's transaction uses, and since which moment of it."""

    moment = (0, 0)
    memory: Memory | None = None


_current = _Current()


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """As `store.rows`, for a question of reference data only. Nobody may change the list."""
    memory = _memory()
    if memory is None:
        return store.rows(sql, *values)
    question = (sql, values)
    found: list[tuple[Any, ...]] | None = memory.answers.get(question)
    if found is None:
        found = store.rows(sql, *values)
        memory.keep(question, found)
    return found


def one(model: type[M], condition: str, *values: Any) -> M | None:
    """As `store.one`, for a table of reference data. Nobody may change the row."""
    memory = _memory()
    if memory is None:
        return store.one(model, condition, *values)
    question = (f"{model.__name__} {condition}", values)
    if question not in memory.answers:
        memory.keep(question, store.one(model, condition, *values))
    found: M | None = memory.answers[question]
    return found


def made(key: tuple[str, int], make: Callable[[], T]) -> T:
    """What `make` makes of reference data alone, kept under a key for as long as that is the same. Nobody may change
    it.
    """
    memory = _memory()
    if memory is None:
        return make()
    if key not in memory.answers:
        memory.keep(key, make())
    found: T = memory.answers[key]
    return found


def lasting(model: type[M], row: int) -> M:
    """The row of an id that another row names, so that it cannot be away. LookupError if it is: a defect."""
    found = one(model, "id = ?", row)
    if found is None:
        raise LookupError(f"there is no {model.__name__} {row}")
    return found


def look() -> None:
    """Read the version now, if it was not read in this transaction."""
    _memory()


def forget(db: Any) -> None:
    """Another store is in the place of this one: versions count anew."""
    db.reference = None
    db.kept_for_good = {}


def counting_triggers() -> list[str]:
    """The names of the store's triggers that count changes."""
    if store.on_sqlite():
        return [f"{table}_counts_{action}" for table in TABLES for action in ("insert", "update", "delete")]
    return [f"{table}_counts" for table in TABLES]


def _memory() -> Memory | None:
    """The memory of the version that this transaction sees; None if it has changed reference data itself."""
    if not TABLES.isdisjoint(store.changed_tables()):
        return None
    if _current.moment != store.moment():
        _current.memory, _current.moment = _of_version(), store.moment()
    return _current.memory


def _of_version() -> Memory:
    ((version,),) = store.answers(store.VERSION)
    shared: Memory | None = vars(database.obj).get("reference")
    went_back = shared is not None and version < shared.version and store.may_write()
    if shared is None or version > shared.version or went_back:  # back: the database is as it was once
        shared = database.obj.reference = Memory(int(version))
    # A transaction that only reads and began before the last change has a memory of its own.
    return shared if shared.version == version else Memory(int(version))
