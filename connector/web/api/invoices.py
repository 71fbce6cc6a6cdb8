"""Invoices and credit notes, to whom they are written, and how a company is taxed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import Field

from connector.billing import invoices
from connector.billing.invoices import BuyerView, InvoiceView
from connector.core.invoices import Document, Party
from connector.core.paging import Page, turn
from connector.web.endpoint import Ask, Endpoints, Paged, Paper, Shape, Word, invoicing, paper_of

api = Endpoints("Invoices")


class Address(Shape):
    """To whom invoices are written. `country`: ISO 3166, two letters. `vat_number` begins with its country's letters;
    its check digits are looked at. `language`: in which invoices are written; null leaves that as it is.
    """

    name: Word
    street: Word
    city: Word
    country: Annotated[str, Field(pattern="^[A-Z]{2}$", examples=["DE"])]
    postcode: Word = ""
    extra: Word = ""
    vat_number: Annotated[str, Field(max_length=30, examples=["DE136695976"])] = ""
    language: Literal["en", "de", "es"] | None = None


class Taxed(Shape):
    """How a company is taxed. `rate`: of the standard tax in hundredths of a percent, null for the platform's.
    `reason`: why no tax is due; it stands on the invoice.
    """

    kind: Literal["standard", "reverse_charge", "exempt", "outside"]
    rate: Annotated[int, Field(ge=1, le=5_000)] | None = None
    reason: Word = ""


@api.get("/invoices", "money.read", of_company=True)
def list_invoices(ask: Ask, query: Paged) -> Page[InvoiceView]:
    """The company's invoices and credit notes that were issued, newest first."""
    return invoices.page_of(ask.company, turn(query.cursor, query.limit, "i"))


@api.get("/invoices/{invoice}", "money.read")
def show_invoice(ask: Ask) -> Document:
    """An invoice or credit note, as it was issued."""
    return invoices.document(ask.number("invoice"))


@api.get("/invoices/{invoice}/file", "money.read")
def download_invoice(ask: Ask) -> Paper:
    """The same as PDF, with the XML of EN 16931 in it (Factur-X)."""
    return paper_of(ask)


@api.get("/invoice-address", "money.read", of_company=True)
def show_invoice_address(ask: Ask) -> BuyerView:
    """To whom the company's invoices are written, and how it is taxed."""
    return invoices.buyer(ask.company)


@api.put("/invoice-address", "money.move", of_company=True)
def set_invoice_address(ask: Ask, body: Address) -> BuyerView:
    """To whom they are written from now on. What waits for it is issued soon. The country and VAT number of a company
    for which no tax is due are changed by users of the platform.
    """
    may_tax = "money.bring" in ask.actor.permissions
    party = asdict(Party(**body.model_dump(exclude={"language"})))
    return invoices.set_buyer(ask.company, party, invoicing(ask), may_tax=may_tax, language=body.language)


@api.put("/tax", "money.bring", of_company=True)
def set_tax(ask: Ask, body: Taxed) -> BuyerView:
    """How the company is taxed from now on."""
    return invoices.set_tax(ask.company, body.kind, body.rate, body.reason, invoicing(ask))
