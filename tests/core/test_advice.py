"""How many channels are needed."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from connector.core import advice
from connector.errors import BadInput


def erlang_b(erlangs: Fraction, channels: int) -> Fraction:
    """The formula as it stands in books: A^n/n! over the sum of A^k/k!."""
    term = total = Fraction(1)
    for channel in range(1, channels + 1):
        term = term * erlangs / channel
        total += term
    return term / total


@pytest.mark.parametrize("line", """
0.5    0.01   -> 4    0.0015797788
5      0.01   -> 11   0.0082873685
20     0.01   -> 30   0.0084574983
84.06  0.01   -> 100  0.0099917026
84.07  0.01   -> 101  0.0082645965
100    0.001  -> 128  0.0009676306
""".strip().splitlines())  # fmt: skip
def test_erlang_b(line: str) -> None:
    """The fewest channels with no more blocking than wanted, against the formula in exact fractions."""
    erlangs, most, _, channels, blocking = line.split()
    got = advice.by_erlangs(Decimal(erlangs), Decimal(most))
    assert (got.channels, got.blocking) == (int(channels), blocking)
    assert erlang_b(Fraction(erlangs), got.channels) <= Fraction(most) < erlang_b(Fraction(erlangs), got.channels - 1)
    assert abs(
        Fraction(advice.blocking(Decimal(erlangs), got.channels)) - erlang_b(Fraction(erlangs), got.channels)
    ) < (Fraction(1, 10**40))


def test_channels_to_buy_are_never_fewer_than_those_needed() -> None:
    """Above 100 they are sold in tens, and beyond 300 in several profiles."""
    assert (advice.by_erlangs(Decimal("84.07")).channels, advice.by_erlangs(Decimal("84.07")).to_buy) == (101, 110)
    for erlangs in range(1, 700, 7):
        got = advice.by_erlangs(Decimal(erlangs))
        assert got.to_buy >= got.channels
        assert got.to_buy <= 300 * got.profiles


def test_the_table_is_a_tenth_of_an_erlang_each_at_one_in_a_hundred() -> None:
    """The table for employees is what Erlang B says for an ordinary office."""
    for employees, channels in advice.BY_EMPLOYEES:
        assert advice.by_erlangs(employees * advice.ERLANGS_PER_EMPLOYEE).channels == channels
        assert advice.by_employees(employees).channels == channels
    assert advice.by_employees(1).channels == 4
    for wrong in (0, -1, 100_000):
        with pytest.raises(BadInput):
            advice.by_employees(wrong)


@pytest.mark.parametrize("text", ["NaN", "inf", "1e309", "-1", "", ".", "1_0", "١", "0x1", "1.2.3", "9" * 100])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Plain decimals only."""
    with pytest.raises(BadInput):
        advice.number(text, "the traffic")


@pytest.mark.parametrize(
    ("erlangs", "blocking"), [("0", "0.01"), ("100000", "0.01"), ("5", "0"), ("5", "1"), ("5", "2")]
)
def test_figures_outside_of_sense_are_refused(erlangs: str, blocking: str) -> None:
    """No traffic, too much of it, no blocking at all, all of it."""
    with pytest.raises(BadInput):
        advice.by_erlangs(Decimal(erlangs), Decimal(blocking))
