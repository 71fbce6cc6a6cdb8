"""`connector channels`, `bundles` and `timemachine`: what is bought, how much is needed, and what it will cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from connector.billing import plans, traffic
from connector.cli import output
from connector.cli.completing import Profile, profile_names
from connector.cli.opening import open_store
from connector.cli.output import AsJson, as_dict, console, now, print_one
from connector.core import advice
from connector.core.formats import shown
from connector.core.mix import Mix
from connector.errors import BadInput
from connector.storage import timemachine

app = typer.Typer()
channels_app = typer.Typer(no_args_is_help=True)
bundles_app = typer.Typer(no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be charged and given back.")]
Bundles = Annotated[int | None, typer.Option(help="US minute bundles with them.")]


@channels_app.command("buy", context_settings=output.NUMBERS)
def channels_buy(profile: Profile, channels: int, bundles: Bundles = None, as_json: AsJson = False) -> None:
    """Buy channels for 30 days from now; they renew by themselves. The company's balance pays."""
    open_store()
    print_one(as_dict(plans.buy(profile, channels, bundles or 0, now())), as_json)


@channels_app.command("change", context_settings=output.NUMBERS)
def channels_change(
    profile: Profile, channels: int, bundles: Bundles = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """End the term, get its unused share back, and begin a new one with so many channels; once a day."""
    open_store()
    print_one(as_dict(plans.change(profile, channels, bundles, now(), dry_run=dry_run)), as_json)


@channels_app.command("cancel")
def channels_cancel(
    profile: Profile,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let the subscription end with its term."""
    open_store()
    found = as_dict(plans.show(profile))
    if not yes and found["ends_at"]:
        typer.confirm(f"{profile} takes calls until {found['ends_at']} and then no more. Cancel it?", abort=True)
    print_one(as_dict(plans.cancel(profile, now())), as_json)


@channels_app.command("keep")
def channels_keep(profile: Profile, as_json: AsJson = False) -> None:
    """Take a cancellation back: the subscription renews again."""
    open_store()
    print_one(as_dict(plans.keep(profile, now())), as_json)


@channels_app.command("show")
def channels_show(profile: Profile, as_json: AsJson = False) -> None:
    """What a profile has bought, and when it renews."""
    open_store()
    print_one(as_dict(plans.show(profile)), as_json)


@channels_app.command("advise", context_settings=output.NUMBERS)
def channels_advise(
    employees: Annotated[int | None, typer.Option(help="By a table, for an ordinary office.")] = None,
    erlangs: Annotated[str | None, typer.Option(help="By Erlang B: the traffic in the busiest hour.")] = None,
    blocking: Annotated[str, typer.Option(help="The share of calls that may find no channel.")] = "0.01",
    profile: Annotated[
        str | None, typer.Option(autocompletion=profile_names, help="By the calls that a profile has had.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How many channels are needed."""
    if [employees, erlangs, profile].count(None) != 2:
        raise BadInput("say one of --employees, --erlangs and --profile")
    most = advice.number(blocking, "the blocking")
    if employees is not None:
        found = advice.by_employees(employees)
    elif erlangs is not None:
        found = advice.by_erlangs(advice.number(erlangs, "the traffic"), most)
    else:
        open_store()
        found = traffic.advise(profile or "", most)
    print_one(asdict(found), as_json)


@channels_app.command("mix")
def channels_mix(profile: Profile, as_json: AsJson = False) -> None:
    """The cheapest mix of channels and bundles for the calls that a profile made in the last 30 days."""
    open_store()
    found = traffic.cheapest(profile, advice.USUAL_BLOCKING, now())
    if as_json:
        output.print_json(as_dict(found))
        return
    mixes = [("cheapest", found.best), *([("bought now", found.bought)] if found.bought else [])]
    output.print_many(
        f"{found.profile}: {found.needed} channels needed, {found.us_seconds // 60:,} US minutes in 30 days",
        ("", "Channels", "Bundles", "For a term", "US calls besides", "Together"),
        [
            (words, str(mix.channels), str(mix.bundles), *(shown(sum_, found.currency) for sum_ in _sums(mix)))
            for words, mix in mixes
        ],
        "",
    )


def _sums(mix: Mix) -> tuple[int, int, int]:
    return mix.term_price_micros, mix.calls_micros, mix.total_micros


@bundles_app.command("buy", context_settings=output.NUMBERS)
def bundles_buy(profile: Profile, bundles: int, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Have so many bundles from now on: a new term begins, with the same channels; once a day."""
    open_store()
    print_one(as_dict(plans.change(profile, None, bundles, now(), dry_run=dry_run)), as_json)


bundles_app.command("change", help="The same: have so many bundles from now on, 0 for none.")(bundles_buy)


@bundles_app.command("show")
def bundles_show(profile: Profile, as_json: AsJson = False) -> None:
    """How many bundles a profile has, and the seconds that are left of them."""
    channels_show(profile, as_json)


@app.command("timemachine")
def time_machine(
    days: Annotated[int, typer.Option(min=1, max=4_000, help="How far forward.")] = 95, as_json: AsJson = False
) -> None:
    """What would be charged, day by day, if nobody did anything: on a copy, the store itself stays as it is."""
    store = open_store()
    with console.status(f"going {days} days forward on a copy"):
        journey = timemachine.run(store, days, now())
    if as_json:
        output.print_json(as_dict(journey))
        return
    rows = [
        (day.day, day.company, step.kind, shown(step.balance_micros, day.currency), step.about)
        for day in journey.days
        for step in day.steps
    ]
    title = f"The next {days} days"
    heads = ("Day", "Company", "What", "Balance moves", "About")
    output.print_many(title, heads, rows, "Nothing would be charged.", may_shrink=("Company", "About"))
    for notice in journey.notices:
        console.print(output.plain(f"{notice.at} {notice.company}: {notice.text}"), soft_wrap=True)
    for company, balance in journey.balances.items():
        console.print(output.plain(f"{company} would have {balance}"))
