"""Who did what: a row for each thing that somebody changed, written in the transaction that changed it.

Functions that people call are `audited`; whoever calls them for somebody says so with `acting`. What the connector does
by itself (renewals, recharges) is in the ledger and the notices.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from connector.core.access import Scope
from connector.core.paging import Page, Turn, page
from connector.database.models import Audit
from connector.database.store import locked_companies, reading, writing

P = ParamSpec("P")
R = TypeVar("R")

MOST_DETAIL = 200
# Arguments of which a log says that they were given, and not what they were: a name with one of these in it.
_SECRET = ("password", "secret", "sign_in", "pin", "digest", "hash", "code", "token")
_NOT_SAID = ("now", "key", "dry_run", "read")


@dataclass(frozen=True)
class Doer:
    """Who acts, and since when: `user` is None for the command line. `address` is where a request came from."""

    name: str
    at: int
    user: int | None = None
    address: str = ""


@dataclass(frozen=True)
class AuditView:
    """One thing that somebody did. `subject` is what it was done to, `detail` what was asked for, in words."""

    id: int
    at: int
    actor: str
    action: str
    subject: str
    detail: str
    address: str


_doer: ContextVar[Doer | None] = ContextVar("doer", default=None)


@contextmanager
def acting(doer: Doer) -> Iterator[None]:
    """What this thread does in the block, somebody does."""
    token = _doer.set(doer)
    try:
        yield
    finally:
        _doer.reset(token)


def act_as(doer: Doer | None) -> None:
    """What this thread does from now on, somebody does; None: nobody but the connector."""
    _doer.set(doer)


def audited(action: str, *, of_house: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A billing function that people call. Its first argument is what it is done to. `of_house`: the people of the
    company do not see that it was done.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        """The function, which leaves a row."""
        signature = inspect.signature(function)

        @functools.wraps(function)
        def done(*args: P.args, **kwargs: P.kwargs) -> R:
            """Do it, and write it down; both or neither."""
            doer = _doer.get()
            if doer is None or kwargs.get("dry_run"):
                return function(*args, **kwargs)
            with writing():
                result = function(*args, **kwargs)
                subject, detail = _told(signature.bind(*args, **kwargs).arguments)
                record(doer, action, subject, detail, None if of_house else _locked())
            return result

        return done

    return wrap


def record(doer: Doer, action: str, subject: str, detail: str, company: int | None) -> None:
    """Write down what somebody did, in the caller's transaction: of a company, or of none."""
    Audit.create(
        at=doer.at,
        actor=doer.name,
        user=doer.user,
        company=company,
        action=action,
        subject=subject[:MOST_DETAIL],
        detail=detail,
        address=doer.address,
    )


def note(action: str, subject: str, detail: str = "") -> None:
    """Write down what is done, in the caller's transaction, if somebody does it: for what is no one function."""
    note_of(_locked(), action, subject, detail)


def note_of(company: int | None, action: str, subject: str, detail: str = "") -> None:
    """The same, of a company that is known, or of none: the house's."""
    doer = _doer.get()
    if doer is not None:
        record(doer, action, subject, detail, company)


def _locked() -> int | None:
    """The company that this transaction is about: the one that it locked."""
    held = locked_companies()
    return next(iter(held)) if len(held) == 1 else None


def page_of(scope: Scope, wanted: Turn, actor: str | None = None, action: str | None = None) -> Page[AuditView]:
    """What was done, newest first; a company's own only. By its actor's whole name, its action's beginning."""
    with reading():
        found = Audit.select().order_by(Audit.id.desc()).limit(wanted.limit + 1)
        if scope.company is not None:
            found = found.where(Audit.company == scope.company)
        if actor:
            found = found.where(Audit.actor == actor)
        if action:
            found = found.where(Audit.action.startswith(action))
        if wanted.after is not None:
            found = found.where(Audit.id < wanted.after[0])
        views = [
            AuditView(row.id, row.at, row.actor, row.action, row.subject, row.detail, row.address) for row in found
        ]
        return page(views, wanted, lambda view: (view.id,))


def _told(arguments: dict[str, Any]) -> tuple[str, str]:
    """What a function was called with: its first argument, and the others as JSON, no secret among them."""
    said = {name: value for name, value in arguments.items() if name not in _NOT_SAID}
    first = next(iter(said), None)
    subject = "" if first is None else _brief(said.pop(first))
    rest = {name: _shown(name, value) for name, value in said.items() if value not in (None, (), {}, "")}
    return subject, json.dumps(rest, ensure_ascii=False) if rest else ""


def _shown(name: str, value: Any) -> Any:
    if is_secret(name):
        return "(secret)"
    return value if isinstance(value, int) else _brief(value)


def is_secret(name: str) -> bool:
    """Whether an argument is not to be told, by its name."""
    return any(word in name for word in _SECRET)


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MOST_DETAIL else f"{text[: MOST_DETAIL - 20]}... ({len(text)} characters)"
