"""The cheapest mix of channels and bundles for calls that were made: what a term of them would have cost."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from connector.core.plans import BUNDLE_SECONDS, MOST_CHANNELS, channels_sold
from connector.core.rating import Rate, price


class Made(NamedTuple):
    """A call that a bundle would have paid for: its billed seconds, and the rate it was billed by."""

    billed_s: int
    rate: Rate


@dataclass(frozen=True)
class Mix:
    """So many channels and bundles for a term, and what the calls that no bundle pays for would cost besides."""

    channels: int
    bundles: int
    term_price_micros: int
    calls_micros: int
    total_micros: int


class Bundled:
    """Calls in their order, of which bundles pay the first so many seconds."""

    def __init__(self, made: Sequence[Made]) -> None:
        self._made = made
        # Seconds of all calls up to each, and the price of all from each on: one pass, however many bundles are tried.
        self._until_s = list(itertools.accumulate(call.billed_s for call in made))
        prices = [price(call.rate, call.billed_s) for call in made]
        self._rest = [*itertools.accumulate(reversed(prices), initial=0)][::-1]

    @property
    def seconds(self) -> int:
        """All billed seconds."""
        return self._until_s[-1] if self._until_s else 0

    def paid(self, bundles: int) -> int:
        """What is paid in money for calls if there are so many bundles; a call may straddle (BRIEF, rule 7)."""
        free_s = bundles * BUNDLE_SECONDS
        at = bisect.bisect_left(self._until_s, free_s + 1)
        if at == len(self._made):
            return 0
        over = self._made[at]
        return price(over.rate, min(over.billed_s, self._until_s[at] - free_s)) + self._rest[at + 1]


def of(channels: int, bundles: int, made: Bundled, channel_micros: int, bundle_micros: int) -> Mix:
    """What so many channels, as they are sold, and bundles would cost."""
    sold = channels_sold(channels)
    term, calls = sold * channel_micros + bundles * bundle_micros, made.paid(bundles)
    return Mix(sold, bundles, term, calls, term + calls)


def cheapest(needed: int, made: Bundled, channel_micros: int, bundle_micros: int) -> Mix:
    """The cheapest mix with at least so many channels; of several the one with the fewest bundles.

    There are never more bundles than channels, so a bundle may bring a channel along that nobody needs.
    """
    most = min(MOST_CHANNELS, -(-made.seconds // BUNDLE_SECONDS))
    found = []
    for bundles in range(most + 1):
        channels = max(needed, bundles, 1)
        if channels_sold(min(channels, MOST_CHANNELS)) < channels:  # sold in tens, rounded down: the next ten
            channels += 5
        found.append(of(min(channels, MOST_CHANNELS), bundles, made, channel_micros, bundle_micros))
    return min(found, key=lambda mix: mix.total_micros)
