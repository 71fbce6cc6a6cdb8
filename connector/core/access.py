"""Who may do what: permissions, the roles that have them, and the one rule by which an act on an object is allowed.

A user is of a company, or of the house: who runs this installation, and sees every company. A token is a user's, and
may do no more than its scopes and its user may. What belongs to somebody else is not there for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from connector.errors import BadInput, Forbidden, NotFound

# Every permission there is; a scope of a token is one of them.
PERMISSIONS = {
    "company.read": "see the company, its notices and what its nodes do",
    "profiles.read": "see profiles, their limits and how their PBX connects",
    "profiles.write": "create, rename, change and suspend profiles",
    "profiles.secret": "make new passwords for PBXs",
    "numbers.read": "see numbers, accounts, routes, hours, departments and mailboxes",
    "numbers.write": "attach and route numbers and accounts, change hours, departments and mailboxes",
    "messages.read": "hear voice mail messages, and delete them",
    "calls.read": "see live calls, the call history and why calls were refused",
    "calls.end": "hang up",
    "money.read": "see balances, credit, subscriptions, prices and the ledger",
    "alerts.write": "say where notices are sent",
    "money.move": "add and take back credit, buy, change and cancel, delete profiles",
    "trunks.read": "see trunks and whether they can be reached",
    "users.read": "see who may sign in, and their tokens",
    "users.write": "let people in and out, and give them roles",
    "audit.read": "see who did what",
    "companies.write": "create companies",
    "money.bring": "note money that came in from outside, and set prices",
    "rates.write": "load rate decks, and price service numbers",
    "stock.write": "put numbers up for sale, and verify those that are elsewhere",
    "trunks.write": "create, change and remove trunks",
    "costs.read": "see what carriers cost, and the margin of calls",
}
# These are for the house's users alone: what a company's own people could do with them is at others' cost.
HOUSE = frozenset(("companies.write", "money.bring", "rates.write", "stock.write", "trunks.write", "costs.read"))

_MEMBER = frozenset(("profiles.read", "numbers.read", "calls.read", "money.read"))
_VIEWER = _MEMBER | {"company.read", "trunks.read"}
_OPERATOR = _VIEWER | {"profiles.write", "profiles.secret", "numbers.write", "messages.read", "calls.end",
                      "alerts.write", "audit.read"}  # fmt: skip
_FINANCE = _VIEWER | {"money.move", "audit.read"}
# What a role may within its company, and what it may besides if its user is the house's.
ROLES: dict[str, frozenset[str]] = {
    "owner": frozenset(PERMISSIONS) - HOUSE,
    "finance": _FINANCE,
    "operator": _OPERATOR,
    "viewer": _VIEWER,
    "member": _MEMBER,
}
_HOUSE_ROLES: dict[str, frozenset[str]] = {
    "owner": HOUSE,
    "finance": frozenset(("money.bring", "costs.read")),
    "operator": frozenset(("rates.write", "stock.write", "trunks.write", "costs.read")),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose objects an actor sees: of one `company`, or of all for None; of one `profile` of it, or of all."""

    company: int | None = None
    profile: int | None = None


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who does something: `name` is for the audit log. `user` is None for the command line, which may all."""

    name: str
    scope: Scope
    permissions: frozenset[str]
    user: int | None = None
    token: int | None = None

    @property
    def sees_costs(self) -> bool:
        """Whether this actor is shown what carriers cost."""
        return "costs.read" in self.permissions


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an object is: a company's, or with `profile` that profile's of it; with neither it is the house's."""

    company: int | None = None
    profile: int | None = None


def narrowed(scope: Scope, company: int | None) -> Scope:
    """A scope, narrowed to one company. NotFound if it does not reach there."""
    if company is None or company == scope.company:
        return scope
    if scope.company is not None:
        raise NotFound("there is no company {company}", company=company)
    return Scope(company)


def permissions_of(role: str, *, of_house: bool) -> frozenset[str]:
    """What a role may; KeyError if there is none such."""
    return ROLES[role] | (_HOUSE_ROLES.get(role, frozenset()) if of_house else frozenset())


def check(actor: Actor, permission: str | None, owner: Owner | None, what: str) -> None:
    """The one place that decides. NotFound for what is somebody else's, Forbidden for what this actor may not do.

    `permission` is None for what everybody may who is signed in, `owner` for what is nobody's. `what` names the object,
    in the words that it was asked for by.
    """
    scope = actor.scope
    if owner is not None and scope.company is not None:
        if owner.company != scope.company or (scope.profile and owner.profile not in (None, scope.profile)):
            raise NotFound("there is no {what}", what=what)
        if scope.profile and owner.profile is None:
            raise Forbidden("You can see one profile only, and this belongs to the whole company.")
    if permission is not None:
        require(actor, permission)


def require(actor: Actor, *permissions: str) -> None:
    """Forbidden unless an actor has each of these permissions."""
    for permission in permissions:
        if permission not in actor.permissions:
            raise Forbidden(
                "You are not allowed to do this. It requires the permission {permission}.", permission=permission
            )


def check_calls_told(actor: Actor) -> None:
    """Events of calls tell who called whom, and prices: only an actor that can read these can have them sent.
    Forbidden.
    """
    require(actor, "calls.read", "money.read")


def check_grant(actor: Actor, role: str, *, of_house: bool) -> None:
    """Nobody makes somebody who may more than they may themselves. Forbidden; BadInput if there is no such role."""
    if role not in ROLES:
        raise BadInput("Invalid role {role!r}. Use one of: {roles}.", role=role, roles=", ".join(ROLES))
    if not permissions_of(role, of_house=of_house) <= actor.permissions:
        raise Forbidden(
            "You are not allowed to do this. The role {role} has more permissions than you have here.", role=role
        )


def checked_role(role: str, company: int | None, profile: int | None) -> str:
    """A role as it was given. BadInput if there is none such, or it does not go with whose user it is."""
    if role not in ROLES:
        raise BadInput("Invalid role {role!r}. Use one of: {roles}.", role=role, roles=", ".join(ROLES))
    if (role == "member") != (profile is not None):
        raise BadInput(
            "The role member needs a profile, and other roles cannot have one. Name a profile for a member only."
        )
    if profile is not None and company is None:
        raise BadInput("A member belongs to the company that has the profile.")
    return role


def checked_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes of a token, sorted. BadInput if one is no permission, or there is none."""
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in PERMISSIONS]
    if unknown:
        raise BadInput(
            "Invalid scope {unknown!r}. Use one of: {permissions}.",
            unknown=unknown[0],
            permissions=", ".join(PERMISSIONS),
        )
    if not wanted:
        raise BadInput("a token has one scope at least")
    return tuple(wanted)
