"""The cheapest mix is what trying every mix finds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.mix import Bundled, Made, cheapest, of
from connector.core.plans import BUNDLE_SECONDS, MOST_CHANNELS, channels_sold
from connector.core.rating import Rate, increments, price

RATES = tuple(
    Rate("1", "US", per_minute, fee, increments("30/6"), 0)
    for per_minute, fee in ((20_000, 0), (0, 0), (9_000, 50_000))
)
made = st.lists(st.builds(Made, st.integers(0, 2 * BUNDLE_SECONDS), st.sampled_from(RATES)), max_size=12)
prices = st.integers(0, 80_000_000)


def paid_by_hand(calls: list[Made], bundles: int) -> int:
    """Second by second, in the calls' order: bundles pay first."""
    left, total = bundles * BUNDLE_SECONDS, 0
    for call in calls:
        bundled = min(left, call.billed_s)
        left -= bundled
        total += price(call.rate, call.billed_s - bundled)
    return total


@given(made, st.integers(0, 30))
def test_bundles_pay_first(calls: list[Made], bundles: int) -> None:
    """What is left for money is what walking through the calls finds."""
    assert Bundled(calls).paid(bundles) == paid_by_hand(calls, bundles)


@settings(max_examples=60, deadline=None)
@given(made, st.integers(1, MOST_CHANNELS), prices, prices)
def test_no_other_mix_is_cheaper(calls: list[Made], needed: int, channel: int, bundle: int) -> None:
    """Of every number of channels that is enough, and every number of bundles that goes with it."""
    found = cheapest(needed, Bundled(calls), channel, bundle)
    assert found.channels >= max(needed, found.bundles)
    every = [
        sold * channel + bundles * bundle + paid_by_hand(calls, bundles)
        for sold in {channels_sold(channels) for channels in range(1, MOST_CHANNELS + 1)}
        if sold >= needed
        for bundles in range(min(sold, 30) + 1)
    ]
    assert found.total_micros == min(every)
    assert found == of(found.channels, found.bundles, Bundled(calls), channel, bundle)
