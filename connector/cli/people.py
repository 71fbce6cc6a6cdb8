"""`connector user`, `token` and `audit`: who may sign in, programs' tokens, and who did what."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli import opening
from connector.cli.opening import open_store
from connector.cli.output import AsJson, Company, Id, as_dict, now, print_json, print_list, print_many, print_one
from connector.core.access import EVERYTHING, PERMISSIONS, ROLES
from connector.core.paging import MOST_ROWS, Turn, every
from connector.core.times import iso
from connector.database import audit
from connector.errors import BadInput
from connector.people import tokens, users

user_app = typer.Typer(no_args_is_help=True)
token_app = typer.Typer(no_args_is_help=True)
audit_app = typer.Typer(no_args_is_help=True)

Role = Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")]
Member = Annotated[str | None, typer.Option(help="The profile that a member sees.")]


@user_app.command("create")
def user_create(
    email: str,
    role: Role = "owner",
    name: Annotated[str, typer.Option(help="What they are called.")] = "",
    company: Annotated[str | None, typer.Option(help="Whose user it is; without it one of the house.")] = None,
    profile: Member = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody in: prints the link by which they sign in first. Without --company they see every company."""
    open_store()
    made = users.create(email, name, role, now(), company, profile)
    _print_link(made, as_json)


@user_app.command("link")
def user_link(email: str, as_json: AsJson = False) -> None:
    """A new link, for who lost the first one, or the password. It is good once, for a day."""
    open_store()
    _print_link(users.by_email(email).id, as_json)


@user_app.command("list")
def user_list(as_json: AsJson = False) -> None:
    """Everybody who may sign in."""
    open_store()
    found = every(lambda turn: users.page_of(EVERYTHING, turn), "s")
    print_list(
        found,
        as_json,
        "Users",
        ("E-mail", "Name", "Role", "Company", "Profile", "State"),
        lambda v: (v.email, v.name, v.role, v.company or "(all)", v.profile or "-", _state(v)),
        "Nobody may sign in yet: 'connector user create ADDRESS' lets somebody in.",
        may_shrink=("Name", "Company", "E-mail"),
    )


@user_app.command("show")
def user_show(email: str, as_json: AsJson = False) -> None:
    """One user."""
    open_store()
    print_one(as_dict(users.by_email(email)), as_json)


@user_app.command("change")
def user_change(
    email: str,
    role: Annotated[str | None, typer.Option(help=f"One of {', '.join(ROLES)}.")] = None,
    name: Annotated[str | None, typer.Option(help="What they are called.")] = None,
    profile: Member = None,
    as_json: AsJson = False,
) -> None:
    """Another role or name; with another role their sessions end."""
    open_store()
    print_one(as_dict(users.change(users.by_email(email).id, name, role, profile, now=now())), as_json)


@user_app.command("disable")
def user_disable(email: str, as_json: AsJson = False) -> None:
    """Let them in no more: sessions and tokens end now."""
    open_store()
    print_one(as_dict(users.disable(users.by_email(email).id, now())), as_json)


@user_app.command("enable")
def user_enable(email: str, as_json: AsJson = False) -> None:
    """Let them in again."""
    open_store()
    print_one(as_dict(users.enable(users.by_email(email).id)), as_json)


@user_app.command("forget-code")
def user_forget_code(email: str, as_json: AsJson = False) -> None:
    """Ask them for no code any more: for who lost the telephone that made it."""
    open_store()
    user = users.by_email(email).id
    users.set_totp(user, None)
    print_one(as_dict(users.show(user)), as_json)


@token_app.command("create")
def token_create(
    email: str,
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[str] | None, typer.Option(help="What it may: one of 'token scopes'; 'all'.")] = None,
    days: Annotated[int | None, typer.Option(help="For how long; without it for ever.")] = None,
    as_json: AsJson = False,
) -> None:
    """A token in a user's name: it is shown now, and never again. It may do no more than the user."""
    if not scope:
        raise BadInput("say what it may: --scope profiles.read --scope calls.read, or --scope all")
    open_store()
    wanted = tuple(PERMISSIONS) if "all" in scope else tuple(scope)
    made = tokens.create(users.by_email(email).id, name, wanted, days, now())
    print_one({**as_dict(made.token), "secret": made.secret}, as_json)


@token_app.command("list")
def token_list(as_json: AsJson = False) -> None:
    """All tokens."""
    open_store()
    found = every(lambda turn: tokens.page_of(EVERYTHING, None, turn), "i")
    print_list(
        found,
        as_json,
        "Tokens",
        ("ID", "User", "Name", "Used", "Good until", "Scopes"),
        lambda v: (
            str(v.id),
            v.user,
            v.name,
            (iso(v.used_at) or "never")[:16],
            "revoked" if v.revoked_at else (iso(v.expires_at) or "for ever")[:16],
            " ".join(v.scopes) if len(v.scopes) < len(PERMISSIONS) else "all",
        ),
        "No token yet: 'connector token create ADDRESS --name NAME --scope all' makes one.",
        may_shrink=("Scopes", "Name", "User"),
    )


@token_app.command("revoke")
def token_revoke(email: str, token: Id, as_json: AsJson = False) -> None:
    """It is good no longer."""
    open_store()
    print_one(as_dict(tokens.revoke(token, users.by_email(email).id, now())), as_json)


@token_app.command("scopes")
def token_scopes(as_json: AsJson = False) -> None:
    """What a token may be allowed to do."""
    if as_json:
        print_json(PERMISSIONS)
        return
    print_many("Scopes", ("Scope", "A token may"), list(PERMISSIONS.items()), "", may_shrink=("A token may",))


@audit_app.command("list")
def audit_list(
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="How many, newest first.")] = 50,
    actor: Annotated[str | None, typer.Option(help="By whom.")] = None,
    action: Annotated[str | None, typer.Option(help="Which, by its beginning: profile, credit.add.")] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Who did what, by the command line, the web pages and the REST API."""
    open_store()
    found = audit.page_of(opening.scope_of(company), Turn(None, limit), actor, action).items
    print_list(
        found,
        as_json,
        "Audit",
        ("When", "Who", "What", "To what", "Details", "From"),
        lambda v: ((iso(v.at) or "")[:19], v.actor, v.action, v.subject, v.detail, v.address),
        "Nobody has changed anything yet.",
        may_shrink=("Details", "To what", "Who"),
    )


def _print_link(user: int, as_json: bool) -> None:
    found = opening.settings().web
    secret = users.link(user, now())
    view = users.show(user)
    print_one({**as_dict(view), "link": f"{found.url}/welcome?link={secret}"}, as_json)


def _state(view: users.UserView) -> str:
    if view.disabled_at is not None:
        return "disabled"
    return "active" if view.ready else "invited"
