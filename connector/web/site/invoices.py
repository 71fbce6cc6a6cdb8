"""Invoices: those that were issued, to whom they are written, and how a company is taxed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from connector.billing import invoices
from connector.core import invoices as core
from connector.core.formats import shown
from connector.core.paging import turn
from connector.web.endpoint import Ask, Paper, paper_of
from connector.web.site.frame import Form, Outcome, Shown, SitePages, allowed, entry, following, tables_page

pages = SitePages()

ROWS = 50
TAX_WORDS = {
    "standard": "Standard tax",
    "reverse_charge": "Reverse charge: another country of the European Union",
    "exempt": "Exempt",
    "outside": "Outside the European Union",
}


@pages.get("/invoices", "money.read", of_company=True)
def invoices_page(ask: Ask) -> Shown:
    """What was issued, newest first."""
    found = invoices.page_of(ask.scope, turn(ask.query.get("cursor"), ROWS, "i"))
    buyer = invoices.buyer(ask.company)
    rows = [
        [
            [(each.number, f"/invoices/{each.id}/file")],
            each.issued_on,
            core.TITLES[each.kind] + (f", corrects {each.corrects}" if each.corrects else ""),
            _days(each.supplied_from, each.supplied_until),
            shown(each.net_micros, each.currency),
            shown(each.tax_micros, each.currency),
            ("-" if each.kind == "credit note" else "") + shown(each.gross_micros, each.currency),
        ]
        for each in found.items
    ]
    table = {
        "title": "",
        "heads": ["Number", "Issued on", "What", "For", "Without VAT", "VAT", "Total"],
        "rows": rows,
        "empty": "No invoice has been issued yet.",
    }
    intro = ["Each is a PDF which accounting programs can read too (Factur-X, EN 16931)."]
    if ask.place.paper is None:
        intro = ["The operator of the platform issues no invoices here."]
    elif buyer.party is None:
        intro.append("Write your company's invoice address first: without it no invoice can be issued.")
    else:
        intro.append(f"They are written to {', '.join(_lines(buyer.party))}. {_taxed(buyer)}.")
    actions = allowed(
        ask, ("Invoice address", "/invoices/address", "money.move"), ("Tax", "/invoices/tax", "money.bring")
    )
    return tables_page("Invoices", [table], intro=intro, actions=actions, following=following(found))


@pages.get("/invoices/{invoice}/file", "money.read")
def invoice_file(ask: Ask) -> Paper:
    """One of them, as PDF."""
    return paper_of(ask)


@pages.form("/invoices/address", "money.move", "Invoice address", of_company=True, back="/invoices")
class InvoiceAddress(Form):
    """To whom invoices are written."""

    name: str = entry("Name", hint="As it is registered.")
    street: str = entry("Street")
    extra: str = entry("Second line", "")
    postcode: str = entry("Postcode", "")
    city: str = entry("City")
    country: str = entry("Country", hint="Two letters, as in DE.", max_length=2)
    vat_number: str = entry("VAT number", "", hint="With its country's letters, as in DE136695976.")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """What was written before; the company's name at first."""
        found = invoices.buyer(ask.company)
        return asdict(found.party) if found.party is not None else {"name": found.company}

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What it changes."""
        return "It stands on invoices from now on. Those that were issued stay as they are."

    def do(self, ask: Ask) -> Outcome:
        """Keep it."""
        invoices.set_buyer(ask.company, self.model_dump())
        return Outcome("/invoices", "The invoice address is saved")


@pages.form("/invoices/tax", "money.bring", "Tax", of_company=True, back="/invoices")
class Tax(Form):
    """How the company is taxed."""

    kind: str = entry("Tax", choices=tuple(TAX_WORDS.items()))
    rate: str = entry("Rate in percent", "", hint="Of the standard tax. Empty: the platform's.")
    reason: str = entry("Reason", "", hint="Why no tax is due, with the article of the law. It stands on the invoice.")
    warning: ClassVar[str] = ""

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """How it is taxed now."""
        found = invoices.buyer(ask.company)
        rate = "" if found.rate is None else core.rate_shown(found.rate)
        return {"kind": found.tax_kind, "rate": rate, "reason": found.reason}

    def do(self, ask: Ask) -> Outcome:
        """From now on."""
        rate = core.rate_of(self.rate) if self.rate and self.kind == "standard" else None
        invoices.set_tax(ask.company, self.kind, rate, self.reason if self.kind != "standard" else "")
        return Outcome("/invoices", "The company is taxed so from now on")


def _days(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def _lines(party: core.Party) -> list[str]:
    city = f"{party.postcode} {party.city}".strip()
    return [each for each in (party.name, party.street, party.extra, city, party.country, party.vat_number) if each]


def _taxed(buyer: invoices.BuyerView) -> str:
    rate = f", {core.rate_shown(buyer.rate)} %" if buyer.rate is not None else ""
    return f"{TAX_WORDS[buyer.tax_kind]}{rate}" + (f": {buyer.reason}" if buyer.reason else "")
