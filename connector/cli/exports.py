"""`connector export`: a sheet of CSV, written now, with its progress."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from connector.billing import exports
from connector.cli.completing import profile_names
from connector.cli.opening import open_store
from connector.cli.output import AsJson, Company, errors, print_one
from connector.cli.reports import Month
from connector.errors import BadInput
from connector.service.exporting import write

app = typer.Typer()

Kind = Annotated[str, typer.Argument(help="; ".join(f"{kind}: {words}" for kind, words in exports.KINDS.items()))]


@app.command("export")
def export(
    kind: Kind,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; it must not be there yet.")],
    month: Month = None,
    everything: Annotated[bool, typer.Option("--all", help="All there ever was, and no month.")] = False,
    profile: Annotated[str | None, typer.Option(autocompletion=profile_names, help="Of one profile only.")] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Write a sheet of CSV. What calls cost in it is compared with the ledger."""
    if everything == (month is not None):
        raise BadInput("say which --month, or --all")
    open_store()
    wanted = exports.sheet(kind, company, profile, month)
    if output.exists() or not output.parent.is_dir():
        why = "it is there already" if output.exists() else "there is no such folder"
        raise BadInput("{output} cannot be written: {why}", output=output, why=why)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not sys.stderr.isatty()) as shown:
        task = shown.add_task(f"Writing {output.name}", total=None)

        def tell(rows: int, total: int) -> None:
            """Show how far it is."""
            shown.update(task, completed=rows, total=total)

        try:
            rows, price = write(wanted, output, tell)
        except OSError as error:
            raise BadInput(
                "{output} cannot be written: {strerror}", output=output, strerror=error.strerror or error
            ) from None
    said = {"file": str(output), "rows": rows, "price_micros": price, "currency": wanted.currency}
    print_one(said, as_json)
