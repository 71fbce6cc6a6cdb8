"""Draws invoices as PDF/A-3 with the XML of EN 16931 in it (Factur-X): people read the one, their programs the other.

Typst sets the page (invoice.typ), with fonts of its own; factur-x writes the XML, checks it by its schema, and puts it
into the PDF. Both are loaded with the first invoice only.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from connector.core import invoices
from connector.core.formats import day, shown
from connector.core.invoices import Document

_PAGE = Path(__file__).parent / "invoice.typ"
_COLOR = "#1f4b99"


def drawn(made: Document, color: str = "") -> bytes:
    """A document as a file of PDF. The same document is the same file, except for when it was drawn."""
    import facturx

    metadata = {
        "author": made.seller.name,
        "title": f"{made.title} {made.number}",
        "subject": made.title,
        "keywords": "Factur-X, EN 16931",
    }
    page = _page(json.dumps(_shown(made, color or _COLOR)))
    options = {"flavor": "factur-x", "level": "en16931", "check_xsd": False, "afrelationship": "alternative"}
    found = facturx.generate_from_binary(page, xml(made), pdf_metadata=metadata, lang="en", **options)
    return bytes(found)


def xml(made: Document) -> bytes:
    """A document as the XML that is in its PDF: UN/CEFACT Cross Industry Invoice, checked by its schema."""
    import facturx

    return bytes(
        facturx.generate_xml(invoices.en16931(made), "factur-x", level="en16931", check_xsd=True, check_schematron=None)
    )


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


def _shown(made: Document, color: str) -> dict[str, Any]:
    """What the page says."""
    supplied = (
        [("Received on", day(made.supplied_from))]
        if made.kind == "prepayment"
        else [("From", day(made.supplied_from)), ("Until", day(made.supplied_until))]
        if made.supplied_from != made.supplied_until
        else [("Date", day(made.supplied_from))]
    )
    corrects = [("Corrects", f"{made.corrects[0]} of {day(made.corrects[1])}")] if made.corrects else []
    tax = f"VAT {invoices.rate_shown(made.tax.rate)} %" if made.tax.kind == "standard" else "VAT"
    notes = [made.tax.reason, made.about]
    notes.append("The sum is paid back, or credited, in full." if made.corrects else "The sum was paid in full before.")
    return {
        "title": made.title,
        "number": made.number,
        "date": dict(zip(("year", "month", "day"), map(int, made.issued_on.split("-")), strict=True)),
        "language": "en",
        "color": color,
        "page": "page",
        "footer": made.seller.name,
        "seller": {"name": made.seller.name, "lines": invoices.address(made.seller)},
        "buyer": {"name": made.buyer.name, "lines": invoices.address(made.buyer)},
        "words": {"to": "To", "what": "What", "net": f"Without VAT, {made.currency}"},
        "facts": [("Number", made.number), ("Date of issue", day(made.issued_on)), *supplied, *corrects],
        "lines": [(line.name, shown(line.micros, made.currency)) for line in made.lines],
        "sums": [("Without VAT", shown(made.net_micros, made.currency)), (tax, shown(made.tax_micros, made.currency))],
        "total": ("Total", shown(made.gross_micros, made.currency)),
        "notes": [note for note in notes if note],
    }
