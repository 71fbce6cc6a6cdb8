"""Prefixes that only retired forms of numbers have."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.decks import difference, parse
from connector.core.retired import current_form, is_retired_prefix

SHEET = "prefix,name,price_per_minute\n52,Mexico,0.01\n521,Mexico mobile,0.05\n5255,Mexico City,0.01\n392,Milan,0.02\n"


@pytest.mark.parametrize(
    ("prefix", "retired"),
    [
        ("+521", True), ("+521551", True), ("+52044", True), ("+5201", True), ("+52", False), ("+5255", False),
        ("+392", True), ("+3902", False), ("+393", False), ("+39", False), ("+39800", False),
        ("+55116", True), ("+55119", False), ("+5511", False), ("+55117", False), ("+55486", False),
        ("+2296", True), ("+22901", False), ("+84169", True), ("+849", False), ("+841800", False), ("+44", False),
        ("+", False),
    ],
)  # fmt: skip
def test_a_prefix_is_retired_if_only_retired_forms_begin_so(prefix: str, retired: bool) -> None:
    """By the national plans of today."""
    assert is_retired_prefix(prefix) is retired


HEADS = ["521", "52044", "392", "396", "399", "55116", "55218", "2292", "2299", "84123", "84162", "84188"]


@given(st.sampled_from(HEADS), st.text("0123456789", max_size=11))
def test_no_number_of_today_has_a_retired_prefix(head: str, rest: str) -> None:
    """So what stands under it rates nothing, and blocks nothing."""
    number = f"+{head}{rest}"[:16]
    if len(number) > 7:
        current = current_form(number)
        assert current != number or not phonenumbers.is_valid_number(phonenumbers.parse(number))


def test_a_deck_tells_which_of_its_prefixes_are_not_used() -> None:
    """The sheet is taken all the same: carriers still write them."""
    assert difference(None, parse(SHEET), 0).retired == ("+392", "+521")
