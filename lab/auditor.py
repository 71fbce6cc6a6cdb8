"""An auditor: a process that looks at a store again and again while others work on it, and trusts no program of ours.

It asks the database itself, in SQL, for what must never be.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event

from connector.config import StoreSettings
from connector.database.store import reading, rows
from connector.errors import StoreUnavailable
from connector.storage import stores

EVERY_S = 0.3
# What must give no row, at any moment.
NEVER = {
    "more calls than channels": (
        "SELECT profile_id, COUNT(*) FROM call JOIN profile ON profile.id = call.profile_id WHERE dead_at IS NULL"
        " GROUP BY profile_id, profile.channels HAVING COUNT(*) > profile.channels"
    ),
    "a balance that is not its postings": (
        "SELECT name FROM account LEFT JOIN (SELECT account_id, SUM(amount) AS total FROM posting GROUP BY account_id)"
        " AS sums ON sums.account_id = account.name WHERE balance <> COALESCE(total, 0)"
    ),
    "an entry that does not balance": (
        "SELECT entry_id, asset FROM posting JOIN account ON account.name = posting.account_id"
        " GROUP BY entry_id, asset HAVING SUM(amount) <> 0"
    ),
    "a balance below zero": "SELECT name FROM account WHERE balance < 0 AND purpose NOT IN ('outside', 'seconds_sold')",
    "held money that no call holds": (
        "SELECT held, holds FROM (SELECT (SELECT COALESCE(SUM(balance), 0) FROM account WHERE asset = 'money'"
        " AND purpose IN ('credit_held', 'held')) AS held, (SELECT COALESCE(SUM(micros), 0) FROM hold) AS holds)"
        " AS sums WHERE held <> holds"
    ),
    "a gap in a chain": (
        "SELECT company_id FROM entry GROUP BY company_id HAVING MAX(number) <> COUNT(*) OR MIN(number) <> 1"
    ),
    "a call that is up and has a CDR": "SELECT call.id FROM call JOIN cdr ON cdr.id = call.id",
}


class Auditor:
    """Runs while it is open. `close` says how often it looked, and what it found."""

    def __init__(self, place: StoreSettings) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop: Event = context.Event()
        self._told: Queue[tuple[int, list[str]]] = context.Queue()
        self._process = context.Process(target=_audit, args=(place, self._stop, self._told), daemon=True)
        self._process.start()

    def close(self) -> tuple[int, list[str]]:
        """End it; how often it looked, and what it found."""
        self._stop.set()
        found = self._told.get(timeout=30)
        self._process.join(10)
        return found


def _audit(place: StoreSettings, stop: Event, told: Queue[tuple[int, list[str]]]) -> None:
    store = stores.opened(place)
    looks, found = 0, list[str]()
    while not stop.wait(EVERY_S):
        try:
            found += look()
            looks += 1
        except StoreUnavailable:
            continue  # it is restarted, on purpose
    store.close()
    told.put((looks, found[:10]))


def look() -> list[str]:
    """What is wrong in the store that is open, at one moment."""
    with reading():
        return [f"{what}: {found[:3]}" for what, sql in NEVER.items() if (found := rows(sql))]
