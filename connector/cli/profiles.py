"""`connector profile`: SIP profiles, and what they may dial and spend."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.billing import limits, plans, profiles
from connector.cli.output import AsJson, as_dict, now, open_store, print_json, print_many, print_one, settings
from connector.core.money import amount

app = typer.Typer(no_args_is_help=True, help="SIP profiles.")


@app.command("list")
def profile_list(as_json: AsJson = False) -> None:
    """All profiles."""
    open_store()
    found = profiles.list_profiles()
    if as_json:
        print_json([as_dict(view) for view in found])
        return
    print_many(
        "Profiles",
        ("Name", "Username", "Company", "Status", "Channels in use", "Numbers"),
        [
            (p.name, p.username, p.company, p.status, f"{p.channels_in_use} of {p.channels}", " ".join(p.numbers))
            for p in found
        ],
        "No profile yet: 'connector profile create NAME --channels 10' makes one.",
        may_shrink=("Name", "Company", "Numbers"),
    )


@app.command("show")
def profile_show(name: str, as_json: AsJson = False) -> None:
    """One profile, by its name or username."""
    open_store()
    print_one(as_dict(profiles.show_profile(name)), as_json)


@app.command("create")
def profile_create(
    name: str,
    channels: Annotated[int, typer.Option(help="Simultaneous calls, 1 to 300; 0 for none yet.")] = 0,
    company: Annotated[str | None, typer.Option(help="Whose it is, if there are several companies.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a profile. Its password is shown now, and never again."""
    open_store()
    made = profiles.create_profile(name, channels, settings().sip.realm, now(), company)
    print_one(
        {**as_dict(profiles.show_profile(made.username)), "password": made.password, "realm": made.realm}, as_json
    )


@app.command("delete")
def profile_delete(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a profile: its credit goes back to the company, its numbers to the pool; its calls stay in the records."""
    open_store()
    if not yes:
        typer.confirm(
            f"Delete {name}? Its free credit and its numbers go back to the company, the rest of its subscription"
            " is not paid back. Export its calls first if you want them at hand ('connector cdr list --json')",
            abort=True,
        )
    print_one(as_dict(plans.delete_profile(name, now())), as_json)


@app.command("limits")
def profile_limits(
    name: str,
    price_per_minute: Annotated[str | None, typer.Option(help="Highest price per minute; 'none' for no limit.")] = None,
    per_call: Annotated[str | None, typer.Option(help="Most for one call.")] = None,
    per_day: Annotated[str | None, typer.Option(help="Most in any 24 hours.")] = None,
    per_month: Annotated[str | None, typer.Option(help="Most in a calendar month.")] = None,
    calls_per_second: Annotated[str | None, typer.Option(help="Most new calls in a second.")] = None,
    attempts_per_number: Annotated[str | None, typer.Option(help="Most calls to one number in an hour.")] = None,
    company_balance: Annotated[
        bool | None, typer.Option(help="Whether US calls beyond the bundles may be paid by the company.")
    ] = None,
    allow: Annotated[list[str] | None, typer.Option(help="A prefix that may be dialled.")] = None,
    block: Annotated[list[str] | None, typer.Option(help="A prefix that may not; '+' is all of them.")] = None,
    forget: Annotated[list[str] | None, typer.Option(help="Take the rule for a prefix away.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a profile may dial and spend; with options, changes it. The longest prefix for a number decides."""
    open_store()
    sums = {
        "price_per_minute_micros": _sum(price_per_minute, "the price per minute"),
        "call_micros": _sum(per_call, "the most for a call"),
        "day_micros": _sum(per_day, "the most for a day"),
        "month_micros": _sum(per_month, "the most for a month"),
        "calls_per_second": _count(calls_per_second),
        "attempts_per_number": _count(attempts_per_number),
    }
    if company_balance is not None:
        sums["uses_company_balance"] = (company_balance,)
    rules = [(prefix, allowed) for prefixes, allowed in ((allow, True), (block, False)) for prefix in prefixes or ()]
    changes = {column: value[0] for column, value in sums.items() if value}
    if changes or rules or forget:
        limits.change(name, changes, rules, forget or [])
    print_one(as_dict(limits.show(name)), as_json)


def _sum(text: str | None, what: str) -> tuple[int | None] | None:
    """None if nothing was said, a None within if `none` was."""
    if text is None:
        return None
    return (None,) if text == "none" else (amount(text, what, zero=True),)


def _count(text: str | None) -> tuple[int | None] | None:
    if text is None:
        return None
    return (None,) if text == "none" else (limits.count(text),)
