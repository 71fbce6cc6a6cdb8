"""May this call have a channel? The rules, and the order in which they speak."""

from __future__ import annotations

from collections.abc import Collection

from connector.core import refusals
from connector.core.refusals import Refusal

# A profile that is cancelling has paid to the end of its term.
_CARRIES_CALLS = ("active", "cancelling")


def may_carry(status: str) -> Refusal | None:
    """None if a profile in this status carries new calls, else why not."""
    return None if status in _CARRIES_CALLS else refusals.PROFILE_NOT_ACTIVE


def take_slot(channels: int, taken: Collection[int]) -> int | Refusal:
    """The lowest free slot of 1..`channels`, or CHANNELS_FULL.

    `taken` are the slots of the profile's live calls. After a change to fewer channels there may be more of them than
    `channels`, and some above it: then nothing is free, whatever slots are.
    """
    if len(taken) >= channels:
        return refusals.CHANNELS_FULL
    return next(slot for slot in range(1, channels + 1) if slot not in taken)
