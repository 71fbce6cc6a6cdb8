"""Sums of money, from what people type to integers and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import money
from connector.errors import BadInput


@pytest.mark.parametrize(
    ("text", "micros"),
    [("12.50", 12_500_000), ("0.000001", 1), ("1", 1_000_000), ("1000000000", 10**15), (" 7.1 ", 7_100_000)],
)
def test_plain_digits_are_money(text: str, micros: int) -> None:
    """Digits, a point, at most six digits after it."""
    assert money.amount(text) == micros


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "+1", "NaN", "inf", "1e3", "1e309", "0.0000001", "1000000000.000001", "1000000000000000000", "1,50",
     "1.", ".", "", "1 000", "0x10", "１２", "١", "1\n2", "12.50 GBP", "9" * 9000],
)  # fmt: skip
def test_everything_else_is_refused_in_one_short_line(text: str) -> None:
    """No exponents, no signs, no digits of other scripts, nothing above 10^9, nothing below a millionth."""
    with pytest.raises(BadInput) as error:
        money.amount(text)
    assert len(str(error.value)) < 250


@given(st.integers(min_value=1, max_value=money.MOST_MICROS))
def test_what_is_shown_can_be_read_back(micros: int) -> None:
    """A sum shown to a person is the exact sum."""
    assert money.amount(money.decimal(micros)) == micros


@given(st.integers(min_value=0, max_value=10**18), st.integers(min_value=1, max_value=10**9))
def test_half_goes_up(number: int, by: int) -> None:
    """The nearest integer, and of two as near the greater."""
    got = money.divided_half_up(number, by)
    assert -by <= 2 * (number - got * by) < by


def test_currencies_have_their_own_minor_units() -> None:
    """A hundredth, but for those without and those with thousandths."""
    assert [money.minor_unit(code) for code in ("GBP", "JPY", "KWD")] == [10_000, 1_000_000, 1_000]
    for wrong in ("gbp", "GB", "POUND", "G1P", ""):
        with pytest.raises(BadInput):
            money.checked_currency(wrong)
