"""What a call costs, in tables; and what must hold of any call."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import holds, rating
from connector.core.holds import Funds, Hold, Slicing
from connector.core.rating import Rate
from connector.errors import BadInput

TABLES = Path(__file__).parent.parent / "tables"


def cases(name: str) -> list[str]:
    """The lines of a table."""
    return [line for line in (TABLES / name).read_text().splitlines() if line.strip() and not line.startswith("#")]


def rate(price: int, fee: int, increments: str) -> Rate:
    """A rate."""
    return Rate("+44", "somewhere", price, fee, rating.increments(increments.replace("_", " ")), 0)


@pytest.mark.parametrize("line", cases("rating.txt"))
def test_seconds_and_price_of_a_call(line: str) -> None:
    """Time goes up to whole increments once, money to a micro once, half up."""
    ms, increments, price, fee, _, billed, charge = line.split()
    got = rating.rated(rate(int(price), int(fee), increments), int(ms), 0)
    assert (got.billed_s, got.price_micros) == (int(billed), int(charge))


@pytest.mark.parametrize("line", cases("bundle.txt"))
def test_a_call_may_straddle_bundle_and_money(line: str) -> None:
    """Rounded seconds come from the bundle first; the first block is rounded once a call (BRIEF, rule 7)."""
    left, ms, _, billed, bundle, paid, charge = line.split()
    got = rating.rated(rate(20_000, 1_000, "30/6"), int(ms), int(left))
    assert (got.billed_s, got.bundle_s, got.paid_s, got.price_micros) == (
        int(billed), int(bundle), int(paid), int(charge),
    )  # fmt: skip


@pytest.mark.parametrize("line", cases("holds.txt"))
def test_a_hold_grows_by_whole_blocks_that_are_paid(line: str) -> None:
    """A slice, or as many whole blocks of it as bundle and money reach for; never beyond the longest call."""
    terms, held, rest = line.split("|")
    increments, price, fee, slice_s, longest_s = terms.split()
    bundle_s, paid_s = (int(word) for word in held.split())
    funds, wanted = rest.split("->")
    priced = rate(int(price), int(fee), increments)
    before = Hold(bundle_s, paid_s, rating.price(priced, paid_s))
    slicing = Slicing(int(slice_s), int(longest_s))
    got = holds.extended(before, priced, Funds(*(int(word) for word in funds.split())), slicing)
    assert got == Hold(*(int(word) for word in wanted.split()))


rates = st.builds(
    rate,
    st.integers(0, 5_000_000),
    st.integers(0, 1_000_000),
    st.sampled_from(["30/6", "60/60", "1/1", "6/6", "10/1", "0:30_30:6_600:60"]),
)


@given(rates, st.integers(0, 10**9), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 10**6)), max_size=12),
       st.integers(1, 120), st.integers(0, 4_000_000))  # fmt: skip
def test_a_hold_always_pays_for_exactly_what_it_holds(
    priced: Rate, money: int, more: list[tuple[int, int]], slice_s: int, duration_ms: int
) -> None:
    """However it grew: its price is that of its seconds, the money suffices, and no charge is above it."""
    hold, left = Hold(), money
    for bundle_s, micros in more:
        left += micros
        after = holds.extended(hold, priced, Funds(bundle_s, left), Slicing(slice_s))
        assert 0 <= after.micros - hold.micros <= left
        assert 0 <= after.bundle_s - hold.bundle_s <= bundle_s
        assert after.paid_s >= hold.paid_s
        left -= after.micros - hold.micros
        hold = after
        assert hold.micros == rating.price(priced, hold.paid_s)
        assert hold.seconds == rating.whole_blocks(hold.seconds, priced.increments)
    charged = holds.settled(hold, priced, duration_ms)
    assert 0 <= charged.price_micros <= hold.micros
    assert charged.bundle_s <= hold.bundle_s
    if duration_ms <= hold.seconds * 1000:
        assert charged.billed_s == rating.billed_s(duration_ms, priced.increments)


@given(rates, rates, st.integers(0, 10**8))
def test_a_hold_at_another_rate_costs_no_more_than_it_did(old: Rate, new: Rate, money: int) -> None:
    """At the answer the rate may be another one: what was held pays for as many whole blocks as it can."""
    before = holds.extended(Hold(), old, Funds(7, money), Slicing())
    after = holds.repinned(before, new)
    assert after.micros <= before.micros
    assert after.seconds <= before.seconds
    assert after.micros == rating.price(new, after.paid_s)


@given(rates, st.integers(0, 10**9))
def test_seconds_for_money_are_the_most_that_it_pays(priced: Rate, micros: int) -> None:
    """One second more would cost more."""
    seconds = rating.seconds_for(priced, micros)
    if seconds:
        assert rating.price(priced, seconds) <= micros
    if seconds < 86_400:
        assert rating.price(priced, seconds + 1) > micros


WRONG_INCREMENTS = """
30|30/|/6|0/6|30/0|-30/6|30/6/6|1:30 30:6|0:30 31:6|0:30 10:6|0:30 0:6|99999999/1|30.5/6|a:b
"""


@pytest.mark.parametrize("text", ["", *WRONG_INCREMENTS.strip().split("|")])
def test_increments_that_do_not_meet_are_refused(text: str) -> None:
    """They begin at 0, and each ends at a whole step."""
    with pytest.raises(BadInput):
        rating.increments(text)


@pytest.mark.parametrize("text", ["30/6", "60/60", "1/1", "0:30 30:6 600:60"])
def test_increments_are_written_as_they_are_read(text: str) -> None:
    """What is pinned to a call is what the deck said."""
    assert rating.increments_text(rating.increments(text)) == text
