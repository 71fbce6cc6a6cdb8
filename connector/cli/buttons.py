"""`connector button`: links by which a visitor's browser calls an account."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from connector.cli.opening import open_store, scope_of, settings
from connector.cli.output import AsJson, Company, as_dict, now, print_list, print_one
from connector.core import buttons as core
from connector.core.paging import every
from connector.routing import buttons
from connector.routing.buttons import USUAL_MOST, ButtonView

app = typer.Typer(no_args_is_help=True)

Most = Annotated[int, typer.Option(help="So many visitors call by it at once.")]


@app.command("create")
def button_create(
    name: Annotated[str, typer.Argument(help="Where it is to be: the PBX shows it as who calls.")],
    account: Annotated[str, typer.Option(help="The account that it calls.")],
    most: Most = USUAL_MOST,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Make one, and show its link; `show --html` prints what is copied into a page."""
    open_store()
    _print(buttons.create(name, account, most, now(), company), as_json)


@app.command("show")
def button_show(
    name: str,
    company: Company = None,
    html: Annotated[bool, typer.Option("--html", help="Print its HTML, for a web page or an e-mail.")] = False,
    as_json: AsJson = False,
) -> None:
    """One, with its link."""
    open_store()
    view = buttons.named(name, company)
    if html:
        sys.stdout.write(core.html(settings().web.url, view.token, view.company) + "\n")
        return
    _print(view, as_json)


@app.command("change")
def button_change(
    name: str,
    most: Most,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Let more or fewer visitors call at once."""
    open_store()
    print_one(as_dict(buttons.change(buttons.named(name, company).id, most)), as_json)


@app.command("remove")
def button_remove(name: str, company: Company = None, as_json: AsJson = False) -> None:
    """Take it away: its link leads nowhere then."""
    open_store()
    print_one(as_dict(buttons.remove(buttons.named(name, company).id)), as_json)


@app.command("list")
def button_list(company: Company = None, as_json: AsJson = False) -> None:
    """All of them."""
    open_store()
    found = every(lambda each: buttons.page_of(scope_of(company), each), "i")
    print_list(
        found,
        as_json,
        "Call buttons",
        ("Name", "Company", "Account", "Profile", "At once"),
        lambda v: (v.name, v.company, v.account, v.profile or "-", str(v.most)),
        "No call button yet: 'connector button create NAME --account A' makes one.",
        may_shrink=("Name", "Company"),
    )


def _print(view: ButtonView, as_json: bool) -> None:
    url = settings().web.url
    html = {"html": core.html(url, view.token, view.company)} if as_json else {}
    print_one({**as_dict(view), "link": core.link(url, view.token), **html}, as_json)
