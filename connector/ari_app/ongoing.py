"""The calls in memory, and which legs belong to them: where an event of Asterisk finds its call's mailbox.

Asks nobody and decides nothing. app.py fills and empties it, recovery.py holds it against what Asterisk has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from connector.ari_app.events import CallOffered, LegDialled, LegEvent, LegRings
from connector.core.calls import Attempt, Progress


class OngoingCall:
    """One call: what is known of it, when it was last known alive, and the events that wait for it.

    `held_s`: paid ahead for so long, from its answer on; None before it, and for a call that costs nothing. `timer_s`:
    what Asterisk's timer was set to last. `sent_on`: the dialplan has the call again, or should have. `epoch`: when the
    Asterisk that has its legs was started; 0 if not known yet. `asked`: how it was asked for by FastAGI. `endpoints`:
    those of its legs; `profile`: the username of whose call it is, "" before it is decided; `dials`: the endpoints that
    our dialplan dials for it, None where that is not known; `ringing`: the legs that were heard to ring.
    """

    def __init__(self, call_id: str, progress: Progress, seen_at: int, began_at: int, epoch: int = 0) -> None:
        self.call_id = call_id
        self.began_at = began_at
        self.epoch = epoch
        self.legs = list(progress.legs)  # those that were told of, which `progress` may still have to hear
        self.progress = progress
        self.offered_at = seen_at
        self.seen_at = seen_at
        self.mailbox: asyncio.Queue[LegEvent] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None
        self.held_s: int | None = None
        self.timer_s: int | None = None
        self.pay_again_at = 0
        self.last_slice = False
        self.paying = False
        self.gone = False
        self.sent_on = False
        self.asked: Attempt | None = None
        self.warned = False
        self.endpoints: set[str] = set()
        self.profile = ""
        self.dials: frozenset[str] | None = None
        self.ringing: set[str] = set()

    def clock_stepped(self, step_ms: int) -> None:
        """The clock was set: what was noted by it moves along, and Asterisk's timers, which go by it, are set again."""
        self.progress.clock_stepped(step_ms)
        self.seen_at += step_ms
        self.began_at += min(step_ms, 0)
        self.pay_again_at = 0
        self.timer_s = None

    @property
    def paid_until(self) -> int | None:
        """When what is held for it is talked; None before its answer, and for a call that costs nothing."""
        answered_at = self.progress.answered_at
        return None if answered_at is None or self.held_s is None else answered_at + self.held_s * 1000

    def warns_next(self, now: int, ahead_ms: int) -> bool:
        """Whether its caller is to be told that the money ends: once, and only in the slice that is the last."""
        until = self.paid_until
        return self.last_slice and not self.warned and until is not None and 0 < until - now <= ahead_ms

    def pays_next(self, now: int, ahead_ms: int) -> bool:
        """Whether it is time to hold more for the call, or its timer is not yet where it belongs."""
        if self.held_s is None or self.paid_until is None or self.progress.over or self.paying or self.gone:
            return False
        if self.timer_s != self.held_s:
            return True
        return now >= self.pay_again_at and self.paid_until - now < ahead_ms


class OngoingCalls:
    """All calls in memory, by id and by leg."""

    def __init__(self) -> None:
        self._by_id: dict[str, OngoingCall] = {}
        self._by_leg: dict[str, list[OngoingCall]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, call_id: str) -> bool:
        return call_id in self._by_id

    def __iter__(self) -> Iterator[OngoingCall]:
        return iter(list(self._by_id.values()))

    def get(self, call_id: str) -> OngoingCall | None:
        """The call of an id."""
        return self._by_id.get(call_id)

    def add(self, call_id: str, progress: Progress, seen_at: int, began_at: int, epoch: int = 0) -> OngoingCall:
        """Remember a call and the legs it has."""
        call = OngoingCall(call_id, progress, seen_at, began_at, epoch)
        self._by_id[call_id] = call
        for leg in call.legs:
            self._by_leg.setdefault(leg, []).append(call)
        return call

    def remove(self, call: OngoingCall) -> None:
        """Forget a call and every leg that was its."""
        self._by_id.pop(call.call_id, None)
        for leg in call.legs:
            self._by_leg[leg].remove(call)
            if not self._by_leg[leg]:
                del self._by_leg[leg]

    def knows(self, offer: CallOffered) -> bool:
        """Whether this very offer was made before: events may come twice."""
        calls = self._by_leg.get(offer.leg, ())
        return any(call.progress.gate_leg == offer.leg and call.offered_at == offer.at for call in calls)

    def tell(self, event: LegEvent) -> bool:
        """Put an event into the mailbox of every call that has the leg; False if none has."""
        found = self._by_leg.get(event.leg, ())
        for call in found:
            if isinstance(event, LegRings):
                call.ringing.add(event.leg)
            else:
                call.mailbox.put_nowait(event)
        return bool(found)

    def of_leg(self, leg: str) -> list[OngoingCall]:
        """The calls that a leg belongs to: two, after a transfer."""
        return list(self._by_leg.get(leg, ()))

    def dialled(self, event: LegDialled) -> bool:
        """A leg comes to the call of the leg that dials it: to the later one, if after a transfer it has two. False if
        that leg is of no call.
        """
        callers = self._by_leg.get(event.caller_leg)
        if callers and event.leg != event.caller_leg:
            self.attach(callers[-1], event)
        return bool(callers)

    def attach(self, call: OngoingCall, event: LegDialled) -> None:
        """A leg was dialled for this very call."""
        calls = self._by_leg.setdefault(event.leg, [])
        if call not in calls:
            calls.append(call)
            call.legs.append(event.leg)
            if event.endpoint:
                call.endpoints.add(event.endpoint)
            call.mailbox.put_nowait(event)
