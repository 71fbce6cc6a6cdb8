"""Sessions of people who signed in with a browser. The store keeps hashes: a copy of it signs nobody in.

A session begins with a new secret at each step of signing in, and gets another one every hour; for a minute the one
before is good too, for requests that are under way.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from connector.core.access import Actor
from connector.database.audit import audited
from connector.database.models import Session, User
from connector.database.store import reading, run, writing
from connector.errors import NotFound
from connector.people import users
from connector.people.users import hashed

IDLE_MS = 12 * 3_600_000
LONGEST_MS = 7 * 24 * 3_600_000
ROTATE_MS = 3_600_000
OVERLAP_MS = 60_000
SEEN_EVERY_MS = 60_000
MOST_SESSIONS = 20
# Marks of browsers and systems in what they say; those that others say too are last.
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)  # fmt: skip


@dataclass(frozen=True)
class SessionView:
    """Who has signed in, and how far: `stage` is full, totp (a code is missing) or password (one is to be chosen).
    `company`: which one the house's user looks at.

    `csrf` proves that a form is ours. `stale`: its secret is to be rotated; `unseen`: nobody noted lately that it
    lives.
    """

    id: int
    user: int
    actor: Actor
    stage: str
    company: int | None
    csrf: str
    stale: bool
    unseen: bool


@dataclass(frozen=True)
class SignedIn:
    """Where a user is signed in: since when, when it was used last, from which network address, and by what browser.
    `csrf` tells which one is the visitor's own; it is shown to nobody.
    """

    id: int
    created_at: int
    seen_at: int
    address: str
    browser: str
    csrf: str


def begin(user: int, stage: str, now: int, address: str, agent: str) -> str:
    """Sign a user in, as far as `stage`; the secret for the cookie. Of very many sessions the oldest end."""
    secret = secrets.token_urlsafe(32)
    with writing():
        Session.create(
            user=user,
            hashed=hashed(secret),
            csrf=secrets.token_urlsafe(32),
            stage=stage,
            created_at=now,
            rotated_at=now,
            seen_at=now,
            address=address,
            agent=agent[:200],
        )
        run("DELETE FROM session WHERE created_at < ? OR seen_at < ?", now - LONGEST_MS, now - IDLE_MS)
        kept = "SELECT id FROM session WHERE user_id = ? ORDER BY id DESC LIMIT ?"
        run(f"DELETE FROM session WHERE user_id = ? AND id NOT IN ({kept})", user, user, MOST_SESSIONS)
    return secret


def find(secret: str, now: int) -> SessionView | None:
    """The session of a cookie; None if there is none, it is over, or its user may not sign in any more."""
    mark = hashed(secret)
    with reading():
        rows = Session.select(Session, User).join(User)
        found: Any = rows.where((Session.hashed == mark) | (Session.old_hashed == mark)).get_or_none()
        if found is None or found.user.disabled_at is not None:
            return None
        if found.hashed != mark and found.old_until <= now:
            return None
        if now >= min(found.created_at + LONGEST_MS, found.seen_at + IDLE_MS):
            return None
        return SessionView(
            id=found.id,
            user=found.user_id,
            actor=users.actor(found.user),
            stage=found.stage,
            company=found.company_id,
            csrf=found.csrf,
            stale=found.hashed == mark and now - found.rotated_at > ROTATE_MS,
            unseen=now - found.seen_at > SEEN_EVERY_MS,
        )


def seen(session: int, now: int) -> None:
    """Somebody used it."""
    with writing():
        run("UPDATE session SET seen_at = ? WHERE id = ? AND seen_at < ?", now, session, now)


def rotate(secret: str, now: int) -> str | None:
    """Another secret for a session; the one before is good for a minute more. None if somebody was quicker."""
    fresh = secrets.token_urlsafe(32)
    with writing():
        row = Session.get_or_none(Session.hashed == hashed(secret))
        if row is None:
            return None
        Session.update(
            hashed=hashed(fresh), old_hashed=row.hashed, old_until=now + OVERLAP_MS, rotated_at=now, seen_at=now
        ).where(Session.id == row.id).execute()
        return fresh


def choose(session: int, company: int) -> None:
    """Which company a user of the house looks at from now on."""
    with writing():
        run("UPDATE session SET company_id = ? WHERE id = ?", company, session)


def end(session: int) -> None:
    """Sign out."""
    with writing():
        run("DELETE FROM session WHERE id = ?", session)


def of_user(user: int, now: int) -> list[SignedIn]:
    """Where a user is signed in, the last used first."""
    with reading():
        alive = (Session.user == user) & (Session.created_at >= now - LONGEST_MS) & (Session.seen_at >= now - IDLE_MS)
        found = Session.select().where(alive & (Session.stage == "full")).order_by(Session.seen_at.desc(), Session.id)
        return [
            SignedIn(row.id, row.created_at, row.seen_at, row.address, browser(row.agent), row.csrf) for row in found
        ]


@audited("session.end")
def end_other(session: int, user: int) -> None:
    """Sign a user out somewhere. NotFound if it is not their session."""
    with writing():
        if Session.get_or_none((Session.id == session) & (Session.user == user)) is None:
            raise NotFound("This session is over already.")
        run("DELETE FROM session WHERE id = ?", session)


def browser(agent: str) -> str:
    """What a browser says that it is, in two words: `Firefox, Linux`; its first ones if it is none that is known."""
    names = [word for mark, word in _BROWSERS if mark in agent][:1]
    systems = [word for mark, word in _SYSTEMS if mark in agent][:1]
    return ", ".join(names + systems) or agent[:40] or "not known"
