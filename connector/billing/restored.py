"""A store that was restored from a backup: what it does not know; it charges nothing before somebody has looked."""

from __future__ import annotations

from dataclasses import dataclass

from connector.billing import calls, recharges
from connector.database import audit
from connector.database.models import Restored
from connector.database.store import insert, one, reading, rows, run, writing
from connector.errors import BadInput


@dataclass(frozen=True)
class Term:
    """A term that ended since the backup, and would be renewed now."""

    company: str
    subject: str
    ends_at: int
    price_micros: int


@dataclass(frozen=True)
class ReconcileView:
    """What happened, or may have, since the backup was made. `live_calls` were up then, and their money is held."""

    books_end_at: int
    restored_at: int
    live_calls: int
    held_micros: int
    terms: list[Term]


def is_restored() -> bool:
    """Whether the store waits for somebody to look at it."""
    with reading():
        return one(Restored, "id = 1") is not None


def books_end_at() -> int:
    """The last instant that the books know of; 0 if they know of none."""
    with reading():
        ends = (("at", "entry"), ("ended_at", "cdr"), ("seen_at", "call"))
        last = [rows(f"SELECT MAX({column}) FROM {table}")[0][0] for column, table in ends]
        return max((int(at) for at in last if at is not None), default=0)


def mark(now: int) -> None:
    """Say in the store that it was restored."""
    end = books_end_at()
    with writing():
        run("DELETE FROM restored")
        run("DELETE FROM invoice_restart")
        run("INSERT INTO invoice_restart (id, at) VALUES (1, ?)", now)
        recharges.restored(now)
        insert(Restored, id=1, books_end_at=end, restored_at=now)


def view(now: int) -> ReconcileView:
    """What to look at. BadInput if the store was not restored, or was looked at already."""
    with reading():
        row = _waiting()
        sql = (
            "SELECT company.name, COALESCE(profile.name, number.e164), term.ends_at,"
            " term.price_micros + term.bundles_price_micros FROM term"
            " JOIN company ON company.id = term.company_id"
            " LEFT JOIN profile ON profile.id = term.profile_id LEFT JOIN number ON number.id = term.number_id"
            " WHERE term.closed_at IS NULL AND term.ends_at <= ? ORDER BY term.ends_at, term.id"
        )
        ((live, held),) = rows("SELECT COUNT(*), SUM(hold.micros) FROM call LEFT JOIN hold ON hold.call_id = call.id")
        terms = [Term(*found) for found in rows(sql, now)]
        return ReconcileView(row.books_end_at, row.restored_at, int(live), int(held or 0), terms)


def done(now: int) -> int:
    """Somebody has looked: calls that were up then are closed without charge, and the store works again.

    How many calls were closed. BadInput if there is nothing to reconcile.
    """
    with reading():
        _waiting()
    stale = calls.live()
    for call in stale:
        calls.ended_unseen(call, None, now)
    with writing():
        run("DELETE FROM restored")
        audit.note("store.reconcile", "", f"{len(stale)} calls were closed without charge")
    return len(stale)


def _waiting() -> Restored:
    row = one(Restored, "id = 1")
    if row is None:
        raise BadInput("the store was not restored from a backup: there is nothing to reconcile")
    return row
