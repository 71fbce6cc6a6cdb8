"""Which trunks a call out tries, and in which order. Pure: the same call, asked again, gets the same answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

# Each may ring for a minute, and all of it has to be less than the longest ringing (core/calls.py).
MOST_TRIES = 5
# What Asterisk calls a trunk: a name of its own, for two objects of one name make it drop all of that type.
_ENDPOINT = "connector-"


@dataclass(frozen=True)
class TrunkChoice:
    """A trunk that takes calls now. Lower `place` first; of one place, each has calls by its `share`."""

    id: int
    name: str
    place: int
    share: int
    failover: tuple[str, ...]
    number_form: str


@dataclass(frozen=True)
class Target:
    """One try: the pjsip endpoint, the number as it wants it, the SIP answers after which the next is tried, and the
    caller's number as it wants it, "" for none. `diverted`: the number that the call was forwarded from, "" for none.
    """

    endpoint: str
    number: str
    failover: tuple[str, ...] = ()
    shows: str = ""
    diverted: str = ""


def endpoint_of(trunk: str) -> str:
    """The pjsip endpoint of a trunk."""
    return _ENDPOINT + trunk


def trunk_of(endpoint: str) -> str | None:
    """The trunk of a pjsip endpoint; None if it is not one's."""
    return endpoint.removeprefix(_ENDPOINT) if endpoint.startswith(_ENDPOINT) else None


def order(choices: Sequence[TrunkChoice], call_id: str) -> list[TrunkChoice]:
    """The trunks as a call tries them: by place, and within one drawn by their shares, by the call's own id."""
    left = sorted(choices, key=lambda choice: (choice.place, choice.id))
    drawn: list[TrunkChoice] = []
    while left and len(drawn) < MOST_TRIES:
        first = [choice for choice in left if choice.place == left[0].place]
        word = hashlib.sha256(f"{call_id} {len(drawn)}".encode()).digest()
        lot = int.from_bytes(word[:8]) % sum(choice.share for choice in first)
        for choice in first:
            lot -= choice.share
            if lot < 0:
                drawn.append(choice)
                left.remove(choice)
                break
    return drawn
