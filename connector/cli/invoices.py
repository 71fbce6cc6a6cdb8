"""`connector invoice`: invoices and credit notes, to whom they are written, and how a company is taxed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from connector.billing import invoices
from connector.cli import output
from connector.cli.opening import open_store, settings
from connector.cli.output import AsJson, Company, as_dict, console
from connector.core import invoices as core
from connector.core.formats import shown
from connector.core.paging import every
from connector.errors import BadInput
from connector.service import invoice_pdf
from connector.words import LANGUAGES

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def invoice_list(as_json: AsJson = False) -> None:
    """The invoices and credit notes that were issued, of all companies, newest first."""
    open_store()
    output.print_list(
        every(lambda wanted: invoices.page_of(None, wanted), "i"),
        as_json,
        "Invoices",
        ("Number", "Issued on", "Company", "What", "Without VAT", "VAT", "Total"),
        lambda each: (
            each.number,
            each.issued_on,
            each.company,
            each.kind,
            shown(each.net_micros, each.currency),
            shown(each.tax_micros, each.currency),
            shown(each.gross_micros, each.currency),
        ),
        "No invoice was issued yet.",
        may_shrink=("Company",),
    )


@app.command("save")
def invoice_save(
    number: Annotated[str, typer.Argument(help="As in INV-000042.")],
    file: Annotated[Path | None, typer.Argument(help="Where to; else its number, here.")] = None,
    xml: Annotated[bool, typer.Option("--xml", help="Only the XML of EN 16931 that is in the PDF.")] = False,
) -> None:
    """Save an invoice as PDF."""
    open_store()
    made = invoices.document(invoices.by_number(number))
    path = file or Path(f"{number.replace('/', '-')}{'.xml' if xml else '.pdf'}")
    content = invoice_pdf.xml(made) if xml else invoice_pdf.drawn(made, settings().web.brand_color or "")
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BadInput("{path} cannot be written: {strerror}", path=path, strerror=error.strerror) from None
    console.print(f"saved: {path}", soft_wrap=True)


@app.command("address")
def invoice_address(
    name: Annotated[str | None, typer.Option(help="As it is registered.")] = None,
    street: Annotated[str | None, typer.Option()] = None,
    extra: Annotated[str | None, typer.Option(help="A second line of the street.")] = None,
    postcode: Annotated[str | None, typer.Option()] = None,
    city: Annotated[str | None, typer.Option()] = None,
    country: Annotated[str | None, typer.Option(help="Two letters, as in DE.")] = None,
    vat_number: Annotated[str | None, typer.Option(help="With its country's letters.")] = None,
    language: Annotated[str | None, typer.Option(help=f"Of invoices: {', '.join(LANGUAGES)}.")] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """To whom a company's invoices are written; with options, changes it. What is not said stays."""
    open_store()
    found = invoices.buyer(company)
    given = {
        "name": name,
        "street": street,
        "extra": extra,
        "postcode": postcode,
        "city": city,
        "country": country,
        "vat_number": vat_number,
    }
    changed = {field: text for field, text in given.items() if text is not None}
    if changed or language is not None:
        before = asdict(found.party) if found.party is not None else dict.fromkeys(given, "")
        found = invoices.set_buyer(company, {**before, **changed}, _terms(), may_tax=True, language=language)
    output.print_one(as_dict(found), as_json)


@app.command("tax")
def invoice_tax(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(core.TAXES)}.")],
    rate: Annotated[str | None, typer.Option(help="In percent, of the standard tax; else the settings'.")] = None,
    reason: Annotated[str, typer.Option(help="Why no tax is due; it stands on the invoice.")] = "",
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """How a company is taxed from now on."""
    given = None if rate is None else core.rate_of(rate)
    open_store()
    output.print_one(as_dict(invoices.set_tax(company, kind, given, reason, _terms())), as_json)


def _terms() -> core.Terms:
    """By which invoices are issued. BadInput where none are."""
    found = settings().invoices
    if found is None:
        raise BadInput("no invoices are set up: write [invoices] in the settings, as docs/invoices.md says")
    return found.terms()
