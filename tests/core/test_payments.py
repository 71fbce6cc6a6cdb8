"""Payment references: ISO 11649."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import payments
from connector.errors import BadInput


def test_the_check_digits_are_those_of_the_standard() -> None:
    """`RF18 5390 0754 7034` is the example of ISO 11649: its remainder is 1."""
    assert payments._remainder("539007547034RF18") == 1
    found = payments.reference(12)
    assert found.startswith("RF")
    assert payments._remainder(found[4:] + found[:4]) == 1


@given(st.integers(1, 10**12 - 1))
def test_a_reference_names_its_company_however_it_is_typed(company: int) -> None:
    """With spaces, in small letters."""
    found = payments.reference(company)
    assert len(found) <= 25
    for typed in (found, payments.spaced(found), f" {found.lower()} "):
        assert payments.company_of(typed) == company


@given(st.integers(1, 999_999), st.integers(2, 10), st.integers(1, 9))
def test_a_wrong_digit_names_no_company(company: int, place: int, more: int) -> None:
    """Any one digit, and any two neighbours that changed places, are noticed."""
    found = payments.reference(company)
    digits = [at for at, char in enumerate(found) if char.isdecimal()]
    at = digits[place % len(digits)]
    wrong = found[:at] + str((int(found[at]) + more) % 10) + found[at + 1 :]
    with pytest.raises(BadInput, match="check digits"):
        payments.company_of(wrong)
    swapped = found[:-2] + found[-1] + found[-2]
    if swapped != found:
        with pytest.raises(BadInput, match="check digits"):
            payments.company_of(swapped)


@pytest.mark.parametrize("text", ["", "RF", "12", "RF18539007547034", "RF18C0000001x", "RF１８C000001", "RF18 C00 00"])
def test_what_is_no_reference_of_ours(text: str) -> None:
    """It is said where the reference stands."""
    with pytest.raises(BadInput, match="page Add money"):
        payments.company_of(text)
