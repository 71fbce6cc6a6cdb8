"""The nodes that share a store, and the calls of one that is gone.

A node is one Asterisk with its connector. When it is gone its calls may go on: Asterisk needs neither us nor the store
for that, but its own timers end each of them. So a call's channel is free again when that moment has passed
(`free_dead`), and what it holds stays held until the node is back and says from its journal what the call was, or until
somebody says that it never comes back (`retire`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connector.billing import calls
from connector.core.calls import surely_over_at
from connector.database import audit
from connector.database.models import Node
from connector.database.store import insert, nobody_writes_as, one, reading, rows, run, writing
from connector.errors import BadInput, NotFound

# A node says that it is there every few seconds.
AWAY_AFTER_MS = 15_000


@dataclass(frozen=True)
class NodeView:
    """A node. `calls` have their channels, those of `dead_calls` are free; `held_micros` is what both hold.

    `seen_at` and `joined_at` are None for one that has calls and never said that it is there.
    """

    name: str
    is_here: bool
    joined_at: int | None
    seen_at: int | None
    epoch: int
    calls: int
    dead_calls: int
    held_micros: int


def here(name: str, epoch: int, at: int) -> None:
    """A node says that it is there, and when its Asterisk was started."""
    with writing():
        if one(Node, "name = ?", name) is not None:
            run("UPDATE node SET seen_at = ?, epoch = ? WHERE name = ?", at, epoch, name)
        else:
            insert(Node, name=name, joined_at=at, seen_at=at, epoch=epoch)


def codecs(name: str) -> tuple[str, ...]:
    """The codecs that a node's Asterisk can convert; empty where that is not known."""
    with reading():
        row = one(Node, "name = ?", name)
        return tuple(row.codecs.split(",")) if row is not None and row.codecs else ()


def can_convert(name: str, found: Sequence[str]) -> None:
    """Note the codecs that a node's Asterisk can convert; the config of its ends goes by them."""
    with writing():
        run("UPDATE node SET codecs = ? WHERE name = ?", ",".join(found), name)


def prove_writable(name: str) -> None:
    """Write a row of the store as it is. StoreUnavailable if that fails: a full disk, a database that only reads."""
    with writing():
        run("UPDATE node SET seen_at = seen_at WHERE name = ?", name)


def list_nodes(now: int) -> list[NodeView]:
    """Every node that was ever seen, or has a call, by name."""
    sql = (
        "SELECT call.node, SUM(CASE WHEN dead_at IS NULL THEN 1 ELSE 0 END), COUNT(dead_at),"
        " COALESCE(SUM(hold.micros), 0) FROM call LEFT JOIN hold ON hold.call_id = call.id GROUP BY call.node"
    )
    with reading():
        counted = {node: (int(live), int(dead), int(held)) for node, live, dead, held in rows(sql)}
        known = {row.name: row for row in Node.select()}
    views = []
    for name in sorted(known.keys() | counted.keys()):
        row = known.get(name)
        is_here = row is not None and now - row.seen_at <= AWAY_AFTER_MS
        joined_at, seen_at, epoch = (row.joined_at, row.seen_at, row.epoch) if row else (None, None, 0)
        views.append(NodeView(name, is_here, joined_at, seen_at, epoch, *counted.get(name, (0, 0, 0))))
    return views


def free_dead(own: str, now: int) -> int:
    """Free the channels of calls that are proven dead, of every node that is away; how many.

    The `own` one is away too if its Asterisk is: its connector says that it is there only after it has asked that.
    """
    with reading():
        found = rows("SELECT DISTINCT node FROM call WHERE dead_at IS NULL")
        silent = [node for (node,) in found if _is_silent(node, now)]
    return sum(_free_dead_of(node, now, own) for node in silent)


def _free_dead_of(node: str, now: int, own: str) -> int:
    with writing():  # where it is asked again whether the node is away, for it may be back
        if not (_is_silent(node, now) if node == own else _is_away(node, now)):
            return 0
        sql = (
            "SELECT call.id, started_at, answered_at, guard_s, COALESCE(bundle_s + paid_s, 0)"
            " FROM call LEFT JOIN hold ON hold.call_id = call.id WHERE node = ? AND dead_at IS NULL"
        )
        dead = [
            call
            for call, started_at, answered_at, guard_s, held_s in rows(sql, node)
            if now > surely_over_at(started_at, answered_at, max(guard_s, held_s))
        ]
        for call in dead:
            run("UPDATE call SET dead_at = ? WHERE id = ?", now, call)
        return len(dead)


def retire(name: str, now: int) -> int:
    """Somebody says that a node is gone for good: its calls end at the last moment they were known alive (BRIEF, rule
    12), and it is forgotten. How many calls. BadInput if it is there; NotFound if there is no such node.
    """
    with writing():
        known = one(Node, "name = ?", name) is not None
        if not known and not rows("SELECT 1 FROM call WHERE node = ? LIMIT 1", name):
            raise NotFound("there is no node {name!r}", name=name)
        if not _is_away(name, now):
            raise BadInput("The node {name} is running. Stop its connector and its Asterisk first.", name=name)
    gone = calls.live(name)
    for call in gone:
        calls.ended_unseen(call, call.answered_at, now)
    with writing():
        run("DELETE FROM node WHERE name = ?", name)
        unfinished = "node = ? AND state IN ('waiting', 'running')"
        run(f"UPDATE export SET state = 'failed', why = 'its node is gone', done_at = ? WHERE {unfinished}", now, name)
        audit.note("node.retire", name, f"{len(gone)} calls were ended")
    return len(gone)


def _is_away(name: str, now: int) -> bool:
    """Whether nobody writes for the node, nor will before this transaction is over."""
    return _is_silent(name, now) and nobody_writes_as(name)


def _is_silent(name: str, now: int) -> bool:
    row = one(Node, "name = ?", name)
    return row is None or now - row.seen_at > AWAY_AFTER_MS
