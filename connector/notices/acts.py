"""What somebody asks for by the network, in one transaction: whose it is, whether they may, the deed, who did it.

Nothing that a user or a token does goes by another way (`do`, `look`), so this is where objects are guarded. A deed
that moves money has a key: asked again with it, it is not done again, and the answer is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from connector.core import terms
from connector.core.access import Actor, Owner, check
from connector.database import audit, named
from connector.database.audit import Doer
from connector.database.models import Request
from connector.database.store import lock, reading, rows, trying, writing
from connector.errors import KeyReused, NotFound
from connector.words import Words, phrase

R = TypeVar("R")
Thing = tuple[str, str]

# Whose an object is, by what it is called in a request.
_OWNERS = {
    "company": "SELECT id, NULL FROM company WHERE id = ?",
    "profile": "SELECT company_id, id FROM profile WHERE username = ?",
    "number": "SELECT company_id, profile_id FROM number WHERE e164 = ? AND released_at IS NULL",
    "account": "SELECT company_id, profile_id FROM inbound_account WHERE name = ?",
    "trunk": "SELECT company_id, profile_id FROM trunk WHERE name = ? AND state <> 'archived'",
    "live call": "SELECT company_id, profile.id FROM call JOIN profile ON profile.id = profile_id WHERE call.id = ?",
    "CDR": "SELECT company_id, profile_id FROM cdr WHERE id = ?",
    "user": "SELECT company_id, NULL FROM users WHERE id = ?",
    "webhook": "SELECT company_id, NULL FROM webhook WHERE id = ?",
    "call button": (
        "SELECT b.company_id, a.profile_id FROM button b JOIN inbound_account a ON a.id = b.account_id WHERE b.id = ?"
    ),
    "export": "SELECT company_id, profile_id FROM export WHERE id = ?",
    "threshold": "SELECT company_id, profile_id FROM threshold WHERE id = ?",
    "invoice": "SELECT company_id, NULL FROM invoice WHERE id = ?",
    "payment": "SELECT company_id, NULL FROM payment WHERE id = ?",
}
# What people call what a request calls otherwise.
_NAMES = {
    "profile": "SELECT name FROM profile WHERE username = ?",
    "user": "SELECT email FROM users WHERE id = ?",
    "webhook": "SELECT url FROM webhook WHERE id = ?",
    "call button": "SELECT name FROM button WHERE id = ?",
}
_NUMBERED = ("company", "user", "export", "webhook", "call button", "payment", "invoice", "threshold")
_MOST_ID = 2**31


@dataclass(frozen=True)
class Once:
    """A deed that is done once: `key` is the asker's word for it, `fingerprint` is all that was asked."""

    key: str
    fingerprint: str


@dataclass(frozen=True)
class Done:
    """What came of it. `again`: it was done before, and this is what was answered then."""

    answer: Any
    again: bool = False


def do(
    actor: Actor,
    permission: str | None,
    thing: Thing | None,
    deed: Callable[[], Any],
    doer: Doer,
    once: Once | None = None,
) -> Done:
    """Do something to a thing (its kind, and what it is called), if the actor may. `deed` gives JSON.

    NotFound, Forbidden, KeyReused (the key was another deed's), or what the deed raises: then nothing was done.
    """
    with writing(), audit.acting(doer):
        if actor.scope.company is not None:  # whose a thing is changes under its company's lock only
            lock("id = ?", actor.scope.company)
        check(actor, permission, None, "")
        done = _answered(actor, once)
        if done is not None:
            return done
        owner = _guard(actor, permission, thing)
        if owner is not None and owner.company is not None:  # the audit log is told by what is locked whose it was
            lock("id = ?", owner.company)
            done = _answered(actor, once)  # who waited for the lock may have waited for this very deed
            if done is not None:
                return done
        if once is None:
            return Done(deed())
        answer = deed()
        Request.create(
            key=_key_of(actor, once.key), fingerprint=once.fingerprint, answer=json.dumps(answer), at=doer.at
        )
        return Done(answer)


def _answered(actor: Actor, once: Once | None) -> Done | None:
    """What was answered when the deed was done; None if it was not."""
    before = None if once is None else Request.get_or_none(Request.key == _key_of(actor, once.key))
    if once is None or before is None:
        return None
    if before.fingerprint != once.fingerprint:
        raise KeyReused("This Idempotency-Key was already used for another request. Nothing was done.")
    return Done(json.loads(before.answer), again=True)


def name_of(kind: str, name: str) -> str:
    """What people call a thing that is there, in the caller's transaction: most as requests do."""
    found = rows(_NAMES[kind], int(name) if kind in _NUMBERED else name) if kind in _NAMES else []
    return str(found[0][0]) if found else name


def tried(actor: Actor, permission: str | None, thing: Thing | None, question: Callable[[], R]) -> R:
    """Ask what a deed would do; what is tried out is taken back. NotFound, Forbidden, or what the question raises."""
    with trying():
        _guard(actor, permission, thing)
        return question()


def look(actor: Actor, permission: str | None, thing: Thing | None, question: Callable[[], R]) -> R:
    """Ask something of a thing, if the actor may. NotFound, Forbidden, or what the question raises."""
    with reading():
        _guard(actor, permission, thing)
        return question()


def forget(before: int) -> None:
    """Answers of requests that were asked before then are not given again."""
    with writing():
        Request.delete().where(Request.at < before).execute()


def called(kind: str, name: str) -> Words:
    """What a thing is called where it is not found. It is the same for one that is another company's: nobody learns
    which of them there are.
    """
    return phrase("{kind} {name!r}", kind=terms.named(kind), name=name)


def owner_of(kind: str, name: str) -> Owner:
    """Whose a thing is. NotFound."""
    if kind in _NUMBERED and not (name.isascii() and name.isdecimal() and len(name) <= 10 and int(name) < _MOST_ID):
        raise NotFound("there is no {what}", what=called(kind, name))
    found = rows(_OWNERS[kind], int(name) if kind in _NUMBERED else name)
    if not found:
        raise NotFound("there is no {what}", what=called(kind, name))
    return Owner(*found[0])


def money_key(actor: Actor, key: str) -> str:
    """The key of an entry that a request makes: no other actor's is the same, whatever words they choose."""
    return f"request:{_key_of(actor, key)}"


def _guard(actor: Actor, permission: str | None, thing: Thing | None) -> Owner | None:
    if thing is None:
        check(actor, permission, None, "")
        return None
    kind, name = thing
    if thing == ("company", ""):  # their own, or the only one
        name = str(named.company_seen(actor.scope, None).id)
    owner = owner_of(kind, name)
    check(actor, permission, owner, called(kind, name))
    return owner


def _key_of(actor: Actor, key: str) -> str:
    return hashlib.sha256(f"{actor.user}:{key}".encode()).hexdigest()
