"""API tokens: for programs, in a user's name. A token may do what its scopes and its user's role both allow."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

from connector.core.access import Actor, Scope, checked_scopes
from connector.core.paging import Page, Turn, page
from connector.database.audit import audited
from connector.database.models import ApiToken, User
from connector.database.store import lock, reading, run, writing
from connector.errors import BadInput, NotFound
from connector.people import users
from connector.people.users import hashed

# So that a scanner for secrets knows one when it sees it.
PREFIX = "conn_"
MOST_NAME = 60
MOST_DAYS = 3660
DAY_MS = 24 * 3_600_000
MOST_TOKENS = 100
USED_EVERY_MS = 60_000


@dataclass(frozen=True)
class TokenView:
    """An API token, without its secret. `expires_at` None: never."""

    id: int
    user: str
    name: str
    scopes: list[str]
    created_at: int
    expires_at: int | None
    used_at: int | None
    revoked_at: int | None


@dataclass(frozen=True)
class IssuedToken:
    """A new token: `secret` is shown now, and never again."""

    token: TokenView
    secret: str


@audited("token.create")
def create(user: int, name: str, scopes: tuple[str, ...], days: int | None, now: int) -> IssuedToken:
    """A token for a program, for so many days, None for ever. BadInput if a figure is unfit; NotFound."""
    wanted = checked_scopes(scopes)
    if not name.strip() or len(name) > MOST_NAME or not name.isprintable():
        raise BadInput("a token's name has 1 to {most_name} printable characters", most_name=MOST_NAME)
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise BadInput("A token can be valid for 1 to {most_days} days.", most_days=MOST_DAYS)
    secret = PREFIX + secrets.token_urlsafe(32)
    with writing():
        lock("id = (SELECT company_id FROM users WHERE id = ?)", user)
        row = User.get_or_none((User.id == user) & User.disabled_at.is_null())
        if row is None:
            raise NotFound("there is no user {user}", user=user)
        if row.email == users.PAGE_VIEWER:
            raise BadInput("the token of connector.toml makes no other tokens")
        alive = ApiToken.select().where((ApiToken.user == user) & ApiToken.revoked_at.is_null()).count()
        if alive >= MOST_TOKENS:
            raise BadInput("{email} has {alive} tokens. Revoke some first.", email=row.email, alive=alive)
        made = ApiToken.create(
            user=user,
            name=name.strip(),
            scopes=" ".join(wanted),
            hashed=hashed(secret),
            created_at=now,
            expires_at=None if days is None else now + days * DAY_MS,
        )
        return IssuedToken(_view(made), secret)


@audited("token.revoke")
def revoke(token: int, user: int, now: int) -> TokenView:
    """A user's token is good no longer; again changes nothing. NotFound."""
    with writing():
        lock("id = (SELECT company_id FROM users WHERE id = ?)", user)
        row = ApiToken.get_or_none((ApiToken.id == token) & (ApiToken.user == user))
        if row is None:
            raise NotFound("there is no token {token}", token=token)
        ApiToken.update(revoked_at=now).where((ApiToken.id == token) & ApiToken.revoked_at.is_null()).execute()
        return _view(ApiToken.get_by_id(token))


def page_of(scope: Scope, user: int | None, wanted: Turn) -> Page[TokenView]:
    """Tokens, oldest first: a user's, or all that the scope sees."""
    with reading():
        found = ApiToken.select(ApiToken, User).join(User).order_by(ApiToken.id).limit(wanted.limit + 1)
        if scope.company is not None:
            found = found.where(User.company == scope.company)
        if user is not None:
            found = found.where(ApiToken.user == user)
        if wanted.after is not None:
            found = found.where(ApiToken.id > wanted.after[0])
        return page([_view(row) for row in found], wanted, lambda view: (view.id,))


def find(secret: str, now: int) -> tuple[Actor, bool] | None:
    """Who acts by a token, and whether its use is to be noted; None if it is none that is good."""
    with reading():
        rows = ApiToken.select(ApiToken, User).join(User)
        row: Any = rows.where((ApiToken.hashed == hashed(secret)) & ApiToken.revoked_at.is_null()).get_or_none()
        if row is None or row.user.disabled_at is not None:
            return None
        if row.expires_at is not None and row.expires_at <= now:
            return None
        whole = users.actor(row.user)
        allowed = whole.permissions & frozenset(row.scopes.split())
        unnoted = row.used_at is None or now - row.used_at > USED_EVERY_MS
        return replace(whole, name=f"{whole.name} ({row.name})", permissions=allowed, token=row.id), unnoted


def used(token: int, now: int) -> None:
    """Somebody used it."""
    with writing():
        run("UPDATE api_token SET used_at = ? WHERE id = ?", now, token)


def _view(row: Any) -> TokenView:
    return TokenView(
        row.id,
        row.user.email,
        row.name,
        row.scopes.split(),
        row.created_at,
        row.expires_at,
        row.used_at,
        row.revoked_at,
    )
