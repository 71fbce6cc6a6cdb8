"""What a profile may spend, whether it carries calls, and which channel a call takes. Pure; core/gate.py decides."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from connector.core import refusals
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


@dataclass(frozen=True)
class UsualLimits:
    """What a new profile may spend in a day (whole units of the company's currency; 100 times as many in one without
    cents) and how many calls it may begin in a second, until its company sets something else. None: no limit. A stolen
    password cannot spend everything.
    """

    day: int | None = 100
    calls_per_second: int | None = 10

    @classmethod
    def of(cls, day: int, calls_per_second: int) -> UsualLimits:
        """From the settings, in which 0 means no limit."""
        return cls(day or None, calls_per_second or None)


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
