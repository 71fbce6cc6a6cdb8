"""Invoices: their tax, their sums, and what they have to say (core/invoices.py)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import invoices
from connector.core.invoices import Party, Tax, Terms
from connector.core.money import MICROS, minor_unit, percent
from connector.errors import BadInput

SELLER = Party("Example Telecom Ltd", "1 Wood Street", "London", "GB", "EC2V 7AN", "", "GB980780684")
BUYER = Party("Acme GmbH", "Hauptstraße 1", "Berlin", "DE", "10115", "", "DE136695976")


@pytest.mark.parametrize(
    ("gross", "rate", "currency", "net"),
    [
        (120_000_000, 2000, "GBP", 100_000_000),
        (10_000, 2000, "GBP", 10_000),
        (30_000, 2000, "GBP", 30_000),
        (99_990_000, 1900, "EUR", 84_030_000),
        (100_000_000, 770, "CHF", 92_850_000),
        (1_000_000_000, 1000, "JPY", 909_000_000),
        (10_000_000, 550, "KWD", 9_479_000),
        (50_000_000, 0, "EUR", 50_000_000),
    ],
)
def test_a_sum_includes_its_tax(gross: int, rate: int, currency: str, net: int) -> None:
    """Net is rounded half up to the currency's coin; net and tax together are what was paid."""
    assert invoices.taxed(gross, rate, currency) == (net, gross - net)


@given(
    st.lists(st.integers(-(10**9), 10**12), min_size=1, max_size=4),
    st.integers(0, 5_000),
    st.sampled_from(["GBP", "JPY", "KWD"]),
)
def test_lines_add_up(sums: list[int], rate: int, currency: str) -> None:
    """Whatever was charged, in parts of coins too: the lines are whole coins, together the net sum, and net and tax the
    gross one; each line is within a coin of its share.
    """
    coin = minor_unit(currency)
    sums[0] += -sum(sums) % coin
    if sum(sums) <= 0:
        return
    days = ("2026-12-01", "2026-11-01", "2026-11-30")
    named = {f"line {place}": part for place, part in enumerate(sums)}
    made = invoices.document("A1", "invoice", days, (SELLER, BUYER), Tax("standard", rate), currency, named)
    assert made.net_micros + made.tax_micros == made.gross_micros == sum(sums)
    assert sum(line.micros for line in made.lines) == made.net_micros
    assert all(line.micros % coin == 0 for line in made.lines)
    for line in made.lines:
        exact = made.net_micros * named[line.name] / made.gross_micros
        assert abs(line.micros - exact) <= coin + 1
    assert invoices.from_plain(json.loads(json.dumps(invoices.as_plain(made)))) == made


@pytest.mark.parametrize(
    ("micros", "whole"), [(12_345_678, 12_340_000), (9_999, 0), (0, 0), (-1, -10_000), (-20_000, -20_000)]
)
def test_what_is_less_than_a_coin_goes_to_the_next_one(micros: int, whole: int) -> None:
    """Rounded down, and nothing is lost."""
    assert invoices.in_coins(micros, "GBP") == (whole, micros - whole)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("", ""),
        ("de 136 695 976", "DE136695976"),
        ("GB980780684", "GB980780684"),
        ("EL094259216", "EL094259216"),
        ("FR40303265045", "FR40303265045"),
        ("US123456789", "US123456789"),
        ("DE-136.695.976", "DE136695976"),
        ("XI980780684", "XI980780684"),
        ("RS101134702", "RS101134702"),
    ],
)
def test_vat_numbers(typed: str, kept: str) -> None:
    """Spaces and small letters are no matter; a country without rules here is taken as it is."""
    assert invoices.checked_vat_number(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "DE136695975",
        "EL094259217",
        "XI980780685",
        "DE\uff11\uff13\uff16695976",
        "136695976",
        "GB1",
        "D",
        "DE13669597é",
        "XX",
        "DE 13\n6",
    ],
)
def test_a_typing_error_in_a_vat_number_is_told(typed: str) -> None:
    """By its check digits."""
    with pytest.raises(BadInput):
        invoices.checked_vat_number(typed)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": ""}, "needs the name"),
        ({"street": " ", "city": ""}, "needs the street, the city"),
        ({"country": "Germany"}, "two letters"),
        ({"country": "ßß"}, "two letters"),
        ({"name": "a\x07b"}, "printable"),
        ({"city": "x" * 101}, "100"),
        ({"vat_number": "DE12"}, "not a VAT number"),
    ],
)
def test_an_address_that_does_not_do(changed: dict[str, str], words: str) -> None:
    """One line that says what is wrong."""
    said = {"name": "Acme", "street": "1 High Street", "city": "Leeds", "country": "GB", **changed}
    with pytest.raises(BadInput, match=words):
        invoices.checked_party(said)


@pytest.mark.parametrize(
    ("kind", "rate", "reason", "buyer", "words"),
    [
        ("standard", 0, "", BUYER, "above 0"),
        ("standard", 5_001, "", BUYER, "at most 50"),
        ("reverse_charge", None, "", replace(BUYER, vat_number=""), "VAT number"),
        ("reverse_charge", None, "", replace(BUYER, country="GB"), "seller's country"),
        ("reverse_charge", None, "", replace(BUYER, country="US", vat_number="US123456789"), "European Union"),
        ("reverse_charge", None, "", None, "address first"),
        ("outside", None, "", replace(BUYER, country="GB"), "seller's country"),
        ("exempt", None, "", BUYER, "why no tax"),
        ("nothing", None, "", BUYER, "not a kind"),
    ],
)
def test_a_tax_that_does_not_do(kind: str, rate: int | None, reason: str, buyer: Party | None, words: str) -> None:
    """What its kind needs is asked for, and it goes with who sells and who buys."""
    with pytest.raises(BadInput, match=words):
        invoices.checked_tax(kind, rate, reason, buyer, SELLER)


def test_in_the_european_union_nobody_is_outside() -> None:
    """Where the seller is in it."""
    seller = replace(SELLER, country="FR", vat_number="FR40303265045")
    with pytest.raises(BadInput, match="reverse charge"):
        invoices.checked_tax("outside", None, "", BUYER, seller)
    assert invoices.checked_tax("outside", None, "", replace(BUYER, country="US"), seller).kind == "outside"


def test_the_words_of_the_law_always_stand_there() -> None:
    """ "Reverse charge" (article 226, 11a), whatever somebody writes besides; and once, when it is written again."""
    made = invoices.checked_tax("reverse_charge", None, "Article 44", BUYER, SELLER)
    assert made.reason.startswith("Reverse charge") and made.reason.endswith("Article 44")
    assert invoices.checked_tax("reverse_charge", None, made.reason, BUYER, SELLER) == made


def test_a_rate_is_that_of_its_day() -> None:
    """The rates of an installation change on a day."""
    terms = Terms(SELLER, (("2026-01-01", 2000), ("2027-01-01", 2100)), "payment", "INV-", "2026-01-01", "GBP")
    assert [terms.rate_on(day) for day in ("2025-12-31", "2026-12-31", "2027-01-01")] == [2000, 2000, 2100]


@pytest.mark.parametrize(
    ("currency", "kind", "words"),
    [("GBP", "standard", ""), ("USD", "reverse_charge", ""), ("USD", "standard", "exchange rate"),
     ("KWD", "reverse_charge", "two decimals"), ("JPY", "exempt", "")],
)  # fmt: skip
def test_what_cannot_be_written_is_told(currency: str, kind: str, words: str) -> None:
    """Tax in another currency than the books (article 230), and three decimals, which EN 16931 does not have."""
    terms = Terms(SELLER, (("2026-01-01", 2000),), "payment", "INV-", "2026-01-01", "GBP")
    found = invoices.hindrance(currency, kind, terms)
    assert words in found
    assert bool(found) == bool(words)


def test_partial_credit_notes_have_the_tax_of_the_invoice_together() -> None:
    """Ten of a penny each, of an invoice of ten pence with two pence of tax."""
    days = ("2026-12-01", "2026-11-30", "2026-11-30")
    gross = net = 0
    for _ in range(10):
        tax = Tax("standard", 2000)
        made = invoices.document("C", "credit note", days, (SELLER, BUYER), tax, "GBP", {"a": 10_000}, (gross, net))
        gross, net = gross + made.gross_micros, net + made.net_micros
    assert (gross, net) == (100_000, 80_000)


@pytest.mark.parametrize(
    ("text", "rate", "shown"),
    [("20", 2000, "20"), ("7.7", 770, "7.7"), ("19.00", 1900, "19"), ("5.25", 525, "5.25"), ("0.5", 50, "0.5")],
)
def test_rates(text: str, rate: int, shown: str) -> None:
    """In hundredths of a percent, and back."""
    assert (invoices.rate_of(text), percent(rate)) == (rate, shown)


@pytest.mark.parametrize("text", ["", "x", "-1", "20%", "1.234", "100", "²", "1e1"])
def test_what_is_not_a_rate(text: str) -> None:
    """Percent with two decimals, and nothing else."""
    with pytest.raises(BadInput):
        invoices.rate_of(text)


def test_an_invoice_says_what_the_law_asks() -> None:
    """Article 226: number, days, both parties with their addresses and VAT numbers, what was supplied, net, rate and
    tax; of a credit note the invoice that it corrects; why no tax is due. What is not subject to VAT names no VAT
    number (BR-O-02 of EN 16931).
    """
    days = ("2026-12-01", "2026-11-30", "2026-11-30")
    tax = invoices.checked_tax("reverse_charge", None, "", BUYER, SELLER)
    made = invoices.document(
        "INV-000002", "credit note", days, (SELLER, BUYER), tax, "EUR", {"Credit": 5 * MICROS},
        corrects=("INV-000001", "2026-11-01"),
    )  # fmt: skip
    said = invoices.en16931(made)
    assert (said["BT-1"], said["BT-2"], said["BT-3"]) == ("INV-000002", "2026-12-01", "381")
    assert said["BG-3"] == [{"BT-25": "INV-000001", "BT-26": "2026-11-01"}]
    assert (said["BG-4"]["vat_identifier"], said["BG-7"]["vat_identifier"]) == ("GB980780684", "DE136695976")
    assert "article 196" in said["BG-23"][0]["BT-120"]
    outside = invoices.document(
        "INV-000003", "invoice", days, (SELLER, BUYER), invoices.checked_tax("outside", None, "", BUYER, SELLER), "EUR",
        {"Calls": MICROS},
    )  # fmt: skip
    told = invoices.en16931(outside)
    assert "vat_identifier" not in {**told["BG-4"], **told["BG-7"]}
    assert "BT-119" not in told["BG-23"][0]
