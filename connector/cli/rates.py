"""`connector rates`: rate decks, and what a call would cost."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from connector.billing import decks, holds
from connector.cli.output import (
    AsJson,
    Company,
    as_dict,
    console,
    now,
    open_store,
    print_list,
    print_one,
    read_file,
)
from connector.core.times import iso

app = typer.Typer(no_args_is_help=True, help="Rate decks, and what a call costs.")

MOST_BYTES = 200_000_000


@app.command("load")
def rates_load(
    file: Path,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Take a rate deck into use, from CSV: whole or not at all, ten seconds from now, without stopping calls."""
    open_store()
    text = read_file(file, MOST_BYTES)
    with console.status(f"reading {file.name}"):
        difference = decks.compare(text, now(), company)
        if not dry_run:
            loaded = decks.load(text, file.name[: decks.MOST_NAME], now(), company)
    changes = asdict(difference)
    print_one({**changes, **({} if dry_run else as_dict(loaded))}, as_json)


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
    profile: Annotated[str | None, typer.Option(help="Whose call it would be: its bundles and limits count.")] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """What a call would cost, now, without making it."""
    open_store()
    print_one(as_dict(holds.price(number, ms, now(), profile, company)), as_json)
