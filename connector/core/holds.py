"""What a live call holds: whole billing blocks, paid for before they are talked, from a bundle first and then in money.

A hold only grows while the call lasts. Its price is that of all the seconds that money pays for, rounded once, so that
what is held is always exactly what would be charged for them, however many slices it grew in.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.core import rating
from connector.core.rating import Rate


@dataclass(frozen=True, slots=True)
class Slicing:
    """How calls are paid ahead: in slices of `slice_s`, and never longer than `longest_s` in all.

    Long slices cost fewer transactions and bind more of the credit; short ones the other way round.
    """

    slice_s: int = 60
    longest_s: int = 14_400


@dataclass(frozen=True, slots=True)
class Funds:
    """What a call may still take: free seconds of its bundle, and money (micros) that is free and within its limits."""

    bundle_s: int
    micros: int


@dataclass(frozen=True, slots=True)
class Hold:
    """What a call holds: seconds of its bundle, and seconds in money, which cost `micros`."""

    bundle_s: int = 0
    paid_s: int = 0
    micros: int = 0

    @property
    def seconds(self) -> int:
        """How long the call may talk: Asterisk's absolute timeout, from the answer on."""
        return self.bundle_s + self.paid_s


def extended(hold: Hold, rate: Rate, funds: Funds, slicing: Slicing) -> Hold:
    """The hold after one more slice: as many whole blocks of it as the funds reach for; the same if for none.

    The first slice of a call is the extension of an empty hold. A block may be paid from both bundle and money.
    """
    wanted = rating.whole_blocks(hold.seconds + slicing.slice_s, rate.increments)
    most = rating.blocks_within(max(hold.seconds, slicing.longest_s), rate.increments)
    # A rate whose very first block is longer than the longest call: that block, or no call at all.
    most = max(most, rating.whole_blocks(1, rate.increments))
    affordable_paid = max(hold.paid_s, rating.seconds_for(rate, hold.micros + funds.micros))
    affordable = rating.blocks_within(hold.bundle_s + funds.bundle_s + affordable_paid, rate.increments)
    seconds = min(wanted, most, affordable)
    if seconds <= hold.seconds:
        return hold
    bundle_s = min(seconds - hold.paid_s, hold.bundle_s + funds.bundle_s)
    paid_s = seconds - bundle_s
    return Hold(bundle_s, paid_s, rating.price(rate, paid_s))


def repinned(hold: Hold, rate: Rate) -> Hold:
    """The hold at another rate: what its money pays for at that rate, in whole blocks, and never more than before.

    The rate may change between the first INVITE and the answer; the one at the answer counts (BRIEF, rule 6).
    """
    paid_s = min(hold.paid_s, rating.seconds_for(rate, hold.micros))
    seconds = rating.blocks_within(hold.bundle_s + paid_s, rate.increments)
    paid_s = max(0, seconds - hold.bundle_s)
    return Hold(seconds - paid_s, paid_s, rating.price(rate, paid_s))


def settled(hold: Hold, rate: Rate, duration_ms: int) -> rating.Rated:
    """What is charged of a hold when the call is over; the rest is void. Never more than was held."""
    return rating.rated(rate, duration_ms, hold.bundle_s, most_s=hold.seconds)


def lasts_ms(available_micros: int, held_micros: int, spent_micros: int, burn_micros: int) -> int | None:
    """How long credit lasts if calls go on as they are, in milliseconds; None if none is being spent.

    `spent` is what the calls that are up have cost so far, of what is `held` for them; `burn` is what they cost a
    minute. A call ends with its last paid block, so some end a slice sooner, and others as much later.
    """
    if not burn_micros:
        return None
    return max(0, available_micros + held_micros - spent_micros) * 60_000 // burn_micros
