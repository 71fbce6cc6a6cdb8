"""The page "Invoices": what was issued, to whom it is written, and how the company is taxed."""

from __future__ import annotations

import io

from pypdf import PdfReader

from connector.billing import credit, invoices
from connector.core.money import MICROS
from tests.billing.test_invoices import TERMS, issue_due
from tests.conftest import NOW
from tests.web.browsing import Client, chosen, get, send, welcomed
from tests.web.conftest import Town, bearer

ADDRESS = {
    "name": "Acme Aktiengesellschaft",
    "street": "Hauptstraße 1",
    "extra": "",
    "postcode": "10115",
    "city": "Berlin",
    "country": "DE",
    "vat_number": "DE 136 695 976",
}


async def test_an_owner_writes_the_address_and_downloads_an_invoice(client: Client, town: Town) -> None:
    """What is wrong is told, and the form keeps what was typed; the next payment's invoice is written to it."""
    await welcomed(client, "owner@example.com")
    _, wrong = await send(client, "/invoices/address", **{**ADDRESS, "vat_number": "DE136695975"})
    assert "Look for a typing error" in wrong
    assert "Hauptstraße 1" in wrong
    await send(client, "/invoices/address", **ADDRESS)
    credit.top_up(240 * MICROS, "another", NOW, "Acme")
    (number,) = issue_due(TERMS, NOW)
    page = await get(client, "/invoices")
    for words in (
        "Acme Aktiengesellschaft",
        "Germany",
        "VAT number DE136695976",
        number,
        "£200.00",
        "£40.00",
        "£240.00",
    ):
        assert words in page, words
    async with client.get(f"/invoices/{invoices.by_number(number)}/file") as answer:
        assert answer.content_type == "application/pdf"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{number}.pdf"'
        text = PdfReader(io.BytesIO(await answer.read())).pages[0].extract_text()
    assert "Acme Aktiengesellschaft" in text


async def test_the_operator_says_how_a_company_is_taxed(client: Client, town: Town) -> None:
    """On the same page; the company's own people cannot."""
    await welcomed(client, "house@example.com")
    await chosen(client)
    assert "20 %" in await get(client, "/invoices")
    await send(client, "/invoices/tax", kind="standard", rate="7.7", reason="")
    assert "7.7 %" in await get(client, "/invoices")
    _, wrong = await send(client, "/invoices/tax", kind="exempt", rate="", reason="")
    assert "why no tax is due" in wrong
    await send(client, "/invoices/tax", kind="exempt", rate="", reason="Article 132")
    assert "Article 132" in await get(client, "/invoices")


async def test_programs_have_the_file_and_what_is_in_it(client: Client, town: Town) -> None:
    """By the API; without a permission for money neither."""
    path = f"/api/v1/invoices/{town.things['invoice']}"
    async with client.get(path, headers=bearer(town.tokens["viewer"])) as answer:
        said = await answer.json()
        assert (said["buyer"]["name"], said["kind"]) == ("Acme Ltd", "prepayment")
    async with client.get(f"{path}/file", headers=bearer(town.tokens["viewer"])) as answer:
        assert (answer.content_type, (await answer.read())[:5]) == ("application/octet-stream", b"%PDF-")
