"""Users, their API tokens, and what everybody did."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from connector.core.access import EVERYTHING, ROLES, check_grant
from connector.core.paging import Page, turn
from connector.database import audit
from connector.database.audit import AuditView
from connector.errors import BadInput, Forbidden
from connector.people import tokens, users
from connector.people.tokens import TokenView
from connector.people.users import UserView
from connector.web.endpoint import Ask, Endpoints, Paged, Shape, Word

api = Endpoints("People")

Role = Literal["owner", "finance", "operator", "viewer", "member"]
assert set(ROLES) == set(Role.__args__)  # type: ignore[attr-defined]


class NewUser(Shape):
    """A new user. `profile`: the user name of the profile that a member sees. `house`: a user of the platform, with
    access to every company; only its owners create such users.
    """

    email: Word
    name: Word = ""
    role: Role
    profile: Word | None = None
    company: Annotated[int | None, Field(ge=1, lt=2**31)] = None
    house: bool = False


class UserChange(Shape):
    """What is not said stays."""

    name: Word | None = None
    role: Role | None = None
    profile: Word | None = None


class UserAllowed(Shape):
    """Whether they may sign in."""

    allowed: bool


class Me(Shape):
    """Who you are here, and what you may."""

    user: UserView
    permissions: list[str]


class Link(Shape):
    """What stands behind `/welcome?link=` of the page: good once, for a day."""

    link: str


class AuditAsked(Paged):
    """`actor` by the whole name, `action` by its beginning."""

    actor: Word | None = None
    action: Word | None = None


@api.get("/me", None)
def show_me(ask: Ask) -> Me:
    """Who you are here."""
    return Me(user=users.show(ask.actor.user or 0), permissions=sorted(ask.actor.permissions))


@api.get("/users", "users.read")
def list_users(ask: Ask, query: Paged) -> Page[UserView]:
    """Who may sign in."""
    return users.page_of(ask.scope, turn(query.cursor, query.limit, "s"))


@api.post("/users", "users.write", status=201)
def create_user(ask: Ask, body: NewUser) -> UserView:
    """Let somebody in; a link for their first sign-in is made next."""
    if body.house and (ask.actor.scope.company is not None or body.company is not None):
        raise BadInput("Only the platform's owners create users of the platform, and these belong to no company.")
    check_grant(ask.actor, body.role, of_house=body.house)
    company = None if body.house else ask.company_named(body.company)
    made = users.create(body.email, body.name, body.role, ask.now, company, ask.mine("profile", body.profile))
    return users.show(made)


@api.get("/users/{user}", "users.read")
def show_user(ask: Ask) -> UserView:
    """One user."""
    return users.show(int(ask.path["user"]))


@api.patch("/users/{user}", "users.write")
def change_user(ask: Ask, body: UserChange) -> UserView:
    """Give somebody another name or role; with another role their sessions end."""
    _may_grant(ask, body.role)
    return users.change(int(ask.path["user"]), body.name, body.role, ask.mine("profile", body.profile), now=ask.now)


@api.put("/users/{user}/access", "users.write")
def allow_user(ask: Ask, body: UserAllowed) -> UserView:
    """Let somebody in no more, or again; no more ends their sessions and tokens."""
    user = int(ask.path["user"])
    _may_grant(ask)
    return users.enable(user) if body.allowed else users.disable(user, ask.now)


@api.post("/users/{user}/link", "users.write", status=201)
def make_link(ask: Ask) -> Link:
    """A link that lets somebody in once, to choose a password."""
    _may_grant(ask)
    return Link(link=users.link(int(ask.path["user"]), ask.now))


def _may_grant(ask: Ask, role: str | None = None) -> None:
    """Nobody makes somebody of a user, or acts for one, who may more than they may themselves."""
    found = users.show(int(ask.path["user"]))
    for each in filter(None, (found.role, role)):
        check_grant(ask.actor, each, of_house=found.company is None)


@api.get("/users/{user}/tokens", "users.read")
def list_user_tokens(ask: Ask, query: Paged) -> Page[TokenView]:
    """Somebody's API tokens."""
    return tokens.page_of(ask.scope, int(ask.path["user"]), turn(query.cursor, query.limit, "i"))


@api.delete("/users/{user}/tokens/{token}", "users.write")
def revoke_user_token(ask: Ask) -> TokenView:
    """Revoke somebody's API token."""
    return tokens.revoke(ask.number("token"), int(ask.path["user"]), ask.now)


@api.get("/tokens", None)
def list_tokens(ask: Ask, query: Paged) -> Page[TokenView]:
    """Your own API tokens; who asks by one sees that one."""
    found = tokens.page_of(EVERYTHING, ask.actor.user or 0, turn(query.cursor, query.limit, "i"))
    own = ask.actor.token
    return found if own is None else replace(found, items=[view for view in found.items if view.id == own])


@api.delete("/tokens/{token}", None)
def revoke_token(ask: Ask) -> TokenView:
    """Revoke an API token of yours; who asks by one may end that one."""
    if ask.actor.token not in (None, ask.number("token")):
        raise Forbidden("A token can revoke only itself.")
    return tokens.revoke(ask.number("token"), ask.actor.user or 0, ask.now)


@api.get("/audit", "audit.read")
def list_audit(ask: Ask, query: AuditAsked) -> Page[AuditView]:
    """Who did what, newest first."""
    return audit.page_of(ask.scope, turn(query.cursor, query.limit, "i"), query.actor, query.action)
