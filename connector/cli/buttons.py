"""`connector button`: links by which a visitor's browser calls an account."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from connector.billing import buttons
from connector.billing.buttons import USUAL_MOST, ButtonView
from connector.cli.output import (
    AsJson,
    Company,
    as_dict,
    now,
    open_store,
    print_list,
    print_one,
    scope_of,
    settings,
)
from connector.core import buttons as core
from connector.core.paging import every

app = typer.Typer(no_args_is_help=True, help="Call buttons: a visitor's browser calls an account, for free.")

Most = Annotated[int, typer.Option(help="So many visitors call by it at once.")]


@app.command("create")
def button_create(
    name: Annotated[str, typer.Argument(help="Where it is to be: the PBX shows it as who calls.")],
    account: Annotated[str, typer.Option(help="The account that it calls.")],
    most: Most = USUAL_MOST,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Make one, and show its link and its HTML."""
    open_store()
    print_one(_placed(buttons.create(name, account, most, now(), company)), as_json)


@app.command("show")
def button_show(name: str, company: Company = None, as_json: AsJson = False) -> None:
    """One, with its link and its HTML for web pages and e-mails."""
    open_store()
    print_one(_placed(buttons.named(name, company)), as_json)


@app.command("change")
def button_change(
    name: str,
    most: Annotated[int, typer.Option(help="So many visitors call by it at once.")],
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


def _placed(view: ButtonView) -> dict[str, Any]:
    url = settings().web.url
    return {**as_dict(view), "link": core.link(url, view.token), "html": core.html(url, view.token, view.company)}
