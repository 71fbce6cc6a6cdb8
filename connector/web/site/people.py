"""Users, oneself, and who did what."""

from __future__ import annotations

from typing import Any, ClassVar

from connector.billing import profiles
from connector.core.access import PERMISSIONS, ROLES, Scope, check_grant
from connector.core.paging import MOST_ROWS, Turn, turn
from connector.core.terms import term
from connector.database import audit
from connector.errors import BadInput
from connector.people import sessions, tokens, users
from connector.web.endpoint import Ask
from connector.web.render import when
from connector.web.site.frame import (
    Form,
    Line,
    NumberOrNone,
    Outcome,
    Shown,
    SitePages,
    TextOrNone,
    entry,
    following,
    tables_page,
)
from connector.words import marked, tr

pages = SitePages()

ROWS = 50
_ROLES = {
    "owner": marked("owner: everything"),
    "finance": marked("finance: money, and read access"),
    "operator": marked("operator: settings and calls, no money"),
    "viewer": marked("viewer: read access"),
    "member": marked("member: read access to one profile"),
}
_KINDS = {
    "read": marked("read access to everything that you can see"),
    "all": marked("everything that you may do"),
}


@pages.get("/people", "users.read", needs_company=False)
def people_page(ask: Ask) -> Shown:
    """Who may sign in."""
    scope = ask.actor.scope if ask.actor.scope.company is not None else Scope()
    found = users.page_of(scope, turn(ask.query.get("cursor"), ROWS, "s"))
    may = "users.write" in ask.actor.permissions
    rows: list[list[Any]] = []
    for view in found.items:
        state = tr("disabled") if view.disabled_at else tr("active") if view.ready else tr("invited")
        links = [(tr("Change"), f"/people/{view.id}"), (tr("Link"), f"/people/{view.id}/link")] if may else []
        rows.append(
            [view.email, view.name, term(view.role), view.company or tr("(all)"), view.profile or "", state, links]
        )
    heads = [tr("E-mail"), tr("Name"), tr("Role"), tr("Company"), tr("Profile"), tr("State"), ""]
    table = {"title": "", "heads": heads, "rows": rows, "empty": tr("Nobody.")}
    return tables_page(
        tr("People"),
        [table],
        actions=[(tr("Add a user"), "/people/new")] if may else [],
        following=following(found),
    )


def _profiles(ask: Ask) -> list[Line]:
    return [("", tr("none")), *profiles.names(Scope(ask.scope.company)).items()]


@pages.form("/people/new", "users.write", "Add a user", back="/people", needs_company=False)
class NewUser(Form):
    """A user, and the link for the first sign-in."""

    button: ClassVar[str] = "Add"
    email: str = entry("E-mail address", kind="email")
    name: str = entry("Name", "")
    role: str = entry("Role", "viewer", choices=list(_ROLES.items()))
    profile: TextOrNone = entry("Profile that a member sees", None)
    house: bool = entry("For every company (only the platform's owners can do this)", False, kind="check")

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The company's profiles."""
        return {"profile": _profiles(ask)}

    def do(self, ask: Ask) -> Outcome:
        """Create, and make the link."""
        if self.house and ask.actor.scope.company is not None:
            raise BadInput("Only the platform's owners create users of the platform.")
        if not self.house and ask.company is None:
            raise BadInput("Choose a company first, or let them in for every company.")
        check_grant(ask.actor, self.role, of_house=self.house)
        company = None if self.house else ask.company
        made = users.create(self.email, self.name, self.role, ask.now, company, ask.mine("profile", self.profile))
        link = users.link(made, ask.now)
        return Outcome(
            "/people",
            tr("{email} may sign in", email=self.email),
            ((tr("Link, for a day"), f"{ask.place.url}/welcome?link={link}"),),
        )


@pages.form("/people/{user}", "users.write", "Change a user", back="/people", needs_company=False)
class ChangeUser(Form):
    """Another role, or no access."""

    name: str = entry("Name", "")
    role: str = entry("Role", choices=list(_ROLES.items()))
    profile: TextOrNone = entry("Profile that a member sees", None)
    allowed: bool = entry("May sign in", False, kind="check")

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The company's profiles."""
        return {"profile": _profiles(ask)}

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """What they are."""
        found = users.show(ask.number("user"))
        return {
            "name": found.name,
            "role": found.role,
            "profile": found.profile or "",
            "allowed": found.disabled_at is None,
        }

    def do(self, ask: Ask) -> Outcome:
        """Change."""
        user = ask.number("user")
        before = users.show(user)
        check_grant(ask.actor, before.role, of_house=before.company is None)
        check_grant(ask.actor, self.role, of_house=before.company is None)
        role = self.role if (self.role, self.profile) != (before.role, before.profile) else None
        if role is not None and role not in ROLES:
            raise BadInput("there is no such role")
        users.change(user, self.name, role, ask.mine("profile", self.profile), now=ask.now)
        if self.allowed and before.disabled_at is not None:
            users.enable(user)
        if not self.allowed and before.disabled_at is None:
            users.disable(user, ask.now)
        return Outcome("/people", tr("{email} is changed", email=before.email))


@pages.form("/people/{user}/link", "users.write", "Make a sign-in link", back="/people", needs_company=False)
class MakeLink(Form):
    """For who lost the link or the password."""

    button: ClassVar[str] = "Make a link"
    warning: ClassVar[str] = "The link signs in anyone who opens it. It works once, for one day."

    def do(self, ask: Ask) -> Outcome:
        """Make it."""
        user = users.show(ask.number("user"))
        check_grant(ask.actor, user.role, of_house=user.company is None)
        link = users.link(user.id, ask.now)
        return Outcome("/people", tr("The link"), ((tr("Link, for a day"), f"{ask.place.url}/welcome?link={link}"),))


@pages.get("/me", None, needs_company=False)
def me_page(ask: Ask) -> Shown:
    """Oneself."""
    user = ask.actor.user or 0
    mine = tokens.page_of(Scope(), user, Turn(None, MOST_ROWS)).items
    places = sessions.of_user(user, ask.now)
    return Shown("me.html", {"user": users.show(user), "tokens": mine, "places": places})


@pages.form("/me/sessions/{session}/end", None, "Sign out there", back="/me", needs_company=False)
class EndSession(Form):
    """That browser has to sign in again."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Sign out"

    def do(self, ask: Ask) -> Outcome:
        """End it."""
        sessions.end_other(ask.number("session"), ask.actor.user or 0)
        return Outcome("/me", tr("It is signed out there"))


@pages.form("/me/tokens/new", None, "Make an API token", back="/me", needs_company=False)
class NewToken(Form):
    """For a program, in one's own name."""

    button: ClassVar[str] = "Make"
    name: str = entry("What it is for")
    kind: str = entry("What it may do", "read", choices=list(_KINDS.items()))
    days: NumberOrNone = entry("Valid for (days)", 365, kind="number", hint="Empty: for ever.")

    def do(self, ask: Ask) -> Outcome:
        """Make it."""
        mine = ask.actor.permissions & frozenset(PERMISSIONS)
        scopes = tuple(scope for scope in mine if self.kind == "all" or scope.endswith(".read"))
        made = tokens.create(ask.actor.user or 0, self.name, scopes, self.days, ask.now)
        return Outcome("/me", tr("The token"), ((tr("Token"), made.secret),))


@pages.form("/me/tokens/{token}/revoke", None, "Revoke an API token", back="/me", needs_company=False)
class RevokeToken(Form):
    """It is good no longer."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Revoke"

    def do(self, ask: Ask) -> Outcome:
        """Revoke."""
        tokens.revoke(ask.number("token"), ask.actor.user or 0, ask.now)
        return Outcome("/me", tr("The token was revoked"))


@pages.get("/audit", "audit.read", needs_company=False)
def audit_page(ask: Ask) -> Shown:
    """Who did what."""
    found = audit.page_of(ask.scope, turn(ask.query.get("cursor"), ROWS, "i"), ask.query.get("actor"))
    zone = ask.zone
    rows = [[when(v.at, zone, "second"), v.actor, v.action, v.subject, v.detail, v.address] for v in found.items]
    heads = [tr("When"), tr("Who"), tr("What"), tr("To what"), tr("Details"), tr("From")]
    table = {"title": "", "heads": heads, "rows": rows, "empty": tr("Nobody has changed anything yet.")}
    return tables_page(tr("Audit log"), [table], following=following(found))
