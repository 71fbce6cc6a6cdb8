"""Short service numbers: their form, their price."""

from __future__ import annotations

import pytest

from connector.core.rating import price, rated
from connector.core.service_numbers import ServiceNumber, checked
from connector.errors import BadInput


@pytest.mark.parametrize("digits", ["", "1", "1234567", "10a", "+101", "*67", "１０１"])
def test_a_service_number_has_two_to_six_digits(digits: str) -> None:
    """Everything else is a number like any other, or none."""
    with pytest.raises(BadInput, match="2 to 6 digits"):
        ServiceNumber(digits)


@pytest.mark.parametrize(
    ("fee", "minute", "duration_ms", "wanted"),
    [
        (0, 0, 61_000, 0),
        (150_000, 0, 1, 150_000),
        (150_000, 0, 600_000, 150_000),
        (0, 60_000, 1_001, 2_000),
        (1_990_000, 1_500_000, 90_000, 4_240_000),
        (150_000, 60_000, 0, 0),
    ],
)
def test_a_service_number_costs_its_fee_and_its_seconds(fee: int, minute: int, duration_ms: int, wanted: int) -> None:
    """Billed by the second; nothing if nobody answered."""
    rate = ServiceNumber("101", "Police", minute, fee).rate
    found = rated(rate, duration_ms, 0)
    assert found.price_micros == wanted == price(rate, found.paid_s)


def test_an_emergency_number_is_no_service_number() -> None:
    """It is called without credit, and has no price."""
    with pytest.raises(BadInput, match="999 is an emergency number"):
        checked(ServiceNumber("999"), ("112", "999"))
    assert checked(ServiceNumber("101"), ("112", "999")).digits == "101"
    with pytest.raises(BadInput, match="printable"):
        ServiceNumber("101", "a\nb")
    with pytest.raises(BadInput, match="zero or more"):
        ServiceNumber("101", "", -1)
    with pytest.raises(BadInput, match="at most 1000"):
        ServiceNumber("101", "", 1_000_000_001)
