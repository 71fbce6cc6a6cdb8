"""Decides whether a call is carried: every reason to refuse it, in one order of precedence. Pure.

`CHECKS` is the precedence: if several reasons apply, the call is refused for the first one. refusals.ALL and the table
in docs/refusals.md have the same order; tests compare them. billing/facts.py gathers the facts of a call,
billing/calls.py writes the decision. Test calls (billing/trials.py) are decided here as well, from the same facts.

Money is in micros, times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from connector.core import admission, destinations, holds, refusals
from connector.core.admission import Limits, Pace
from connector.core.callers import NOBODY, Shown
from connector.core.calls import LONGEST_BY_BUTTON_S, Admitted, Direction, Emergency
from connector.core.destinations import PrefixRule
from connector.core.holds import Funds, Hold, Slicing
from connector.core.rating import Rate
from connector.core.refusals import Refusal
from connector.core.routes import Path
from connector.core.sip import rewritten
from connector.core.trunks import LeftOut, Routing, Target, TrunkChoice, endpoint_of


@dataclass(frozen=True)
class ProfileFacts:
    """The profile of the call. `called_in`: where its PBX expects the called number (core/sip.py)."""

    id: int
    username: str
    name: str
    company_id: int
    status: str
    state: str
    channels: int
    called_in: str = "header"


@dataclass(frozen=True)
class TrunkFacts:
    """The trunk of an incoming call."""

    id: int
    company_id: int
    open: bool = True


@dataclass(frozen=True)
class ButtonFacts:
    """The call button of an incoming call. `most`: its limit of simultaneous calls; `up`: how many there are now."""

    name: str
    company_id: int
    most: int
    up: int


@dataclass(frozen=True)
class Offer:
    """The rate of a call and its payer: profile, company, or bundle if only the bundle may pay.

    `term`: the id of the term whose bundle pays first; None if there is no bundle. `limits`: the profile's.
    """

    deck: int
    rate: Rate
    payer: str
    term: int | None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Money:
    """The money available for a call: `free` in total, `within_limits` after the profile's spending limits.

    `recharges`: auto-recharge is configured. `low`: the credit is below the recharge threshold, and no recharge was
    tried for this call yet.
    """

    free: Funds
    within_limits: Funds
    recharges: bool = False
    low: bool = False


_NOWHERE = Path((), 0)
_SLOW = Pace(0, 0)


@dataclass(frozen=True)
class Facts:
    """Everything that decides one call.

    profile: None if there is none. trunk: of an incoming call; None if it is unknown. emergency: the emergency number
    that was dialled. called: the number in E.164, the digits of a service number, or an account; "" if it is not valid.
    tries: the trunks of an outgoing call, in order; left_out: those that it may not try; routing: both, as it is kept
    with the call. shown: the caller ID; None if it is foreign and the profile refuses foreign caller IDs. diverted: the
    number that forwarded the call, "" if none. path: where an incoming call rings; nowhere: its route has no
    destination now. context: the dialplan context of an incoming call if this Asterisk is the PBX. offer: None if there
    is no rate or the call is free. pace: recent calls of the profile. up_already: the same INVITE is active. taken: the
    channels in use. money: None if it was not read.
    """

    direction: Direction
    by_button: bool = False
    profile: ProfileFacts | None = None
    trunk: TrunkFacts | None = None
    button: ButtonFacts | None = None
    emergency: str | None = None
    called: str = ""
    tries: tuple[TrunkChoice, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    routing: Routing | None = None
    shown: Shown | None = NOBODY
    diverted: str = ""
    path: Path = _NOWHERE
    nowhere: bool = False
    context: str = ""
    offer: Offer | None = None
    rules: tuple[PrefixRule, ...] = ()
    pace: Pace = _SLOW
    up_already: bool = False
    taken: frozenset[int] = frozenset()
    money: Money | None = None

    @property
    def goes_out(self) -> bool:
        """Whether the call is outgoing. Outgoing calls cost money."""
        return self.direction is Direction.OUT


@dataclass(frozen=True)
class Admission:
    """The call is admitted. `slot`: its channel. `first`: the first slice that it holds; None if the call is free."""

    slot: int
    first: Hold | None


@dataclass(frozen=True)
class RechargeFirst:
    """The credit is low: try an auto-recharge, then decide again."""


@dataclass(frozen=True)
class Check:
    """One reason to refuse a call, and the condition under which it applies."""

    refusal: Refusal
    holds: Callable[[Facts, Slicing], bool]


def _of_profile(refusal: Refusal) -> Check:
    """The check of one refusal that depends on the profile's status and state (core/admission.py)."""
    return Check(
        refusal,
        lambda facts, _: (
            facts.profile is not None and admission.may_carry(facts.profile.status, facts.profile.state) is refusal
        ),
    )


def _number_invalid(facts: Facts, _: Slicing) -> bool:
    if facts.called:
        return False
    return facts.profile is not None if facts.goes_out else facts.trunk is not None


def _number_unknown(facts: Facts, _: Slicing) -> bool:
    known_way = facts.by_button or (facts.trunk is not None and bool(facts.called))
    return not facts.goes_out and known_way and facts.profile is None


def _no_trunk(facts: Facts, _: Slicing) -> bool:
    if facts.goes_out:
        return facts.profile is not None and not facts.tries and not facts.left_out
    return facts.trunk is None and not facts.by_button


def _no_rate(facts: Facts, _: Slicing) -> bool:
    return facts.goes_out and facts.profile is not None and bool(facts.called) and facts.offer is None


def _blocked(facts: Facts, _: Slicing) -> bool:
    offer = facts.offer
    return offer is not None and not destinations.may_be_dialled(facts.called, offer.rate.kind, facts.rules)


def _too_dear(facts: Facts, _: Slicing) -> bool:
    if facts.offer is None or facts.offer.limits.price_per_minute_micros is None:
        return False
    return facts.offer.rate.price_per_minute_micros > facts.offer.limits.price_per_minute_micros


def _too_fast(facts: Facts, _: Slicing) -> bool:
    most = facts.offer.limits.calls_per_second if facts.offer else None
    return most is not None and facts.pace.in_last_second >= most


def _too_often(facts: Facts, _: Slicing) -> bool:
    most = facts.offer.limits.attempts_per_number if facts.offer else None
    return most is not None and facts.pace.to_number_in_last_hour >= most


def _full(facts: Facts, _: Slicing) -> bool:
    return facts.profile is not None and len(facts.taken) >= facts.profile.channels


def _cannot_pay(facts: Facts, slicing: Slicing) -> bool:
    """The credit, balance or bundle does not cover the first billing block."""
    if facts.offer is None or facts.money is None:
        return False
    return holds.extended(Hold(), facts.offer.rate, facts.money.free, slicing).seconds == 0


def _limit_reached(facts: Facts, slicing: Slicing) -> bool:
    """There is enough money, but a spending limit does not allow the first billing block."""
    if facts.offer is None or facts.money is None or _cannot_pay(facts, slicing):
        return False
    return holds.extended(Hold(), facts.offer.rate, facts.money.within_limits, slicing).seconds == 0


CHECKS: tuple[Check, ...] = (
    Check(refusals.PROFILE_UNKNOWN, lambda facts, _: facts.goes_out and facts.profile is None),
    _of_profile(refusals.PROFILE_SUSPENDED),
    _of_profile(refusals.PROFILE_NOT_ACTIVE),
    _of_profile(refusals.PROFILE_DRAINING),
    Check(refusals.NUMBER_INVALID, _number_invalid),
    Check(refusals.NUMBER_UNKNOWN, _number_unknown),
    Check(refusals.NO_TRUNK, _no_trunk),
    Check(refusals.TRUNK_CLOSED, lambda facts, _: facts.trunk is not None and not facts.trunk.open),
    Check(refusals.CALLER_FOREIGN, lambda facts, _: facts.goes_out and facts.shown is None),
    Check(refusals.NO_ROUTE, lambda facts, _: facts.nowhere),
    Check(refusals.NO_RATE, _no_rate),
    Check(refusals.DESTINATION_BLOCKED, _blocked),
    Check(refusals.PRICE_TOO_HIGH, _too_dear),
    Check(refusals.NO_CARRIER, lambda facts, _: bool(facts.left_out) and not facts.tries),
    Check(refusals.CALLS_TOO_FAST, _too_fast),
    Check(refusals.NUMBER_TOO_OFTEN, _too_often),
    Check(refusals.DUPLICATE, lambda facts, _: facts.up_already),
    Check(refusals.BUTTON_FULL, lambda facts, _: facts.button is not None and facts.button.up >= facts.button.most),
    Check(refusals.CHANNELS_FULL, _full),
    Check(refusals.SPEND_LIMIT, _limit_reached),
    Check(refusals.NO_CREDIT, _cannot_pay),
)


def reasons(facts: Facts, slicing: Slicing) -> list[Refusal]:
    """All reasons that apply, in order of precedence."""
    return [check.refusal for check in CHECKS if check.holds(facts, slicing)]


def refusal(facts: Facts, slicing: Slicing) -> Refusal | None:
    """The reason for which the call is refused; None if none applies."""
    return next((check.refusal for check in CHECKS if check.holds(facts, slicing)), None)


def emergency(facts: Facts) -> Emergency | None:
    """An emergency call, which needs no channel and no credit (BRIEF, rule 11); None for any other call, and for one of
    a deleted profile.
    """
    if facts.emergency is None or facts.profile is None or facts.profile.status == "archived":
        return None
    return Emergency(facts.emergency)


def decide(facts: Facts, slicing: Slicing) -> Admission | Refusal | Emergency | RechargeFirst:
    """The decision. RechargeFirst if the credit is low and no other reason applies.

    Raises ValueError if the call costs money and its facts have no money.
    """
    helps = emergency(facts)
    if helps is not None:
        return helps
    if facts.money is not None and facts.money.low:
        before_money = refusal(_with_enough_money(facts), slicing)
        return RechargeFirst() if before_money is None else before_money
    found = refusal(facts, slicing)
    if found is not None:
        return found
    slot = admission.take_slot(facts.profile.channels if facts.profile else 0, facts.taken)
    if isinstance(slot, Refusal):
        return slot
    if facts.offer is None:
        return Admission(slot, None)
    if facts.money is None:
        raise ValueError("the money of a call that costs money was not read")
    return Admission(slot, holds.extended(Hold(), facts.offer.rate, facts.money.within_limits, slicing))


def _with_enough_money(facts: Facts) -> Facts:
    return replace(facts, money=None)


def admitted(call_id: str, facts: Facts, held_s: int | None, slicing: Slicing) -> Admitted:
    """What the dialplan does with an admitted call. `held_s`: the seconds that it holds; None if the call is free."""
    # A rate's first block may be longer than the longest call: it is held whole, and talked in part.
    longest_s = min(slicing.longest_s, LONGEST_BY_BUTTON_S) if facts.by_button else slicing.longest_s
    profile, shown = facts.profile, facts.shown or NOBODY
    if profile is None:
        raise ValueError("an admitted call has a profile")
    return Admitted(
        call_id,
        profile.username,
        facts.called,
        longest_s if held_s is None else min(held_s, longest_s),
        profile.channels,
        tuple(_target(facts, each, shown.number or "") for each in facts.tries),
        facts.path.hops,
        facts.path.within_s,
        facts.context,
        shown,
        profile.called_in,
    )


def _target(facts: Facts, trunk: TrunkChoice, shows: str) -> Target:
    """One trunk to try, with all numbers in the format of that trunk."""
    return Target(
        endpoint_of(trunk.name),
        rewritten(facts.called, trunk.number_form, *trunk.called),
        trunk.failover,
        rewritten(shows, trunk.number_form, *trunk.caller),
        rewritten(facts.diverted, trunk.number_form, *trunk.caller),
    )
