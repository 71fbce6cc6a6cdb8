"""`connector notices`, `threshold` and `webhook`: what people were told, of what besides, and where it is sent."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.billing import thresholds
from connector.cli.opening import open_store, scope_of
from connector.cli.output import AsJson, Company, Id, as_dict, now, print_list, print_one
from connector.core.alerts import THRESHOLDS
from connector.core.paging import MOST_ROWS, Turn
from connector.core.times import iso
from connector.notices import notices, webhooks

notices_app = typer.Typer()
webhook_app = typer.Typer(no_args_is_help=True)
threshold_app = typer.Typer(no_args_is_help=True)

Limit = Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="How many, newest first.")]


@notices_app.command("notices")
def notice_list(limit: Limit = 50, company: Company = None, as_json: AsJson = False) -> None:
    """What the people of a company were told."""
    open_store()
    found = notices.page_of(scope_of(company), Turn(None, limit)).items
    print_list(
        found,
        as_json,
        "Notices",
        ("When", "Company", "What", "In words"),
        lambda v: ((iso(v.at) or "")[:19], v.company, v.kind, v.text),
        "Nothing was told yet.",
        may_shrink=("In words", "Company"),
    )


@webhook_app.command("create")
def webhook_create(
    url: str,
    notices: Annotated[bool, typer.Option(help="Post notices.")] = True,
    calls: Annotated[bool, typer.Option(help="Post an event when a call starts, is answered, and ends.")] = False,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Have notices, events of calls, or both posted to a URL, signed by a secret: it is shown now, and never again."""
    open_store()
    made = webhooks.create(url, now(), company, told=notices, calls=calls)
    print_one({**as_dict(made.webhook), "secret": made.secret}, as_json)


@webhook_app.command("list")
def webhook_list(company: Company = None, as_json: AsJson = False) -> None:
    """Where notices and events of calls are posted to."""
    open_store()
    found = webhooks.views(scope_of(company))
    print_list(
        found,
        as_json,
        "Webhooks",
        ("ID", "Company", "URL", "Posts", "Since", "Waiting"),
        lambda v: (
            str(v.id),
            v.company,
            v.url,
            ", ".join(what for what, wanted in (("notices", v.notices), ("calls", v.calls)) if wanted),
            (iso(v.created_at) or "")[:10],
            f"{v.waiting}: {v.why}" if v.why else str(v.waiting),
        ),
        "None.",
        may_shrink=("Waiting", "URL", "Company"),
    )


@webhook_app.command("change")
def webhook_change(
    webhook: Id,
    notices: Annotated[bool | None, typer.Option(help="Post notices.")] = None,
    calls: Annotated[bool | None, typer.Option(help="Post events of calls.")] = None,
    as_json: AsJson = False,
) -> None:
    """Post other things there from now on; what is not said stays."""
    open_store()
    print_one(as_dict(webhooks.change(webhook, now(), told=notices, calls=calls)), as_json)


@webhook_app.command("test")
def webhook_test(webhook: Id, as_json: AsJson = False) -> None:
    """Post a notice there that says that it is a test."""
    open_store()
    print_one(as_dict(webhooks.test(webhook, now())), as_json)


@webhook_app.command("remove")
def webhook_remove(webhook: Id, as_json: AsJson = False) -> None:
    """Post nothing more there."""
    open_store()
    print_one(as_dict(webhooks.remove(webhook)), as_json)


@webhook_app.command("deliveries")
def webhook_deliveries(limit: Limit = 50, company: Company = None, as_json: AsJson = False) -> None:
    """What was sent, by mail and by webhooks, or is to be sent."""
    open_store()
    found = webhooks.page_of(scope_of(company), Turn(None, limit)).items
    print_list(
        found,
        as_json,
        "Deliveries",
        ("When", "To", "What", "State", "Tries", "Why"),
        lambda v: ((iso(v.at) or "")[:19], v.to, v.kind, v.state, str(v.tries), v.why),
        "Nothing was sent yet.",
        may_shrink=("Why", "To"),
    )


@threshold_app.command("list")
def threshold_list(company: Company = None, as_json: AsJson = False) -> None:
    """What companies are told of besides."""
    open_store()
    print_list(
        thresholds.views(scope_of(company)),
        as_json,
        "Thresholds",
        ("ID", "Company", "Profile", "Told when"),
        lambda v: (str(v.id), v.company, v.profile or "", v.words),
        "None.",
        may_shrink=("Company",),
    )


@threshold_app.command("create")
def threshold_create(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(THRESHOLDS)}.")],
    value: Annotated[str, typer.Argument(help="An amount of money or a count; none for unregistered.")] = "",
    profile: Annotated[str | None, typer.Option(help="Of this profile; else of the whole company.")] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Have a notice when a figure passes a value: once a day."""
    limit = thresholds.limit_of(kind, value)
    open_store()
    print_one(as_dict(thresholds.create(kind, limit, company, profile, now())), as_json)


@threshold_app.command("remove")
def threshold_remove(threshold: Id, as_json: AsJson = False) -> None:
    """Have none any more."""
    open_store()
    print_one(as_dict(thresholds.remove(threshold)), as_json)
