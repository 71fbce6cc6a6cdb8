"""Events of calls for webhooks that want them: each is recorded with what happened, in the transaction of the call, and
goes when it was posted. Those of a webhook are posted in their order, several at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connector.core.alerts import again_in_ms
from connector.core.times import timed
from connector.database import reference
from connector.database.models import CallEvent
from connector.database.store import insert, reading, rows, run, writing

STARTED, ANSWERED, ENDED, REFUSED = "started", "answered", "ended", "refused"
MOST_OF_POST = 100
LEASE_MS = 60_000
LONGEST_WAIT_MS = 600_000
GIVEN_UP_MS = 24 * 3_600_000
FORGOTTEN_AT_ONCE = 5_000
_DUE = (
    "SELECT call_post.webhook_id, call_post.next_at, call_post.tries, webhook.url, webhook.secret, company.name"
    " FROM call_post JOIN webhook ON webhook.id = call_post.webhook_id JOIN company ON company.id = webhook.company_id"
    " WHERE call_post.next_at <= ?"
    " AND EXISTS (SELECT 1 FROM call_event WHERE call_event.webhook_id = call_post.webhook_id)"
    " ORDER BY call_post.next_at, call_post.webhook_id LIMIT ?"
)
_KNOWN_FIRST = ("direction", "caller_id", "shown", "dialled", "called", "forwarded", "button", "started_at")
_KNOWN_LAST = (
    "answered_at", "ended_at", "duration_ms", "ending", "refusal", "cause", "sip_status", "hung_up_by", "price_micros",
)  # fmt: skip
# What a call's row has and its CDR keeps is the same in both: an event says the same whenever it is posted.
_EVENTS = (
    "SELECT call_event.id, call_event.event, call_event.at, call_event.call_id, profile.name, profile.username,"
    f" company.currency, {', '.join(f'COALESCE(call.{name}, cdr.{name})' for name in _KNOWN_FIRST)},"
    f" {', '.join(f'cdr.{name}' for name in _KNOWN_LAST)} FROM call_event"
    " JOIN webhook ON webhook.id = call_event.webhook_id JOIN company ON company.id = webhook.company_id"
    " LEFT JOIN call ON call.id = call_event.call_id LEFT JOIN cdr ON cdr.id = call_event.call_id"
    " LEFT JOIN profile ON profile.id = COALESCE(call.profile_id, cdr.profile_id)"
    " WHERE call_event.webhook_id = ? ORDER BY call_event.id LIMIT ?"
)


@dataclass(frozen=True)
class Event:
    """Something about a call, at `at` in ms. `call`: what is known of it then, named as in the API."""

    id: int
    event: str
    at: int
    call: dict[str, Any]


@dataclass(frozen=True)
class Post:
    """Events that are to be posted now, oldest first, signed by a secret that is sealed. `tries`: how often the last
    post there failed.
    """

    webhook: int
    company: str
    url: str
    sealed: str
    tries: int
    events: tuple[Event, ...]


def put(company: int | None, call_id: str, event: str, at: int) -> None:
    """Record an event in the caller's transaction, for each webhook of the company that wants events of calls."""
    wanting = "SELECT id FROM webhook WHERE company_id = ? AND calls = 1 ORDER BY id"
    for (webhook,) in () if company is None else reference.rows(wanting, company):
        insert(CallEvent, webhook_id=webhook, call_id=call_id, event=event, at=at)


def are_due(now: int) -> bool:
    """Whether anything is to be posted."""
    with reading():
        return bool(rows(_DUE, now, 1))


def claim(now: int, limit: int) -> list[Post]:
    """What is to be posted now, to `limit` webhooks at most; nobody else posts to them for a while."""
    with writing():
        found = []
        for webhook, next_at, tries, url, sealed, company in rows(_DUE, now, limit):
            # Another node may have read the same: who comes second finds it put off.
            sql = "UPDATE call_post SET next_at = ? WHERE webhook_id = ? AND next_at = ? RETURNING webhook_id"
            if rows(sql, now + LEASE_MS, webhook, next_at):
                events = tuple(map(_event, rows(_EVENTS, webhook, MOST_OF_POST)))
                found.append(Post(webhook, company, url, sealed, tries, events))
        return found


def posted(post: Post, now: int) -> None:
    """Its events have arrived; the next may be posted at once."""
    with writing():
        marks = ", ".join("?" * len(post.events))
        run(f"DELETE FROM call_event WHERE id IN ({marks})", *(each.id for each in post.events))
        run("UPDATE call_post SET next_at = ?, tries = 0, why = '' WHERE webhook_id = ?", now, post.webhook)


def failed(post: Post, why: str, now: int) -> None:
    """They have not: they are posted again later, and those behind them wait."""
    with writing():
        wait_ms = min(again_in_ms(post.tries + 1) or LONGEST_WAIT_MS, LONGEST_WAIT_MS)
        sql = "UPDATE call_post SET next_at = ?, tries = tries + 1, why = ? WHERE webhook_id = ?"
        run(sql, now + wait_ms, why[:200], post.webhook)


def forget(now: int) -> int:
    """Give up what nobody took for a day, some at once; how many events."""
    with writing():
        old = rows(
            "SELECT id, webhook_id FROM call_event WHERE at < ? ORDER BY id LIMIT ?",
            now - GIVEN_UP_MS,
            FORGOTTEN_AT_ONCE,
        )
        for number, webhook in old:
            run("DELETE FROM call_event WHERE id = ?", number)
            run("UPDATE call_post SET given_up = given_up + 1 WHERE webhook_id = ?", webhook)
        return len(old)


def _event(row: tuple[Any, ...]) -> Event:
    number, event, at, call_id, profile, username, currency, *known = row
    call = {"id": call_id, "profile": profile, "username": username, **dict(zip(_KNOWN_FIRST, known, strict=False))}
    if event == ANSWERED:
        call["answered_at"] = at
    elif event != STARTED:
        call |= dict(zip(_KNOWN_LAST, known[len(_KNOWN_FIRST) :], strict=True))
        call["currency"] = currency
    return Event(number, event, at, timed(call))
