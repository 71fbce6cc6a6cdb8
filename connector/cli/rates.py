"""`connector rates`: rate decks, and what a call would cost."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from connector.billing import decks, trials
from connector.cli.completing import profile_names
from connector.cli.opening import open_store
from connector.cli.output import AsJson, Company, as_dict, console, now, print_list, print_many, print_one, read_file
from connector.core.times import iso
from connector.errors import BadInput

app = typer.Typer(no_args_is_help=True)

MOST_BYTES = 200_000_000
MOST_SHOWN = 50


@app.command("load")
def rates_load(
    file: Path,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="The sheet is complete: prefixes that it does not name end at its date.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Load a rate sheet (CSV): all of it or nothing, in effect ten seconds later, without stopping calls.

    Prefixes that it does not name keep their rates, unless it is loaded with --full. Rates with a later date change
    nothing until then.
    """
    open_store()
    text = read_file(file, MOST_BYTES)
    at = now()
    with console.status(f"reading {file.name}"):
        read = decks.read(text, at, company, mode="full" if full else "update")
    ends = read.difference.ends
    if ends and as_json and not dry_run and not yes:
        raise BadInput(
            "{count} prefixes end: load the sheet with --yes, or look at them with --dry-run.", count=len(ends)
        )
    if ends and not as_json:
        print_many(
            "Rates that end (times are UTC)",
            ("Prefix", "Name", "Ends", "Calls in 30 days"),
            [(each.prefix, each.name, iso(each.at) or "", str(each.calls)) for each in ends[:MOST_SHOWN]],
            "",
            may_shrink=("Name",),
        )
        if len(ends) > MOST_SHOWN:
            console.print(f"and {len(ends) - MOST_SHOWN} more")
    if ends and not dry_run and not yes:
        typer.confirm(f"{len(ends)} prefixes end. Load the sheet?", abort=True)
    loaded = {} if dry_run else as_dict(decks.put(file.name[: decks.MOST_NAME], read, now(), company))
    changes = asdict(read.difference)
    changes["ends"] = list(changes["ends"]) if as_json else len(ends)
    print_one({**changes, **loaded}, as_json)


@app.command("list")
def rates_list(company: Company = None, as_json: AsJson = False) -> None:
    """All decks, the newest first."""
    open_store()
    found = decks.list_decks(company)
    print_list(
        found,
        as_json,
        "Rate decks (times are UTC)",
        ("ID", "Company", "Name", "Rates", "In use from", "Version"),
        lambda view: (
            str(view.id),
            view.company,
            view.name,
            str(view.rates),
            iso(view.in_use_at) or "",
            view.version[:12],
        ),
        "No deck yet: 'connector rates load FILE' loads one.",
        may_shrink=("Name", "Company"),
    )


@app.command("price")
def rates_price(
    number: str,
    ms: Annotated[int, typer.Option(help="How long the call would talk, in milliseconds.")],
    profile: Annotated[
        str | None,
        typer.Option(autocompletion=profile_names, help="Whose call it would be: its bundles and limits count."),
    ] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """What a call would cost, now, without making it."""
    open_store()
    print_one(as_dict(trials.price(number, ms, now(), profile, company)), as_json)
