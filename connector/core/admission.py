"""May this call have a channel? The rules, and the order in which they speak."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from connector.core import destinations, refusals
from connector.core.destinations import PrefixRule
from connector.core.rating import Rate
from connector.core.refusals import Refusal

# A profile that is cancelling has paid to the end of its term.
_CARRIES_CALLS = ("active", "cancelling")


@dataclass(frozen=True)
class Limits:
    """What a profile may dial and spend; None is no limit. Money in micros.

    `day_micros` is for any 24 hours, `month_micros` for a calendar month of the company's time zone; both count what
    live calls hold. `uses_company_balance`: whether US calls beyond the bundles may be paid by it (BRIEF, rule 8).
    """

    price_per_minute_micros: int | None = None
    call_micros: int | None = None
    day_micros: int | None = None
    month_micros: int | None = None
    calls_per_second: int | None = None
    attempts_per_number: int | None = None
    uses_company_balance: bool = True


@dataclass(frozen=True)
class Pace:
    """How fast a profile's calls come: those admitted in the last second, and to this number in the last hour."""

    in_last_second: int
    to_number_in_last_hour: int


def may_dial(called: str, rate: Rate, limits: Limits, rules: Sequence[PrefixRule], pace: Pace) -> Refusal | None:
    """None if the profile may call the number at this rate, now; else why not."""
    if not destinations.may_be_dialled(called, rate.kind, rules):
        return refusals.DESTINATION_BLOCKED
    if limits.price_per_minute_micros is not None and rate.price_per_minute_micros > limits.price_per_minute_micros:
        return refusals.PRICE_TOO_HIGH
    if limits.calls_per_second is not None and pace.in_last_second >= limits.calls_per_second:
        return refusals.CALLS_TOO_FAST
    if limits.attempts_per_number is not None and pace.to_number_in_last_hour >= limits.attempts_per_number:
        return refusals.NUMBER_TOO_OFTEN
    return None


def may_carry(status: str, state: str) -> Refusal | None:
    """None if a profile carries new calls: by its subscription's status, and by the state that an operator wants."""
    if state == "suspended":
        return refusals.PROFILE_SUSPENDED
    if status not in _CARRIES_CALLS:
        return refusals.PROFILE_NOT_ACTIVE
    return refusals.PROFILE_DRAINING if state == "draining" else None


def take_slot(channels: int, taken: Collection[int]) -> int | Refusal:
    """The lowest free slot of 1..`channels`, or CHANNELS_FULL.

    `taken` are the slots of the profile's live calls. After a change to fewer channels there may be more of them than
    `channels`, and some above it: then nothing is free, whatever slots are.
    """
    if len(taken) >= channels:
        return refusals.CHANNELS_FULL
    return next(slot for slot in range(1, channels + 1) if slot not in taken)
