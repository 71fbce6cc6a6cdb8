"""`connector margin`: what calls leave over their cost, and the least that they have to; `connector exchange`: what
carriers' currencies are worth.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from connector.billing import costs, exchange
from connector.cli.completing import profile_names
from connector.cli.opening import open_store
from connector.cli.output import AsJson, Company, as_dict, now, print_json, print_list, print_many, print_one
from connector.core import costs as core
from connector.core.formats import shown
from connector.core.money import percent
from connector.core.times import instant, iso
from connector.errors import BadInput

margin_app = typer.Typer(no_args_is_help=True)
exchange_app = typer.Typer(no_args_is_help=True)

Profile = Annotated[str | None, typer.Option(autocompletion=profile_names, help="Of one profile only.")]


@margin_app.command("report")
def report(
    month: Annotated[
        str | None, typer.Option(help="As in 2026-11, in the company's time zone; else the one that runs.")
    ] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """What the answered calls of a month were sold for, what they cost, and what is left, by trunk, by destination and
    by profile; what lost most comes first. Calls whose trunk has no cost deck are counted, and their cost is not known.
    """
    open_store()
    found = costs.report(month, now(), company)
    if as_json:
        print_json(as_dict(found))
        return
    total = {name: value for name, value in asdict(found.total).items() if name not in ("name", "margin_hundredths")}
    print_one({"company": found.company, "month": found.month, "currency": found.currency, **total}, as_json=False)
    for title, name, lines in (
        ("By trunk", "Trunk", found.trunks),
        ("By destination", "Destination", found.destinations),
        ("By profile", "Profile", found.profiles),
    ):
        print_many(
            title,
            (name, "Calls", "Cost known", "Sold for", "Cost", "Left", "Of the price"),
            [
                (
                    line.name,
                    str(line.calls),
                    str(line.costed),
                    shown(line.costed_price_micros, found.currency),
                    shown(line.cost_micros, found.currency),
                    shown(line.margin_micros, found.currency),
                    "-" if line.margin_hundredths is None else f"{percent(line.margin_hundredths)} %",
                )
                for line in lines
            ],
            "No call yet: 'connector rates load FILE --trunk NAME' loads a carrier's cost sheet.",
            may_shrink=(name,),
        )


@margin_app.command("floor")
def floor(
    percent: Annotated[
        str | None, typer.Option(help="The least part of the price, as in 12.5. 0 refuses what is sold below cost.")
    ] = None,
    per_minute: Annotated[
        str | None, typer.Option(help="The least amount a minute, in the company's currency, as in 0.002.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the floor away.")] = False,
    profile: Profile = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Show or set what a call has to leave over its cost, for a company or for one profile. A trunk that costs more is
    not tried; if none is left the call is refused. It is judged by a call of a minute.
    """
    open_store()
    wanted = percent is not None or per_minute is not None
    if remove and wanted:
        raise BadInput("say either what the floor is, or --remove")
    if remove:
        costs.remove_floor(company, profile)
    elif wanted:
        print_one(as_dict(costs.set_floor(percent, per_minute, company, profile)), as_json)
        return
    print_list(
        costs.list_floors(company, profile),
        as_json,
        "Margin floors",
        ("Company", "Profile", "Percent", "A minute"),
        lambda view: (view.company, view.profile or "all", view.percent, shown(view.per_minute_micros, view.currency)),
        "None: calls are carried whatever they cost.",
        may_shrink=("Company", "Profile"),
    )


@exchange_app.command("set")
def exchange_set(
    currency: Annotated[str, typer.Argument(help="The carrier's currency, as in USD.")],
    target: Annotated[str, typer.Argument(help="The company's, as in GBP.")],
    rate: Annotated[str, typer.Argument(help="What one of the first is worth in the second, as in 0.7893.")],
    since: Annotated[
        str | None, typer.Option("--from", help="From when on, in UTC: 2026-12-01 or 2026-12-01T10:00. Else now.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a currency is worth. Calls that were answered before keep the rate that they had."""
    open_store()
    from_at = None if since is None else instant(since, "UTC")
    print_one(as_dict(exchange.set_rate(currency.upper(), target.upper(), rate, now(), from_at)), as_json)


@exchange_app.command("list")
def exchange_list(as_json: AsJson = False) -> None:
    """All exchange rates, the newest of each pair first."""
    open_store()
    print_list(
        exchange.list_rates(),
        as_json,
        "Exchange rates (times are UTC)",
        ("One", "Is worth", "From"),
        lambda view: (
            view.currency,
            f"{core.ratio_text(view.numerator, view.denominator)} {view.target}",
            iso(view.from_at) or "",
        ),
        "None: 'connector exchange set USD GBP 0.79' sets one.",
    )
