"""Which trunks a call out tries, and in which order. Pure: the same call, asked again, gets the same answer."""

from __future__ import annotations

import hashlib
import json
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
    """A trunk that takes calls now. Lower `place` first; of one place, each has calls by its `share`. `called` and
    `caller`: what is stripped from the called and from the caller's number, and put before it (core/sip.py).
    """

    id: int
    name: str
    place: int
    share: int
    failover: tuple[str, ...]
    number_form: str
    called: tuple[int, str] = (0, "")
    caller: tuple[int, str] = (0, "")


# In which order trunks are tried: by their places, and within one by their shares; by what they take for a minute of
# the call, those of which that is not known last; or all of them by their shares, whatever their places.
FIXED, COST, SHARE = POLICIES = ("fixed", "cost", "share")
POLICY_WORDS = {
    FIXED: marked("by place, and within a place by share"),
    COST: marked("by cost, the lowest first"),
    SHARE: marked("by share alone"),
}
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


def allowed(priced: Sequence[Priced], price: Rate | None, floor: Floor | None) -> tuple[list[Priced], list[LeftOut]]:
    """The trunks that a call may try, and those that are left out. `price`: the rate at which the call is sold; None if
    it is sold at none. `floor`: what has to be left over the cost; None if nothing was said.
    """
    kept: list[Priced] = []
    left_out: list[LeftOut] = []
    for each in priced:
        why = _why_not(each, price, floor)
        if why:
            left_out.append(LeftOut(each.choice.name, why, each.cost))
        else:
            kept.append(each)
    return kept, left_out


def _why_not(each: Priced, price: Rate | None, floor: Floor | None) -> str:
    if each.is_known and each.cost is None:
        return NO_COST_RATE
    if floor is None or price is None:
        return ""
    if each.cost is None:
        return COST_UNKNOWN
    return "" if costs.leaves(floor, price, each.cost) else BELOW_FLOOR


def order(priced: Sequence[Priced], call_id: str, policy: str = FIXED) -> list[Priced]:
    """The trunks as a call tries them, by the policy: those of one rank are drawn by their shares, by the call's own
    id. At most `MOST_TRIES`.
    """
    left = sorted(((_rank(each, policy), each.choice.id, each) for each in priced), key=lambda ranked: ranked[:2])
    drawn: list[Priced] = []
    while left and len(drawn) < MOST_TRIES:
        lowest = left[0][0]
        if len(left) == 1 or left[1][0] != lowest:  # nothing to draw
            drawn.append(left.pop(0)[2])
            continue
        first = [ranked for ranked in left if ranked[0] == lowest]
        word = hashlib.sha256(f"{call_id} {len(drawn)}".encode()).digest()
        lot = int.from_bytes(word[:8]) % sum(each.choice.share for _, _, each in first)
        for ranked in first:
            lot -= ranked[2].choice.share
            if lot < 0:
                drawn.append(ranked[2])
                left.remove(ranked)
                break
    return drawn


def _rank(priced: Priced, policy: str) -> tuple[int, ...]:
    """The lowest is tried first."""
    if policy == SHARE:
        return ()
    if policy == COST:
        if priced.cost is None:  # what is not known is not cheap
            return 1, 0, priced.choice.place
        return 0, costs.minute_at(priced.cost.rate, priced.cost.exchange), priced.choice.place
    return (priced.choice.place,)


@dataclass(frozen=True)
class Routing:
    """What was decided for a call: by which policy, the trunks that it tries, in order, each with what it takes a
    minute, None if that is not known; and those that were left out.
    """

    policy: str
    tries: tuple[tuple[str, int | None], ...]
    left_out: tuple[tuple[str, str, int | None], ...]

    def to_text(self) -> str:
        """As it is kept with the call; "" where there was nothing to decide."""
        if self.policy == FIXED and len(self.tries) < 2 and not self.left_out:
            return ""
        return json.dumps([self.policy, self.tries, self.left_out])

    @classmethod
    def of_text(cls, text: str) -> Routing | None:
        """What `to_text` wrote; None for ""."""
        if not text:
            return None
        policy, tries, left_out = json.loads(text)
        return cls(policy, tuple(map(tuple, tries)), tuple(map(tuple, left_out)))


def routing(policy: str, tries: Sequence[Priced], left_out: Sequence[LeftOut]) -> Routing:
    """What was decided, to be kept."""
    return Routing(
        policy,
        tuple((each.choice.name, _takes(each.cost)) for each in tries),
        tuple((each.name, each.why, _takes(each.cost)) for each in left_out),
    )


def _takes(cost: Cost | None) -> int | None:
    return None if cost is None else cost.per_minute_micros()
