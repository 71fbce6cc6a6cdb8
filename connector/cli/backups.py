"""`connector backup`, `restore` and `reconcile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connector.asterisk.dropin.install import runs_as
from connector.billing import restored
from connector.cli.accounts import acting_as
from connector.cli.opening import open_store, settings
from connector.cli.output import AsJson, as_dict, console, now, print_json, print_many, print_one
from connector.core.money import decimal
from connector.core.times import iso
from connector.service.running import alone
from connector.storage import backup, stores

app = typer.Typer()


@app.command("backup")
def make(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    as_json: AsJson = False,
) -> None:
    """Copy the store, as it is at one moment, while calls go on; the copy is opened and its books are added up."""
    print_one(as_dict(backup.backup(open_store(), target)), as_json)


@app.command("restore")
def restore(source: Annotated[Path, typer.Argument(metavar="FILE")], as_json: AsJson = False) -> None:
    """Put a backup in the store's place. The connector must not run.

    What was there is kept beside it; a PostgreSQL database has to be a new one.
    """
    found = settings()
    with backup.opened(source) as file, acting_as(runs_as(found)), alone(found.store.path):
        view = backup.restore(source, stores.opened(found.store), now(), file)
    print_one(as_dict(view), as_json)
    if not as_json:
        console.print("It charges nothing by itself until 'connector reconcile --done'.")


@app.command("reconcile")
def reconcile(
    done: Annotated[bool, typer.Option("--done", help="I have looked: go on from here.")] = False,
    as_json: AsJson = False,
) -> None:
    """After a restore: what the books do not know, and what would be charged. With --done the store works again."""
    open_store()
    view = restored.view(now())
    if done:
        closed = restored.done(now())
        print_one({"calls_closed_without_charge": closed, "restored_at": iso(view.restored_at)}, as_json)
        return
    if as_json:
        print_json(as_dict(view))
        return
    console.print(f"The books end at {iso(view.books_end_at)}. Calls since then are in Asterisk's journal only.")
    held = decimal(view.held_micros)
    console.print(f"{view.live_calls} calls were up then and hold {held}: they will be closed without charge.")
    print_many(
        "Would be renewed at once",
        ("Company", "What", "Ended", "Price"),
        [(term.company, term.subject, iso(term.ends_at) or "", decimal(term.price_micros)) for term in view.terms],
        "Nothing is due for renewal.",
    )
