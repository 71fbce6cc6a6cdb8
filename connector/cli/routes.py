"""`connector route`, `account`, `department` and `hours`: where calls in ring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from connector.billing import trials
from connector.cli.completing import Profile, profile_names
from connector.cli.opening import open_store
from connector.cli.output import (
    AsJson,
    Company,
    as_dict,
    console,
    now,
    plain,
    print_json,
    print_list,
    print_many,
    print_one,
    read_file,
)
from connector.routing import routes

route_app = typer.Typer(no_args_is_help=True)
account_app = typer.Typer(no_args_is_help=True)
department_app = typer.Typer(no_args_is_help=True)
hours_app = typer.Typer(no_args_is_help=True)

MOST_BYTES = 100_000
At = Annotated[str | None, typer.Option(help="When: 2026-12-25T10:00, by the company's clock. Now, if not said.")]
RouteText = Annotated[str, typer.Argument(help="Like 'extension 101 for 20, voicemail 101'; a file by '@FILE'.")]


@route_app.command("set")
def route_set(called: str, route: RouteText, as_json: AsJson = False) -> None:
    """Have a number or account ring by a route: 'docs/routes.md' has the words."""
    open_store()
    kept = routes.set_route(called, _text(route))
    print_one({"called": called, "route": kept}, as_json)


@route_app.command("test")
def route_test(called: str, at: At = None, as_json: AsJson = False) -> None:
    """The path that a call would take, without a call."""
    open_store()
    found = trials.path_of(called, now() if at is None else at)
    if as_json:
        print_json(as_dict(found))
        return
    fields = as_dict(found)
    console.print(plain(f"A call to {found.called} at {fields['at']}, profile {found.profile or '-'}"), soft_wrap=True)
    if found.why_not:
        console.print(plain(f"It would not ring. {found.why_not}"), soft_wrap=True, style="red")
    print_many(
        f"Its path, ringing within {found.path.within_s} s",
        ("Step", "The call", "Where", "Seconds", "By"),
        [(str(number), *hop.cells()) for number, hop in enumerate(found.path.hops, 1)],
        "It rings nowhere.",
        may_shrink=("By",),
    )
    for note in found.path.notes:
        console.print(plain(f"note: {note}"), soft_wrap=True)


@account_app.command("create")
def account_create(
    name: str,
    profile: Annotated[str | None, typer.Option(autocompletion=profile_names, help="Where it is attached.")] = None,
    extension: Annotated[str | None, typer.Option(help="The phone of the PBX that it rings.")] = None,
    forward: Annotated[
        str | None, typer.Option(help="Then, if unanswered: 'voicemail 101', 'account sales', 'extension 102'.")
    ] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Make an account, which rings at one profile: the PBX itself, or an extension, and then what comes after."""
    open_store()
    steps = [f"extension {extension}" if extension else "pbx", *([forward] if forward else [])]
    made = routes.create_account(name, profile, ", ".join(steps), now(), company)
    print_one(as_dict(made), as_json)


@account_app.command("attach")
def account_attach(
    name: str,
    profile: Profile,
    move: Annotated[bool, typer.Option("--move", help="Even if it is attached to another.")] = False,
    as_json: AsJson = False,
) -> None:
    """Attach an account to a profile; it is at one at a time."""
    open_store()
    print_one(as_dict(routes.attach_account(name, profile, move=move)), as_json)


@account_app.command("detach")
def account_detach(name: str, as_json: AsJson = False) -> None:
    """Nobody is rung by it then; it stays the company's."""
    open_store()
    print_one(as_dict(routes.attach_account(name, None)), as_json)


@account_app.command("remove")
def account_remove(name: str, as_json: AsJson = False) -> None:
    """Take it away."""
    open_store()
    print_one(as_dict(routes.remove_account(name)), as_json)


@account_app.command("list")
def account_list(as_json: AsJson = False) -> None:
    """All accounts."""
    open_store()
    found = routes.accounts()
    print_list(
        found,
        as_json,
        "Accounts",
        ("Name", "Company", "Profile", "Route"),
        lambda v: (v.name, v.company, v.profile or "-", v.route.replace("\n", "; ")),
        "No account yet: 'connector account create NAME --profile P --extension 101' makes one.",
        may_shrink=("Route", "Company"),
    )


def _add_named(app: typer.Typer, kind: str, what: str, save: Callable[..., routes.NamedView]) -> None:
    """`set`, `list` and `remove`, for departments and hours."""

    @app.command("set", help=f"Say its {what}, or say it anew.")
    def said(name: str, text: str, company: Company = None, as_json: AsJson = False) -> None:
        """Keep it under its name."""
        open_store()
        print_one(as_dict(save(name, _text(text), company)), as_json)

    @app.command("list", help="All of them.")
    def listed(as_json: AsJson = False) -> None:
        """Every name."""
        open_store()
        found = routes.named(kind)
        print_list(
            found,
            as_json,
            f"All {kind}",
            ("Name", "Company", what.capitalize()),
            lambda view: (view.name, view.company, view.text.replace("\n", "; ")),
            f"None yet: 'connector {kind} set NAME TEXT' makes one.",
            may_shrink=(what.capitalize(),),
        )

    @app.command("remove", help="Forget it; not while a route needs it.")
    def removed(name: str, company: Company = None) -> None:
        """Forget a name."""
        open_store()
        routes.remove_named(kind, name, company)
        console.print(plain(f"{name} is forgotten"))


def _text(given: str) -> str:
    return read_file(Path(given[1:]), MOST_BYTES) if given.startswith("@") else given


_add_named(department_app, "department", "route", routes.set_department)
_add_named(hours_app, "hours", "periods", routes.set_hours)
