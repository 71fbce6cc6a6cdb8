"""Which trunks a call out tries, and in which order. Pure: the same call, asked again, gets the same answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from connector.core import costs
from connector.core.costs import Cost, Floor
from connector.core.rating import Rate
from connector.words import marked

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


# Why a trunk is left out: its cost deck has no rate for the number; a floor is set, and the trunk has no cost deck, or
# its deck's currency no exchange rate; or the call would leave less than the floor.
NO_COST_RATE, COST_UNKNOWN, BELOW_FLOOR = "no_cost_rate", "cost_unknown", "below_floor"
LEFT_OUT = {
    NO_COST_RATE: marked("its cost deck has no rate for the number"),
    COST_UNKNOWN: marked("its cost is not known, and a margin floor is set"),
    BELOW_FLOOR: marked("the call would leave less than the margin floor"),
}


@dataclass(frozen=True)
class Priced:
    """A trunk and what it takes for the number that is called. `cost` is None if the trunk's cost deck has no rate for
    it, or if it is not known (`is_known` is false then).
    """

    choice: TrunkChoice
    cost: Cost | None = None
    is_known: bool = False


@dataclass(frozen=True)
class LeftOut:
    """A trunk that is not tried, and why."""

    name: str
    why: str
    cost: Cost | None = None


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


def allowed(
    priced: Sequence[Priced], price: Rate | None, floor: Floor | None
) -> tuple[list[TrunkChoice], list[LeftOut]]:
    """The trunks that a call may try, and those that are left out. `price`: the rate at which the call is sold; None if
    it is sold at none. `floor`: what has to be left over the cost; None if nothing was said.
    """
    kept: list[TrunkChoice] = []
    left_out: list[LeftOut] = []
    for each in priced:
        why = _why_not(each, price, floor)
        if why:
            left_out.append(LeftOut(each.choice.name, why, each.cost))
        else:
            kept.append(each.choice)
    return kept, left_out


def _why_not(each: Priced, price: Rate | None, floor: Floor | None) -> str:
    if each.is_known and each.cost is None:
        return NO_COST_RATE
    if floor is None or price is None:
        return ""
    if each.cost is None:
        return COST_UNKNOWN
    return "" if costs.leaves(floor, price, each.cost) else BELOW_FLOOR


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
