"""Who may call: a table of calls and what becomes of them, without a store, in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import gate, refusals
from connector.core.admission import Limits, Pace
from connector.core.callers import Shown
from connector.core.calls import Admitted, Direction, Emergency
from connector.core.destinations import PrefixRule
from connector.core.gate import ButtonFacts, Facts, Money, Offer, ProfileFacts, RechargeFirst, TrunkFacts
from connector.core.holds import Funds, Slicing
from connector.core.rating import Rate, increments
from connector.core.refusals import Refusal
from connector.core.routes import Hop, Path
from connector.core.trunks import BELOW_FLOOR, COST_UNKNOWN, NO_COST_RATE, LeftOut, TrunkChoice

SLICING = Slicing()
OFFICE = ProfileFacts(1, "p1", "office", 1, "active", "open", 2)
RATE = Rate("+44", "United Kingdom", 60_000, 0, increments("60/60"), 0)
RICH = Money(Funds(0, 1_000_000), Funds(0, 1_000_000))
POOR = Money(Funds(0, 59_999), Funds(0, 59_999))
SPENT = Money(Funds(0, 1_000_000), Funds(0, 59_999))
LOW = replace(POOR, recharges=True, low=True)
RINGS = Path((Hop("ring", ("101",), 20),), 60)
OUT = Facts(
    Direction.OUT,
    profile=OFFICE,
    called="+442079460001",
    tries=(TrunkChoice(7, "carrier", 1, 1, (), "plus"),),
    shown=Shown("+442079460100"),
    offer=Offer(1, RATE, "profile", None),
    money=RICH,
)
IN = Facts(Direction.IN, profile=OFFICE, trunk=TrunkFacts(7, 1), called="+442079460100", path=RINGS)
BUTTON = replace(IN, trunk=None, by_button=True, button=ButtonFacts("site", 1, 1, 0), called="sales")
CALLS = {"out": OUT, "in": IN, "button": BUTTON}
LIMITED = Limits(price_per_minute_micros=59_999, calls_per_second=2, attempts_per_number=3)
# A word of the table, and what it makes of a call.
CHANGES: dict[str, dict[str, Any]] = {
    "unknown-profile": {"profile": None},
    "suspended": {"profile": replace(OFFICE, state="suspended")},
    "inactive": {"profile": replace(OFFICE, status="inactive")},
    "archived": {"profile": replace(OFFICE, status="archived")},
    "draining": {"profile": replace(OFFICE, state="draining")},
    "cancelling": {"profile": replace(OFFICE, status="cancelling")},
    "no-number": {"called": "", "offer": None, "money": None},
    "999": {"emergency": "999"},
    "nobodys": {"profile": None, "path": Path((), 0)},
    "no-trunk": {"tries": (), "trunk": None},
    "closed-trunk": {"trunk": TrunkFacts(7, 1, open=False)},
    "foreign-caller": {"shown": None},
    "nowhere": {"path": Path((), 0), "nowhere": True},
    "own-dialplan": {"path": Path((), 60), "context": "from-connector"},
    "no-rate": {"offer": None, "money": None},
    "blocked": {"rules": (PrefixRule("+44", allowed=False),)},
    "allowed": {"rules": (PrefixRule("+44", allowed=False), PrefixRule("+4420", allowed=True))},
    "limits": {"offer": Offer(1, RATE._replace(price_per_minute_micros=59_999), "profile", None, LIMITED)},
    "dear": {"offer": Offer(1, RATE, "profile", None, LIMITED)},
    "no-carrier": {"tries": (), "left_out": (LeftOut("a", NO_COST_RATE), LeftOut("b", NO_COST_RATE))},
    "no-margin": {"tries": (), "left_out": (LeftOut("a", NO_COST_RATE), LeftOut("b", BELOW_FLOOR))},
    "no-cost": {"tries": (), "left_out": (LeftOut("a", COST_UNKNOWN),)},
    "one-left-out": {"left_out": (LeftOut("b", BELOW_FLOOR),)},
    "fast": {"pace": Pace(2, 0)},
    "often": {"pace": Pace(0, 3)},
    "twice": {"up_already": True},
    "full": {"taken": frozenset({1, 2})},
    "one-left": {"taken": frozenset({1})},
    "button-full": {"button": ButtonFacts("site", 1, 1, 1)},
    "poor": {"money": POOR},
    "spent": {"money": SPENT},
    "low": {"money": LOW},
}

# which call, and what is different about it -> what becomes of it
DECIDED = """
out                                  -> channel 1, 60 s
out  one-left                        -> channel 2, 60 s
out  cancelling                      -> channel 1, 60 s
out  limits                          -> channel 1, 60 s
out  allowed                         -> channel 1, 60 s
out  unknown-profile                 -> profile_unknown
out  suspended                       -> profile_suspended
out  inactive                        -> profile_not_active
out  archived                        -> profile_not_active
out  draining                        -> profile_draining
out  no-number                       -> number_invalid
out  999                             -> emergency 999
out  999 suspended full poor         -> emergency 999
out  999 archived                    -> profile_not_active
out  no-trunk                        -> no_trunk
out  foreign-caller                  -> caller_foreign
out  no-rate                         -> no_rate
out  blocked                         -> destination_blocked
out  dear                            -> price_too_high
out  no-carrier                      -> no_carrier
out  no-margin                       -> no_carrier
out  no-cost                         -> no_carrier
out  no-margin dear                  -> price_too_high
out  no-margin full                  -> no_carrier
out  one-left-out                    -> channel 1, 60 s
out  limits fast                     -> calls_too_fast
out  limits often                    -> number_too_often
out  fast often                      -> channel 1, 60 s
out  twice                           -> duplicate
out  full                            -> channels_full
out  spent                           -> spend_limit
out  poor                            -> no_credit
out  low                             -> recharge first
out  low full                        -> channels_full
out  low blocked                     -> destination_blocked
in                                   -> channel 1, free
in   one-left                        -> channel 2, free
in   nobodys                         -> number_unknown
in   no-number nobodys               -> number_invalid
in   no-trunk nobodys                -> no_trunk
in   suspended                       -> profile_suspended
in   closed-trunk                    -> trunk_closed
in   nowhere                         -> no_route
in   own-dialplan                    -> channel 1, free
in   full                            -> channels_full
button                               -> channel 1, free
button nobodys                       -> number_unknown
button draining                      -> profile_draining
button nowhere                       -> no_route
button button-full full              -> button_full
button full                          -> channels_full
"""


def changed(line: str) -> Facts:
    """The call of a line of the table."""
    which, *words = line.split()
    facts = CALLS[which]
    for word in words:
        facts = replace(facts, **CHANGES[word])
    return facts


def said(decided: object) -> str:
    """What was decided, in the table's words."""
    if isinstance(decided, Refusal):
        return decided.code
    if isinstance(decided, Emergency):
        return f"emergency {decided.dialled}"
    if isinstance(decided, RechargeFirst):
        return "recharge first"
    assert isinstance(decided, gate.Admission)
    return f"channel {decided.slot}, " + (f"{decided.first.seconds} s" if decided.first else "free")


@pytest.mark.parametrize("line", DECIDED.strip().splitlines())
def test_what_becomes_of_a_call(line: str) -> None:
    """Each line of the table."""
    left, _, wanted = line.partition("->")
    assert said(gate.decide(changed(left), SLICING)) == wanted.strip()


def test_the_checks_are_the_table_of_refusals() -> None:
    """Their order is the order of refusals.ALL, which is that of docs/refusals.md; what no store decides comes last."""
    decided = [check.refusal for check in gate.CHECKS]
    assert [*decided, refusals.STORE_UNAVAILABLE, refusals.NOT_READY] == list(refusals.ALL)


def test_every_reason_is_in_the_table() -> None:
    """No check is without a call that it refuses."""
    told = {line.rpartition("->")[2].strip() for line in DECIDED.strip().splitlines()}
    assert {check.refusal.code for check in gate.CHECKS} <= told


anything = st.builds(
    lambda which, words: changed(" ".join([which, *words])),
    st.sampled_from(sorted(CALLS)),
    st.lists(st.sampled_from(sorted({*CHANGES} - {"999", "low"})), unique=True),
)


@given(anything)
def test_of_any_two_reasons_the_earlier_speaks(facts: Facts) -> None:
    """Whatever is wrong with a call: it is refused for the first reason that holds, and admitted only if none does."""
    holding = gate.reasons(facts, SLICING)
    order = list(refusals.ALL)
    assert holding == sorted(holding, key=order.index)
    if holding:
        assert gate.decide(facts, SLICING) is holding[0]
    elif facts.offer is None or facts.money is not None:
        assert isinstance(gate.decide(facts, SLICING), gate.Admission)


@given(anything, st.sampled_from(sorted(CHANGES)))
def test_a_call_that_may_begin_gets_a_channel_that_is_free(facts: Facts, word: str) -> None:
    """Of those that were bought, and holds no more than there is."""
    decided = gate.decide(replace(facts, **CHANGES[word]), SLICING) if facts.money else None
    if isinstance(decided, gate.Admission):
        taken = replace(facts, **CHANGES[word]).taken
        assert decided.slot not in taken
        assert 1 <= decided.slot <= OFFICE.channels
        assert decided.first is None or 0 < decided.first.micros <= RICH.free.micros


def test_what_the_dialplan_is_told() -> None:
    """The trunks in their order, each in its words; and a guard that ends the call with what is held."""
    admitted = gate.admitted("id", OUT, 60, SLICING)
    assert isinstance(admitted, Admitted)
    assert (admitted.profile, admitted.guard_s, admitted.channels) == ("p1", 60, 2)
    assert [(target.endpoint, target.number) for target in admitted.targets] == [("connector-carrier", "+442079460001")]
    assert gate.admitted("id", IN, None, SLICING).guard_s == SLICING.longest_s
    assert gate.admitted("id", BUTTON, None, SLICING).guard_s == 3600
