"""Invoices: those that were issued, to whom they are written, and how a company is taxed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from connector.billing import invoices
from connector.core import invoices as core
from connector.core import times
from connector.core.formats import countries
from connector.core.money import percent
from connector.core.paging import turn
from connector.web.endpoint import Ask, Paper, invoicing, paper_of
from connector.web.site.frame import Form, Line, Outcome, Shown, SitePages, allowed, entry, following
from connector.words import LANGUAGES, USUAL, locale, marked, tr

pages = SitePages()

ROWS = 50
TAX_WORDS = {
    "standard": marked("Standard tax"),
    "reverse_charge": marked("Reverse charge: another country of the European Union"),
    "exempt": marked("Exempt"),
    "outside": marked("Outside the European Union"),
}
SHORT_WORDS = {
    "reverse_charge": marked("Reverse charge"),
    "exempt": marked("Exempt"),
    "outside": marked("Not subject to VAT"),
}


@pages.get("/invoices", "company.read", of_company=True)
def invoices_page(ask: Ask) -> Shown:
    """What was issued, newest first; to whom, and how the company is taxed."""
    found = invoices.page_of(ask.company, turn(ask.query.get("cursor"), ROWS, "i"))
    buyer = invoices.buyer(ask.company)
    values = {
        "page": found,
        "following": following(found),
        "buyer": buyer,
        "address": [buyer.party.name, *core.address(buyer.party)] if buyer.party else [],
        "tax": _taxed(buyer, ask),
        "titles": core.TITLES,
        "issues": ask.place.invoicing is not None,
        "by_payment": ask.place.invoicing is not None and ask.place.invoicing.tax_point == "payment",
        "hindrance": core.hindrance(ask.currency, buyer.tax_kind, ask.place.invoicing) if ask.place.invoicing else "",
        "actions": allowed(
            ask, (tr("Invoice address"), "/invoices/address", "money.move"), (tr("Tax"), "/invoices/tax", "money.bring")
        ),
    }
    return Shown("invoices.html", values)


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
    country: str = entry("Country", kind="choice")
    vat_number: str = entry("VAT number", "", hint="With the letters of its country, for example DE136695976.")
    language: str = entry("Language of invoices", USUAL, choices=tuple(LANGUAGES.items()))

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """What was written before; the company's name at first."""
        found = invoices.buyer(ask.company)
        party = asdict(found.party) if found.party is not None else {"name": found.company}
        return {**party, "language": found.language}

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """All countries, by their names."""
        return {"country": [("", tr("Choose one")), *sorted(countries(locale()).items(), key=lambda each: each[1])]}

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What it changes."""
        return tr("It appears on invoices from now on. Invoices already issued do not change.")

    def do(self, ask: Ask) -> Outcome:
        """Keep it."""
        may_tax = "money.bring" in ask.actor.permissions
        party = self.model_dump(exclude={"language"})
        invoices.set_buyer(ask.company, party, invoicing(ask), may_tax=may_tax, language=self.language)
        return Outcome("/invoices", tr("The invoice address is saved"))


@pages.form("/invoices/tax", "money.bring", "Tax", of_company=True, back="/invoices")
class Tax(Form):
    """How the company is taxed."""

    kind: str = entry("Tax", choices=tuple(TAX_WORDS.items()))
    rate: str = entry("Rate in percent", "", hint="For the standard tax. If empty, the platform's rate.")
    reason: str = entry(
        "Reason",
        "",
        hint="Needed if exempt: why no tax is due, with the article of the law. It appears on the invoice.",
    )

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """How it is taxed now."""
        found = invoices.buyer(ask.company)
        rate = "" if found.rate is None else percent(found.rate)
        reason = found.reason.removeprefix(core.TAXES[found.tax_kind][2]).lstrip(". ")
        return {"kind": found.tax_kind, "rate": rate, "reason": reason}

    def do(self, ask: Ask) -> Outcome:
        """From now on."""
        rate = core.rate_of(self.rate) if self.rate and self.kind == "standard" else None
        invoices.set_tax(ask.company, self.kind, rate, self.reason if self.kind != "standard" else "", invoicing(ask))
        return Outcome("/invoices", tr("The tax settings apply from now on"))


def _taxed(buyer: invoices.BuyerView, ask: Ask) -> str:
    if buyer.tax_kind != "standard" or ask.place.invoicing is None:
        return SHORT_WORDS.get(buyer.tax_kind, "")
    usual = ask.place.invoicing.rate_on(times.local_day(ask.now, ask.place.invoicing.zone))
    return f"{percent(usual if buyer.rate is None else buyer.rate)} %"
