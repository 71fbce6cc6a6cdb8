"""Draws invoices as PDF/A-3 with the XML of EN 16931 in it (Factur-X): people read the one, their programs the other.

Typst sets the page (invoice.typ), with fonts of its own; factur-x writes the XML, checks it by its schema, and puts it
into the PDF. Both are loaded with the first invoice only.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from babel.numbers import get_decimal_symbol

from connector.core import invoices
from connector.core.formats import day, shown
from connector.core.invoices import Document
from connector.core.money import percent
from connector.words import locale, said, speaking, tr

_PAGE = Path(__file__).parent / "invoice.typ"
_COLOR = "#1f4b99"


def drawn(made: Document, color: str = "") -> bytes:
    """A document in its language as a file of PDF. The same document is the same file, except for when it was drawn."""
    import facturx

    said = speaking(made.language, _shown, made, color or _COLOR)
    metadata = {
        "author": made.seller.name,
        "title": f"{said['title']} {made.number}",
        "subject": said["title"],
        "keywords": "Factur-X, EN 16931",
    }
    options = {"flavor": "factur-x", "level": "en16931", "check_xsd": False, "afrelationship": "alternative"}
    found = facturx.generate_from_binary(
        _page(json.dumps(said)), xml(made), pdf_metadata=metadata, lang=made.language, **options
    )
    return bytes(found)


def xml(made: Document) -> bytes:
    """A document as the XML that is in its PDF: UN/CEFACT Cross Industry Invoice, checked by its schema."""
    import facturx

    terms = invoices.en16931(speaking(made.language, invoices.translated, made))
    return bytes(facturx.generate_xml(terms, "factur-x", level="en16931", check_xsd=True, check_schematron=None))


def _page(said: str) -> bytes:
    """The page as PDF/A. Where Typst's own fonts do not have the signs of a name, with the system's; and where those do
    not have them either, as a plain PDF, with boxes in their places: the XML has the name as it is.
    """
    import typst

    for own_fonts in (True, False):
        with suppress(typst.TypstError):
            return bytes(
                typst.compile(
                    str(_PAGE), sys_inputs={"document": said}, pdf_standards="a-3b", ignore_system_fonts=own_fonts
                )
            )
    return bytes(typst.compile(str(_PAGE), sys_inputs={"document": said}))


def _shown(kept: Document, color: str) -> dict[str, Any]:
    """What the page says, in the reader's language."""
    made = invoices.translated(kept)

    def sum_of(micros: int) -> str:
        """As people write it."""
        return said(shown(micros, made.currency))

    def on(text: str) -> str:
        """A day, as people write it."""
        return said(day(text))

    supplied = (
        [(tr("Received on"), on(made.supplied_from))]
        if made.kind == "prepayment"
        else [(tr("From"), on(made.supplied_from)), (tr("Until"), on(made.supplied_until))]
        if made.supplied_from != made.supplied_until
        else [(tr("Date"), on(made.supplied_from))]
    )
    corrects = []
    if made.corrects is not None:
        number, issued_on = made.corrects
        corrects = [(tr("Corrects"), tr("{number} of {day}", number=number, day=day(issued_on)))]
    rate = percent(made.tax.rate).replace(".", get_decimal_symbol(locale()))
    tax = tr("VAT {rate} %", rate=rate) if made.tax.kind == "standard" else tr("VAT")
    was_paid = tr("The sum was paid in full before.")
    notes = [made.tax.reason, made.about, tr("The sum is paid back, or credited, in full.") if corrects else was_paid]
    return {
        "title": said(made.title),
        "number": made.number,
        "date": dict(zip(("year", "month", "day"), map(int, made.issued_on.split("-")), strict=True)),
        "language": made.language,
        "color": color,
        "page": tr("page"),
        "footer": made.seller.name,
        "seller": {"name": made.seller.name, "lines": invoices.address(made.seller)},
        "buyer": {"name": made.buyer.name, "lines": invoices.address(made.buyer)},
        "words": {
            "to": tr("To"),
            "what": tr("Description"),
            "net": tr("Without VAT, {currency}", currency=made.currency),
        },
        "facts": [(tr("Invoice number"), made.number), (tr("Date of issue"), on(made.issued_on)), *supplied, *corrects],
        "lines": [(line.name, sum_of(line.micros)) for line in made.lines],
        "sums": [(tr("Without VAT"), sum_of(made.net_micros)), (tax, sum_of(made.tax_micros))],
        "total": (tr("Total"), sum_of(made.gross_micros)),
        "notes": [note for note in notes if note],
    }
