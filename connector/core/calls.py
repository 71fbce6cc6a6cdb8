"""A call, from the first INVITE to the last leg's end: what is asked, what is known, and how it ended.

A call has a gate leg (the Asterisk channel that passed the gate) and the legs that were dialled for it. It is over when
its last leg is gone, whichever that is: after a transfer the gate leg may leave while the others talk on, and they go
on taking the channel. Times are milliseconds since 1970 UTC, by Asterisk's clock, as in its events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from connector.core.callers import NOBODY, Shown
from connector.core.routes import Hop
from connector.core.trunks import Target

# A call is answered, or given up, within this: CONNECTOR_RING_S in the dialplan has to be less.
LONGEST_RINGING_MS = 600_000
# So long a caller waits at the gate: then the dialplan refuses, and an answer that comes later is none.
GATE_LIMIT_MS = 8_000
# Whoever pushed a call button talks no longer: nobody knows who it is, and a channel is taken.
LONGEST_BY_BUTTON_S = 3_600
# What two machines' clocks may differ by, and a timer be late.
ASTRAY_MS = 60_000


class Direction(StrEnum):
    """`out`: from a profile's PBX to a carrier. `in`: the other way."""

    OUT = "out"
    IN = "in"


class Ending(StrEnum):
    """The closed list of how a call can end."""

    OK = "ok"
    REFUSED = "refused"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CUT_OFF = "cut_off"
    MEDIA_LOST = "media_lost"
    FAILED = "failed"
    ESTIMATED = "estimated"


@dataclass(frozen=True)
class Attempt:
    """A call that wants to pass the gate. Everything but the ids comes from the network and is hostile.

    `source` is the username of the profile (out) or the name of the trunk (in) that Asterisk matched; `started_at` is
    when the gate leg was made, `asked_at` when it reached the gate; for a `transferred` leg, which talked before, both
    are the latter. `private`: the caller asked for the number not to be shown. `forwarded`: the call goes out because
    this number or account of the profile was called, and is forwarded. `by_button`: somebody pushed a call button, and
    `source` is its id; such a call is `in`. `sip_id`: Call-ID and CSeq of the INVITE, "" for a leg that is not SIP;
    `also` the number in P-Called-Party-ID, or else in To, of a call in; `diverted` the number that was called before
    the PBX forwarded the call, by its Diversion or History-Info.
    """

    call_id: str
    direction: Direction
    gate_leg: str
    source: str
    dialled: str
    caller_id: str
    started_at: int
    asked_at: int
    transferred: bool = False
    private: bool = False
    forwarded: str = ""
    by_button: bool = False
    sip_id: str = ""
    also: str = ""
    diverted: str = ""


@dataclass(frozen=True)
class Emergency:
    """An emergency number was dialled: the call goes to the local route, and has no channel, hold or row.

    `left_s`: the leg is of another call too, whose time ends then; 0: of none.
    """

    dialled: str
    left_s: int = 0


@dataclass(frozen=True)
class Admitted:
    """The call has its channel. What the dialplan does with it: out, it tries the `targets` in their order; in, its
    `hops`, within `within_s` seconds of ringing. Where this Asterisk is the PBX, of a client profile, a call in goes on
    in its `context`, by the hops if there are any.

    `shown`: the caller ID that the far side is to see. `guard_s`: how long it may talk, from its answer on, before
    Asterisk ends it: what is held for it, if it costs. `channels`: what the profile has bought; Asterisk counts too, as
    a second guard.
    """

    call_id: str
    profile: str
    called: str
    guard_s: int
    channels: int
    targets: tuple[Target, ...] = ()
    hops: tuple[Hop, ...] = ()
    within_s: int = 0
    context: str = ""
    shown: Shown = NOBODY
    called_in: str = "header"

    @property
    def dials(self) -> frozenset[str] | None:
        """The endpoints that our dialplan dials for it; None where it goes on in somebody's own dialplan."""
        if self.context:
            return None
        return frozenset(target.endpoint for target in self.targets) or frozenset((self.profile,))


# The cause that the dialplan hangs up with when a leg's time ran out: 102, recovery on timer expiry.
TIMER_CAUSE = 102
# The cause with which Asterisk ends a leg that gets no media (res_pjsip_sdp_rtp, rtp_timeout): 44.
MEDIA_CAUSE = 44
# Asterisk answers before it joins the two legs: when it then finds no codec path it hangs up within milliseconds.
BRIDGE_FAILS_WITHIN_MS = 100
# What the far end's final SIP answer says of a call that nobody answered; every other one says that it failed.
_BUSY_STATUS = {486, 600}
_NO_ANSWER_STATUS = {408, 480}
# Q.850 causes that say more than "it failed", where no SIP answer is known.
_BUSY = {17}
# 0, 16, 26, 127: the caller gave up before anybody answered. 18, 19: the far side let it ring. 102: a timer ran out.
_NO_ANSWER = {0, 16, 18, 19, 26, TIMER_CAUSE, 127}
CALLER, CALLEE, US = "caller", "callee", "us"


@dataclass
class Progress:
    """What Asterisk has said so far of an admitted call. Saying it twice changes nothing.

    `legs` are all legs ever, in the order they came; `up` those that are still there. `cause` is the gate leg's.
    `transferred`: the gate leg talked before it came to the gate, so that only the leg it dials can answer.

    `sip_status` is the far end's last final answer, 0 if it could not be asked, None if none is known; `rang_out`:
    nobody answered in time. `asked`: the leg that hung up itself, None if none did or none was seen to. `silent`: it
    was given up, for it answered no SIP request any more. `joinable`: hang-ups would have been seen; `ended_by_us`:
    the legs that Asterisk was seen to hang up, which it does behind a far end's own hang-up too.
    """

    gate_leg: str
    transferred: bool = False
    legs: list[str] = field(default_factory=list)
    up: set[str] = field(default_factory=set)
    answered_at: int | None = None
    ended_at: int | None = None
    cause: int | None = None
    estimated: bool = False
    sip_status: int | None = None
    rang_out: bool = False
    asked: str | None = None
    silent: bool = False
    media_lost: bool = False
    joinable: bool = False
    ended_by_us: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.leg_dialled(self.gate_leg)

    def leg_dialled(self, leg: str) -> bool:
        """A leg came to the call; True the first time."""
        if leg in self.legs:
            return False
        self.legs.append(leg)
        self.up.add(leg)
        if self.answered_at is None:
            self.sip_status = None  # another try
        return True

    def answers(self, leg: str) -> bool:
        """Whether this leg's answer would be the call's, and the call has none yet."""
        return self.answered_at is None and leg in self.legs and (leg == self.gate_leg) is not self.transferred

    def leg_answered(self, leg: str, at: int, *, seen: bool = True) -> bool:
        """A leg was answered; True the first time that this answers the call.

        It is the gate leg's answer that counts: another leg's is the carrier's, not yet the call's. Of a transferred
        call, it is that of a leg that was dialled. `seen=False`: nobody saw it, and `at` is when it was found up.
        """
        if not self.answers(leg):
            return False
        self.answered_at = at
        self.estimated = self.estimated or not seen
        self.sip_status, self.rang_out = 200, False
        self.asked = None  # trunks that refused before hung up too
        return True

    def leg_tried(self, sip_status: int, *, rang_out: bool) -> None:
        """The far end refused a try, or let it ring too long.

        The dialplan says so, and says no more once a caller gave up. So if the gate leg's hang-up was heard before,
        the dialplan caused it with what it told the caller, and its event was the quicker one (Asterisk 22.10: after
        PJSIPHangup).
        """
        if self.answered_at is None:
            self.sip_status, self.rang_out = 0 if 0 < sip_status < 300 else sip_status, rang_out
            if self.asked == self.gate_leg:
                self.asked = None

    def leg_hung_up(self, leg: str, *, silent: bool = False, soft: bool = False) -> None:
        """A leg was hung up by its far end. The first one ends the call; of a call that is not answered yet the gate
        leg's does, unless the far side has refused: then it is the dialplan that ends the gate leg.
        """
        before_an_answer = leg == self.gate_leg and self.answered_at is None
        if soft:
            self.ended_by_us.add(leg)
        elif before_an_answer and self.sip_status is not None:
            return
        elif self.asked is None or before_an_answer:
            self.asked, self.silent = leg, silent

    def leg_ended(self, leg: str, at: int, cause: int | None, *, seen: bool = True) -> None:
        """A leg is gone. `seen=False`: nobody saw it go, and `at` is the last moment it was known alive."""
        if leg not in self.up:
            return
        self.up.remove(leg)
        self.ended_at = max(at, self.ended_at or at)
        self.estimated = self.estimated or not seen
        self.media_lost = self.media_lost or (cause == MEDIA_CAUSE and self.answered_at is not None)
        if leg == self.gate_leg:
            self.cause = cause

    def clock_stepped(self, step_ms: int) -> None:
        """The clock was set while the call lasted: its answer is as long ago as it was."""
        if self.answered_at is not None:
            self.answered_at += step_ms
        if self.ended_at is not None:
            self.ended_at += step_ms

    @property
    def over(self) -> bool:
        """True when the last leg is gone."""
        return not self.up

    @property
    def other_leg(self) -> str | None:
        """The leg that was dialled last: the one that talked, if any did."""
        return self.legs[-1] if len(self.legs) > 1 else None

    @property
    def duration_ms(self) -> int:
        """From answer to hang-up; 0 if nobody answered, never negative, whatever the clock did (BRIEF, rule 6)."""
        if self.answered_at is None or self.ended_at is None:
            return 0
        return max(0, self.ended_at - self.answered_at)

    @property
    def ending(self) -> Ending:
        """How the call ended."""
        if self.estimated:
            return Ending.ESTIMATED
        if self.answered_at is not None:
            if self.cause == TIMER_CAUSE:
                return Ending.CUT_OFF
            if self.asked is None and self.media_lost:
                return Ending.MEDIA_LOST
            return Ending.FAILED if self.never_joined else Ending.OK
        if self.asked == self.gate_leg:
            return Ending.NO_ANSWER
        if self.cause in _BUSY:  # a route may end so, whatever it rang before
            return Ending.BUSY
        if self.rang_out:
            return Ending.NO_ANSWER
        if self.sip_status is not None:
            return _of_status(self.sip_status)
        return Ending.NO_ANSWER if self.cause in _NO_ANSWER else Ending.FAILED

    @property
    def never_joined(self) -> bool:
        """Whether it was answered, and Asterisk could not join the two sides, who have no codec in common (BRIEF, rule
        14): neither side hung up, and it was over at once.
        """
        if self.answered_at is None or self.estimated or self.asked is not None or len(self.legs) < 2:
            return False
        if not self.joinable or self.ended_by_us != {self.gate_leg}:  # an admin may end the other leg at once
            return False
        return self.duration_ms <= BRIDGE_FAILS_WITHIN_MS and self.cause != TIMER_CAUSE

    @property
    def hung_up_by(self) -> str:
        """`caller`, `callee`, or `us` with the reason behind a colon; "" if that is not known."""
        if self.asked is not None:
            side = CALLER if self.asked == self.gate_leg else CALLEE
            return f"{US}: {side} does not answer" if self.silent and self.answered_at is not None else side
        if self.estimated:
            return ""
        if self.answered_at is None:
            if self.rang_out:
                return f"{US}: not answered in time"
            return CALLEE if self.sip_status else ""
        if self.cause == TIMER_CAUSE:
            return f"{US}: time limit"
        if self.media_lost:
            return f"{US}: no media"
        return f"{US}: no common codec" if self.never_joined else US


def _of_status(sip_status: int) -> Ending:
    if sip_status in _BUSY_STATUS:
        return Ending.BUSY
    return Ending.NO_ANSWER if sip_status in _NO_ANSWER_STATUS else Ending.FAILED


def surely_over_at(started_at: int, answered_at: int | None, guard_s: int) -> int:
    """When Asterisk has certainly ended a call of which nothing more was heard, by its own timer.

    The answer itself may not have been heard: then the longest ringing comes before the talk.
    """
    began_at = started_at + LONGEST_RINGING_MS if answered_at is None else answered_at
    return began_at + guard_s * 1000 + ASTRAY_MS
