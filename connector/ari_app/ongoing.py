"""The calls in memory and their legs. Finds the calls that an event of Asterisk belongs to.

Only app.py and recovery.py change it. recovery.py compares it with the channels that Asterisk has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from connector.ari_app.events import CallOffered, LegDialled, LegEvent, LegRings
from connector.core.calls import Attempt, Progress


class OngoingCall:
    """A call, and the queue of its events (`mailbox`).

    `held_s`: paid ahead for so long, from its answer on; None before it, and for a call that costs nothing. `timer_s`:
    what Asterisk's timer was set to last. `sent_on`: the dialplan has the call again, or should have. `epoch`: when the
    Asterisk that has its legs was started; 0 if not known yet. `asked`: how it was asked for by FastAGI. `endpoints`:
    those of its legs; `profile`: the username of whose call it is, "" before it is decided; `dials`: the endpoints that
    our dialplan dials for it, None where that is not known; `ringing`: the legs that were heard to ring. `guard_s`: the
    time that our dialplan itself sets on the leg to a trunk when it answers; None where it does not.
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
        self.guard_s: int | None = None

    def clock_stepped(self, step_ms: int) -> None:
        """The clock was set by `step_ms`: move all noted times by it, and have Asterisk's timers set again."""
        self.progress.clock_stepped(step_ms)
        self.seen_at += step_ms
        self.began_at += min(step_ms, 0)
        self.pay_again_at = 0
        self.timer_s = None
        self.guard_s = None

    @property
    def paid_until(self) -> int | None:
        """When what is held for it is talked; None before its answer, and for a call that costs nothing."""
        answered_at = self.progress.answered_at
        return None if answered_at is None or self.held_s is None else answered_at + self.held_s * 1000

    def warns_next(self, now: int, ahead_ms: int) -> bool:
        """Whether to tell the caller now that the money ends: once, in the last slice."""
        until = self.paid_until
        return self.last_slice and not self.warned and until is not None and 0 < until - now <= ahead_ms

    def pays_next(self, now: int, ahead_ms: int) -> bool:
        """Whether to hold more money for the call now, or to set its timer."""
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
        """Add a call with its legs."""
        call = OngoingCall(call_id, progress, seen_at, began_at, epoch)
        self._by_id[call_id] = call
        for leg in call.legs:
            self._by_leg.setdefault(leg, []).append(call)
        return call

    def remove(self, call: OngoingCall) -> None:
        """Remove a call and its legs."""
        self._by_id.pop(call.call_id, None)
        for leg in call.legs:
            self._by_leg[leg].remove(call)
            if not self._by_leg[leg]:
                del self._by_leg[leg]

    def knows(self, offer: CallOffered) -> bool:
        """Whether this offer was received before: Asterisk may send an event twice."""
        calls = self._by_leg.get(offer.leg, ())
        return any(call.progress.gate_leg == offer.leg and call.offered_at == offer.at for call in calls)

    def tell(self, event: LegEvent) -> bool:
        """Queue an event for every call that has the leg; False if none has."""
        found = self._by_leg.get(event.leg, ())
        for call in found:
            if isinstance(event, LegRings):
                call.ringing.add(event.leg)
            else:
                call.mailbox.put_nowait(event)
        return bool(found)

    def of_leg(self, leg: str) -> list[OngoingCall]:
        """The calls that a leg belongs to; after a transfer, two."""
        return list(self._by_leg.get(leg, ()))

    def dialled(self, event: LegDialled) -> bool:
        """Add a dialled leg to the call of the leg that dials it; if that one has two calls, to the later.

        False if it has none.
        """
        callers = self._by_leg.get(event.caller_leg)
        if callers and event.leg != event.caller_leg:
            self.attach(callers[-1], event)
        return bool(callers)

    def attach(self, call: OngoingCall, event: LegDialled) -> None:
        """Add a leg to a call."""
        calls = self._by_leg.setdefault(event.leg, [])
        if call not in calls:
            calls.append(call)
            call.legs.append(event.leg)
            if event.endpoint:
                call.endpoints.add(event.endpoint)
            call.mailbox.put_nowait(event)
