"""Money as people read and type it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import formats, money
from connector.errors import BadInput
from connector.words import LANGUAGE

# micros, currency -> exactly, to the smallest coin
SHOWN = [
    (1_877_443_200, "GBP", "£1,877.4432", "£1,877.44"),
    (5_000_000, "GBP", "£5.00", "£5.00"),
    (0, "GBP", "£0.00", "£0.00"),
    (13_200, "GBP", "£0.0132", "£0.0132"),
    (999_999, "GBP", "£0.999999", "£0.999999"),
    (-12_500_000, "EUR", "-€12.50", "-€12.50"),
    (12_500_000, "HUF", "HUF12.50", "HUF12.50"),
    (1_125_000, "GBP", "£1.125", "£1.13"),
    (9_500_000_000, "XOF", "F\u202fCFA9,500", "F\u202fCFA9,500"),
    (1_234_567_890, "JPY", "JP¥1,234.56789", "JP¥1,235"),
    (3_100_000, "KWD", "KWD3.100", "KWD3.100"),
    (1_000_000_000_000, "USD", "US$1,000,000.00", "US$1,000,000.00"),
]


@pytest.mark.parametrize(("micros", "currency", "exact", "rounded"), SHOWN)
def test_money_looks_like_money(micros: int, currency: str, exact: str, rounded: str) -> None:
    """With the currency's sign and coins, in groups of three digits."""
    assert (formats.shown(micros, currency).replace("\xa0", ""), formats.rounded(micros, currency)) == (exact, rounded)


# language, micros, currency -> exactly, to the smallest coin, in a field
ELSEWHERE = [
    ("de", 1_877_443_200, "GBP", "1.877,4432 £", "1.877,44 £", "1877,4432"),
    ("de", -12_500_000, "EUR", "-12,50 €", "-12,50 €", "-12,50"),
    ("de", 5_000_000, "USD", "5,00 $", "5,00 $", "5,00"),
    ("de", 1_234_567_890, "JPY", "1.234,56789 ¥", "1.235 ¥", "1234,56789"),
    ("es", 1_877_443_200, "EUR", "1.877,4432 €", "1.877,44 €", "1877,4432"),
    ("es", 13_200, "USD", "0,0132 US$", "0,0132 US$", "0,0132"),
    ("en", 1_877_443_200, "EUR", "€1,877.4432", "€1,877.44", "1877.4432"),
]


@pytest.mark.parametrize(("language", "micros", "currency", "exact", "rounded", "in_field"), ELSEWHERE)
def test_money_looks_as_the_reader_writes_it(
    language: str, micros: int, currency: str, exact: str, rounded: str, in_field: str
) -> None:
    """With the signs of the reader's language; what stands in a field can be sent back as it is."""
    before = LANGUAGE.set(language)
    try:
        found = (formats.shown(micros, currency).translated(), formats.rounded(micros, currency).translated())
        assert tuple(each.replace("\xa0", " ") for each in found) == (exact, rounded)
        assert formats.field(micros, currency) == in_field
        assert money.amount(formats.typed(in_field.lstrip("-"), currency)) == abs(micros)
        one = formats.pattern(currency).replace("#", formats.field(1_000_000, currency))
        assert one == formats.shown(1_000_000, currency).translated()
    finally:
        LANGUAGE.reset(before)


# typed in German, currency -> plain digits, or what is said
TYPED_IN_GERMAN = [
    ("1.000,50", "EUR", "1000.50"),
    ("1.000,50 €", "EUR", "1000.50"),
    ("12,5", "EUR", "12.5"),
    ("5 EUR", "EUR", "5"),
    ("1 000 000", "EUR", "1000000"),
    ("1.000.000", "EUR", "1000000"),
    ("12.5", "EUR", BadInput),
    ("1.250", "EUR", "1250"),
    ("1.250", "KWD", BadInput),
    ("1.250", "JPY", "1250"),
    ("£5", "EUR", BadInput),
]


@pytest.mark.parametrize(("text", "currency", "digits"), TYPED_IN_GERMAN)
def test_a_sum_is_read_as_a_german_types_it(text: str, currency: str, digits: str | type[Exception]) -> None:
    """A comma before decimals; a point that may be meant as one is refused, as the comma is in English."""
    before = LANGUAGE.set("de")
    try:
        if isinstance(digits, str):
            assert formats.typed(text, currency) == digits
        else:
            with pytest.raises(digits, match=r"comma|currency"):
                formats.typed(text, currency)
    finally:
        LANGUAGE.reset(before)


# typed, currency -> plain digits, or what is said
TYPED = [
    ("£1,000.50", "GBP", "1000.50"),
    ("1,000.50 GBP", "GBP", "1000.50"),
    ("gbp 5", "GBP", "5"),
    (" 12.5 ", "GBP", "12.5"),
    ("$5", "USD", "5"),
    ("US$5", "USD", "5"),
    ("1 000 000", "EUR", "1000000"),
    ("1\u2019000.05", "CHF", "1000.05"),
    ("¥500", "JPY", "500"),
    ("-5", "GBP", "-5"),
    ("abc", "GBP", "abc"),
    ("", "GBP", ""),
    ("1,00,000", "GBP", BadInput),
    ("1,250", "GBP", "1250"),
    ("£20,000", "GBP", "20000"),
    ("0,125", "GBP", BadInput),
    ("12,50", "GBP", BadInput),
    ("0,500", "EUR", BadInput),
    ("0,013.5", "EUR", "0,013.5"),
    ("1,000,000", "GBP", "1000000"),
    ("1,250", "JPY", "1250"),
    ("0,500", "JPY", BadInput),
    ("1,000", "KWD", BadInput),
    ("1,000 000", "GBP", "1,000 000"),
    ("Cg.9,500.00", "XCG", "9500.00"),
    ("€5", "GBP", BadInput),
    ("5 dollars", "GBP", BadInput),
    ("5 EUR", "GBP", BadInput),
    ("1,5", "GBP", BadInput),
    ("1.000,50", "EUR", BadInput),
    ("5" * 100, "GBP", "5" * 100),
]


@pytest.mark.parametrize(("text", "currency", "digits"), TYPED)
def test_a_sum_is_read_as_people_type_it(text: str, currency: str, digits: str | type[Exception]) -> None:
    """With the company's sign or without, and with groups. Another currency, and a comma for a point, is refused."""
    if isinstance(digits, str):
        assert formats.typed(text, currency) == digits
    else:
        with pytest.raises(digits, match="Invalid amount"):
            formats.typed(text, currency)


@pytest.mark.parametrize("text", ["1,125", "£1,125", "0,125"])
def test_a_price_may_have_more_decimals_than_the_currency(text: str) -> None:
    """A limit of 1,125 a minute must not become one of 1125; with a point it is read, and thousands with decimals."""
    with pytest.raises(BadInput, match="Invalid amount"):
        formats.typed(text, "GBP", price=True)
    assert formats.typed("1.125", "GBP", price=True) == "1.125"
    assert formats.typed("1,125.00", "GBP", price=True) == "1125.00"


@given(
    st.integers(min_value=1, max_value=money.MOST_MICROS),
    st.sampled_from(sorted(money._CURRENCIES)),
)
def test_what_is_shown_can_be_typed_back(micros: int, currency: str) -> None:
    """Copied from a page and put into a form, it is the same sum; to the smallest coin, half up, if it was rounded."""
    assert money.amount(formats.typed(formats.shown(micros, currency), currency)) == micros
    unit = money.minor_unit(currency)
    near = micros if micros < money.MICROS else money.divided_half_up(micros, unit) * unit
    assert money.amount(formats.typed(formats.rounded(micros, currency), currency)) == near


@given(st.text(max_size=80))
def test_no_text_is_anything_but_refused_or_read(text: str) -> None:
    """Whatever is typed, it is a sum or one clear refusal."""
    try:
        money.amount(formats.typed(text, "GBP"))
    except BadInput as error:
        assert "Invalid amount" in str(error)
