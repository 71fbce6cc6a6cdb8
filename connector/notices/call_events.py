"""Events of calls for webhooks that want them: each is recorded with what happened, in the transaction of the call, and
goes when it was posted. Those of a webhook are posted in their order, several at once.

What waits for a webhook is bounded: what it did not take for a day, and what is too much, is given up and counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.core.alerts import again_in_ms
from connector.core.times import timed
from connector.database import reference
from connector.database.models import CallEvent
from connector.database.store import insert, reading, rows, run, writing

STARTED, ANSWERED, ENDED, REFUSED = "started", "answered", "ended", "refused"
MOST_OF_POST = 100
# So many posts of one company go on at once, and so many due webhooks are looked at.
MOST_OF_COMPANY = 3
LOOKED_AT = 500
LEASE_MS = 60_000
LONGEST_WAIT_MS = 600_000
GIVEN_UP_MS = 24 * 3_600_000
MOST_WAITING = 100_000
FORGOTTEN_AT_ONCE = 5_000
_DUE = (
    "SELECT call_post.webhook_id, company.name FROM call_post JOIN webhook ON webhook.id = call_post.webhook_id"
    " JOIN company ON company.id = webhook.company_id WHERE call_post.next_at <= ?"
    " AND EXISTS (SELECT 1 FROM call_event WHERE call_event.webhook_id = call_post.webhook_id)"
    " ORDER BY call_post.next_at, call_post.webhook_id LIMIT ?"
)
_POST = (
    "SELECT webhook.url, webhook.secret, company.name FROM webhook JOIN company ON company.id = webhook.company_id"
    " WHERE webhook.id = ?"
)
_KNOWN_FIRST = ("direction", "caller_id", "shown", "dialled", "called", "forwarded", "button", "started_at")
_KNOWN_LAST = (
    "answered_at", "ended_at", "duration_ms", "ending", "refusal", "cause", "sip_status", "hung_up_by", "price_micros",
)  # fmt: skip
# What a call's row has and its CDR keeps is the same in both: an event says the same whenever it is posted.
_EVENTS = (
    "SELECT call_event.event, call_event.at, call_event.call_id, profile.name, profile.username,"
    f" company.currency, {', '.join(f'COALESCE(call.{name}, cdr.{name})' for name in _KNOWN_FIRST)},"
    f" {', '.join(f'cdr.{name}' for name in _KNOWN_LAST)} FROM call_event"
    " JOIN webhook ON webhook.id = call_event.webhook_id JOIN company ON company.id = webhook.company_id"
    " LEFT JOIN call ON call.id = call_event.call_id LEFT JOIN cdr ON cdr.id = call_event.call_id"
    " LEFT JOIN profile ON profile.id = COALESCE(call.profile_id, cdr.profile_id)"
    " WHERE call_event.webhook_id = ? ORDER BY call_event.id LIMIT ?"
)


@dataclass(frozen=True)
class Event:
    """Something about a call, at `at` in ms. `id` is that of the call and the event, and of nothing else. `call`: what
    is known of it then, named as in the API.
    """

    id: str
    event: str
    at: int
    call: dict[str, Any]


@dataclass(frozen=True)
class Post:
    """Events that are to be posted now, oldest first, signed by a secret that is sealed. `tries`: how often the last
    post there failed. `claimed`: until when nobody else posts there, in ms.
    """

    webhook: int
    company: str
    url: str
    sealed: str
    tries: int
    claimed: int
    events: tuple[Event, ...]

    @property
    def delivery(self) -> str:
        """The same for the same events, and for no others."""
        return f"calls-{hashlib.sha256(' '.join(each.id for each in self.events).encode()).hexdigest()[:24]}"


def put(company: int | None, call_id: str, event: str, at: int) -> None:
    """Record an event in the caller's transaction, for each webhook of the company that wants events of calls."""
    wanting = "SELECT id FROM webhook WHERE company_id = ? AND calls = 1 ORDER BY id"
    for (webhook,) in () if company is None else reference.rows(wanting, company):
        insert(CallEvent, webhook_id=webhook, call_id=call_id, event=event, at=at)


def due(now: int, limit: int, going: Mapping[str, int]) -> list[int]:
    """The webhooks that may be posted to now, `limit` at most. `going`: how many posts of each company go on; a company
    has a few, so that one whose webhooks are slow keeps no other waiting.
    """
    with reading():
        found: list[int] = []
        of_company = Counter(going)
        for webhook, company in rows(_DUE, now, LOOKED_AT):
            if len(found) < limit and of_company[company] < MOST_OF_COMPANY:
                of_company[company] += 1
                found.append(webhook)
        return found


def claim(webhooks: Sequence[int], now: int) -> list[Post]:
    """What is to be posted to these webhooks; nobody else posts to them for a while."""
    with writing():
        found = []
        for webhook in webhooks:
            # Another node may have claimed it meanwhile, or somebody may have removed it.
            sql = "UPDATE call_post SET next_at = ? WHERE webhook_id = ? AND next_at <= ? RETURNING tries"
            mine = rows(sql, now + LEASE_MS, webhook, now)
            events = tuple(map(_event, rows(_EVENTS, webhook, MOST_OF_POST))) if mine else ()
            if events:
                ((url, sealed, company),) = rows(_POST, webhook)
                found.append(Post(webhook, company, url, sealed, mine[0][0], now + LEASE_MS, events))
        return found


def posted(post: Post, now: int) -> None:
    """Its events have arrived; the next may be posted at once, unless somebody else posts there by now."""
    with writing():
        which = ", ".join(["(?, ?)"] * len(post.events))
        keys = [value for each in post.events for value in (each.call["id"], each.event)]
        run(
            f"DELETE FROM call_event WHERE webhook_id = ? AND (call_id, event) IN (VALUES {which})", post.webhook, *keys
        )
        sql = "UPDATE call_post SET next_at = ?, tries = 0, why = '', failing_since = NULL"
        run(f"{sql} WHERE webhook_id = ? AND next_at = ?", now, post.webhook, post.claimed)


def failed(post: Post, why: str, now: int) -> None:
    """They have not: they are posted again later, and those behind them wait."""
    with writing():
        wait_ms = min(again_in_ms(post.tries + 1) or LONGEST_WAIT_MS, LONGEST_WAIT_MS)
        sql = (
            "UPDATE call_post SET next_at = ?, tries = tries + 1, why = ?, failing_since = COALESCE(failing_since, ?)"
            " WHERE webhook_id = ? AND next_at = ?"
        )
        run(sql, now + wait_ms, why[:200], now, post.webhook, post.claimed)


def failing() -> list[int]:
    """The webhooks that did not take the last post."""
    with reading():
        return [webhook for (webhook,) in rows("SELECT webhook_id FROM call_post WHERE tries > 0 ORDER BY webhook_id")]


def forget(webhook: int, now: int) -> int:
    """Give up, some at once, what a webhook did not take for a day, and the oldest of what is too much; how many."""
    with writing():
        found = rows("SELECT failing_since FROM call_post WHERE webhook_id = ?", webhook)
        since = found[0][0] if found else None
        ((waiting,),) = rows("SELECT COUNT(*) FROM call_event WHERE webhook_id = ?", webhook)
        oldest = rows(
            "SELECT id, at FROM call_event WHERE webhook_id = ? ORDER BY id LIMIT ?", webhook, FORGOTTEN_AT_ONCE
        )
        too_old = since is not None and since <= now - GIVEN_UP_MS
        gone = [
            number
            for place, (number, at) in enumerate(oldest)
            if place < waiting - MOST_WAITING or (too_old and at <= now - GIVEN_UP_MS)
        ]
        if not gone:
            return 0
        marks = ", ".join("?" * len(gone))
        counted = len(rows(f"DELETE FROM call_event WHERE id IN ({marks}) RETURNING id", *gone))  # of two nodes, once
        run("UPDATE call_post SET given_up = given_up + ? WHERE webhook_id = ?", counted, webhook)
        return counted


def _event(row: tuple[Any, ...]) -> Event:
    event, at, call_id, profile, username, currency, *known = row
    call = {"id": call_id, "profile": profile, "username": username, **dict(zip(_KNOWN_FIRST, known, strict=False))}
    if event == ANSWERED:
        call["answered_at"] = at
    elif event != STARTED:
        call |= dict(zip(_KNOWN_LAST, known[len(_KNOWN_FIRST) :], strict=True))
        call["currency"] = currency
    return Event(f"{call_id}-{event}", event, at, timed(call))
