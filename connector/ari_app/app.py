"""The Stasis application: it decides every call and follows it until its CDR is written.

One coroutine handles one call from the offer to the CDR (`_carry`). Each call has a queue of its events (`mailbox`) in
Asterisk's order; the reader of the websocket only puts events into these queues. So a slow store delays the records and
loses no hang-up. After the decision the dialplan has the call again. If the connector dies, the call goes on, and its
timer in Asterisk ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, ParamSpec, Protocol, TypeVar

from connector.ari_app import events
from connector.ari_app.client import AriClient
from connector.ari_app.events import (
    CallOffered,
    CallsJoined,
    LegAnswered,
    LegDialled,
    LegEnded,
    LegFoundUp,
    LegHungUp,
    LegLost,
    TrunkTried,
)
from connector.ari_app.journal import Journal
from connector.ari_app.ongoing import OngoingCall, OngoingCalls
from connector.ari_app.recovery import Recovery
from connector.ari_app.subscriptions import Subscriptions
from connector.billing import calls, nodes
from connector.clock import Clock
from connector.core import dialplan, refusals
from connector.core.calls import GATE_LIMIT_MS, Admitted, Attempt, Direction, Emergency, Progress
from connector.core.dialplan import GoOn
from connector.core.holds import Slicing
from connector.core.numbers import normalise
from connector.core.refusals import Refusal
from connector.core.trunks import endpoint_of, trunk_of
from connector.database.store import StoreDoor
from connector.errors import AriRefused, AsteriskError, ConnectorError, StoreUnavailable
from connector.routing import reachability

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# What the dialplan names a call by a call button. The web server has given the call its id.
BUTTON = "button"
MOST_ASTRAY_MS = 300_000
# Shorter than the timeout of the gate in the dialplan.
READY_LIMIT_S = 1.5
STORE_RETRY_S = 1.0
SAY_AGAIN_MS = 5_000
# A clock that NTP corrects does not jump by more.
CLOCK_STEP_MS = 1_000
# Without a pause two connectors would take the application from each other again and again.
REPLACED_PAUSE_S = 5.0
DRAIN_LIMIT_S = 3.0
# A trunk that answers nothing at all within this is left for the next one (BRIEF, rule 16).
SILENT_TRUNK_S = 4.0
# A call waits no longer than this for its events to be subscribed to.
SUBSCRIBE_LIMIT_S = 1.0
LOOK_EVERY_S = 5.0
LOOK_AFTER_HANG_UP_S = 0.5
PAY_EVERY_S = 0.5
PAY_AGAIN_MS = 2_000
# More money is held for a call when less than this is left of its hold, or less than a third of a slice: enough time to
# ask a slow store twice.
PAY_AHEAD_MS = 10_000
# The argument of the leg that plays the warning, which comes to the application too. "!" plays a tone once.
WARNING = "warning"
WARNING_TONE = "tone:!1400/500"
WARNING_LASTS_S = 1.0
# The timer of the gate leg ends first, for its end tells the dialplan that the call was cut off.
OTHER_LEG_LATER_MS = 500


class LegTimer(Protocol):
    """Sets the absolute timeout of a leg in Asterisk (by AMI)."""

    async def end_leg_in(self, leg: str, ms: int) -> bool:
        """Have Asterisk end the leg in `ms` milliseconds, also without the connector; False if the leg is gone.

        AsteriskError if it cannot be asked.
        """


class ConnectorApp:
    """The listener on Asterisk's websocket."""

    def __init__(
        self,
        client: AriClient,
        store: StoreDoor,
        clock: Clock,
        node: str,
        slicing: Slicing,
        timer: LegTimer,
        journal: Journal,
        warning_ms: int = 0,
    ) -> None:
        self.client = client
        self.store = store
        self.clock = clock
        self.node = node
        self.slicing = slicing
        self.timer = timer
        self.warning_ms = warning_ms
        self.ready = asyncio.Event()
        self.tried: dict[str, tuple[int, int]] = {}  # what trunks answered last to calls that failed there, and when
        self.ongoing = OngoingCalls()
        self.subscriptions = Subscriptions(client, self._endpoints)
        self.recovery = Recovery(self.ongoing, client, journal, self._in_books, self.subscriptions)
        self._look_soon = asyncio.Event()
        self._set_by = clock.now_ms() - clock.running_ms()
        self._to_refuse: deque[Attempt] = deque()
        self._said_at: dict[str, int] = {}
        self._fallen: set[str] = set()
        self._gave_up: dict[str, CallOffered] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self) -> None:
        """The websocket is open: subscribe to events, find the calls that are up, and only then admit calls."""
        while not self.ready.is_set():
            try:
                await self.client.applications.filter(applicationName=self.client.settings.app, body=events.FILTER)
                await self.subscriptions.begin()
                await self._reconcile()
            except (AsteriskError, StoreUnavailable) as error:
                log.warning("not ready, nothing is admitted: %s", error)
                await asyncio.sleep(STORE_RETRY_S)
                continue
            self.ready.set()
            log.info("ready: %d calls are up", len(self.ongoing))
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_soon.wait(), LOOK_EVERY_S)
                await asyncio.sleep(LOOK_AFTER_HANG_UP_S)  # a leg is there until its dialplan is done
            self._look_soon.clear()
            await self._look()

    async def keep_paid(self) -> None:
        """For ever: hold money for calls, slice by slice, and set Asterisk's timers to what is held."""
        while True:
            await asyncio.sleep(PAY_EVERY_S)
            self._look_at_the_clock()
            now = self.clock.now_ms()
            # The store says only when it is asked that no money is left, so it is asked before the warning is due.
            ahead_ms = max(min(PAY_AHEAD_MS, self.slicing.slice_s * 1000 // 3), self.warning_ms)
            for call in [call for call in self.ongoing if call.pays_next(now, ahead_ms)]:
                call.paying = True  # each on its own: one that waits for AMI does not keep the others waiting
                self._start(self._pay(call))
            for call in [call for call in self.ongoing if call.warns_next(now, self.warning_ms)]:
                call.warned = True
                self._start(self._warn(call))

    def disconnected(self, reason: str) -> None:
        """The websocket is closed: admit nothing. Calls that are up stay up."""
        if self.ready.is_set():
            log.error("%s; nothing is admitted until it is back", reason)
        else:
            log.warning("%s", reason)
        self.ready.clear()
        for call in self.ongoing:
            call.progress.joinable = False  # who hung up may not be heard
        self._gave_up.clear()

    def event(self, message: dict[str, Any]) -> None:
        """Queue one event for the calls that it belongs to."""
        self._look_at_the_clock()
        try:
            event = events.parse(message)
        except (KeyError, ValueError, TypeError):
            log.exception("an event of Asterisk is not as documented: %s", message.get("type"))
            return
        if isinstance(event, CallOffered):
            self._offered(event)
        elif isinstance(event, LegDialled):
            self._leg_dialled(event)
        elif isinstance(event, CallsJoined):
            self._calls_joined(event)
        elif isinstance(event, events.ApplicationReplaced):
            log.error("another connector took the application %r; trying to have it back", self.client.settings.app)
            self.client.leave(REPLACED_PAUSE_S)
        elif event is not None:
            if isinstance(event, TrunkTried) and event.endpoint:
                self.tried[event.endpoint] = (event.sip_status, self.clock.now_ms())
            known = self.ongoing.tell(event)
            if not known and isinstance(event, LegAnswered) and event.endpoint:
                self._start(self._joined(event))
            elif not known and isinstance(event, LegHungUp) and event.offer is not None:
                self._gave_up[event.leg] = event.offer
            elif isinstance(event, LegEnded) and (offer := self._gave_up.pop(event.leg, None)) and not known:
                self._start(self._gone_before_the_gate(event, offer))

    def _leg_dialled(self, event: LegDialled) -> None:
        if not self.ongoing.dialled(event):
            return
        if event.answered:  # its own event may have come before we had subscribed to it
            self.ongoing.tell(LegAnswered(event.leg, event.at))
        if not self.subscriptions.covers(event.endpoint):
            self._start(self._subscribe_to_leg(event))

    async def _subscribe_to_leg(self, event: LegDialled) -> None:
        try:
            there = await self.subscriptions.to_leg(event.leg, event.endpoint)
        except AsteriskError as error:
            log.warning("the events of leg %s do not come yet: %s", event.leg, error)
            return
        if not there:
            self.look()  # its end was not told to us

    async def _subscribe(self, call: OngoingCall, endpoint: str) -> None:
        """Subscribe to the legs of a call before the dialplan has it again. If that fails, `_look` follows the call."""
        leg = call.progress.gate_leg
        try:
            async with asyncio.timeout(SUBSCRIBE_LIMIT_S):
                there = await self.subscriptions.to_call(leg, endpoint, call.dials or ())
        except (AsteriskError, StoreUnavailable, TimeoutError) as error:
            log.warning("the events of call %s do not come yet: %r", call.call_id, error)
            return
        if not there:
            self._start(self._tell_gone(call, leg))

    async def _tell_gone(self, call: OngoingCall, leg: str) -> None:
        """The caller gave up while the call was decided, before the end of its leg could be heard."""
        try:
            await self.recovery.tell_gone(call, leg)
        except AsteriskError as error:
            log.warning("when call %s ended is not known yet: %s", call.call_id, error)

    def _adopt(self, row: calls.LiveCall) -> None:
        """Follow a call that an earlier process admitted."""
        progress = Progress(row.gate_leg, transferred=row.transferred)
        if row.other_leg:
            progress.leg_dialled(row.other_leg)
        progress.answered_at = row.answered_at
        began_at = min(row.started_at, row.answered_at or row.started_at, row.seen_at)  # a clock may have been set back
        call = self.ongoing.add(row.id, progress, row.seen_at, began_at, row.epoch)
        call.sent_on, call.profile = True, row.username
        if row.trunk:
            call.endpoints.add(endpoint_of(row.trunk))
        now = self.clock.now_ms()
        if row.answered_at is not None and row.seen_at > now:
            # How long it has talked is not known: what is known is kept, and it gets no more.
            log.error("call %s is of the future, for the clock was set back meanwhile: it is ended", row.id)
            call.clock_stepped(now - row.seen_at)
            for leg in progress.up:
                self._start(self._end(leg))
        if row.answered_at is not None:
            call.held_s = row.held_s  # its timer is set again at once: what it was set to nobody knows
        call.task = self._start(self._guarded(call, self._follow(call)))
        log.info("adopted call %s, admitted before", row.id)

    async def close(self) -> None:
        """Stop following the calls. They go on in Asterisk, and their rows in the store."""
        # Hang-ups that were heard are booked first; to wait for calls that talk on would be for ever.
        booking = [call.task for call in self.ongoing if call.task and (call.progress.over or not call.mailbox.empty())]
        if booking:
            await asyncio.wait(booking, timeout=DRAIN_LIMIT_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _reconcile(self) -> None:
        await self._adopt_rows()
        await self.recovery.after_silence()
        await self._end_the_dead()
        await self.store(nodes.here, self.node, self.recovery.epoch, self.clock.now_ms())
        await self.store(nodes.can_convert, self.node, await self.recovery.codecs())

    async def _adopt_rows(self, only: set[str] | None = None) -> None:
        for row in await self.store(calls.live, self.node):
            if row.id not in self.ongoing and (only is None or row.id in only):
                self._adopt(row)

    def is_ready(self) -> bool:
        """Whether a call would be decided now."""
        return self.ready.is_set()

    async def ask(self, leg: str, direction: str, source: str, presentation: str) -> GoOn:
        """What becomes of a leg that asks by FastAGI: decided as at the gate, and followed by its events from then on.

        AsteriskError if there is no such leg, or Asterisk cannot be asked.
        """
        channel = await self.client.channels.get(channelId=leg)
        event = events.offered(channel, (direction, source, presentation), self.clock.now_ms())
        attempt = self._attempt(event)
        if attempt is None:
            return dialplan.go_on(refusals.PROFILE_UNKNOWN, Direction.OUT)
        call = self._remember(attempt, event)
        try:
            decided = await self._decided(call, attempt)
            if isinstance(decided, Admitted):
                await self._subscribe(call, event.endpoint)
        except Exception:
            self.ongoing.remove(call)  # if it has a row, it is found again from that
            raise
        call.sent_on = True
        if isinstance(decided, Admitted):
            call.asked = attempt
            self._go_on_with(attempt)
            call.task = self._start(self._guarded(call, self._follow(call)))
        return dialplan.go_on(decided, attempt.direction, event.caller_name)

    def look(self) -> None:
        """Have Asterisk asked soon which legs are alive."""
        self._look_soon.set()

    async def withdraw(self, leg: str) -> None:
        """Whoever asked for a leg by FastAGI got no answer: the leg's call never was, unless it was dialled."""
        for call in self.ongoing.of_leg(leg):
            if call.asked is not None and len(call.legs) == 1 and call.progress.answered_at is None:
                if call.task is not None:
                    call.task.cancel()
                await self._insist(calls.refuse, call.asked, self.node, refusals.NOT_READY)
                self.ongoing.remove(call)

    def _offered(self, event: CallOffered) -> None:
        if self.ongoing.knows(event) or event.args == (WARNING,):
            return
        attempt = self._attempt(event)
        if attempt is not None:
            call = self._remember(attempt, event)
            call.task = self._start(self._guarded(call, self._carry(call, attempt, event)))

    def _attempt(self, event: CallOffered) -> Attempt | None:
        direction, source, presentation, more, cseq, diverted = (*event.args, *[""] * 6)[:6]
        by_button = direction == BUTTON and source.isdecimal() and _new_id(more, self.ongoing)
        if direction not in ("in", "out") and not by_button:
            log.error("a call came to the gate by a dialplan that is not ours: %s", event.args)
            return None
        # An event's time goes into the books, where one that is far off the clock would stay for good.
        now = self.clock.now_ms()
        at = event.at if abs(event.at - now) <= MOST_ASTRAY_MS else now
        return Attempt(
            call_id=more if by_button else uuid.uuid4().hex,
            direction=Direction.IN if by_button else Direction(direction),
            gate_leg=event.leg,
            source=source,
            dialled=event.dialled,
            caller_id=event.caller_id,
            started_at=at if event.up else min(event.created_at, at),
            asked_at=at,
            transferred=event.up,
            private=presentation.startswith("prohib"),
            forwarded=more if direction == "out" else "",
            also=more if direction == "in" else "",
            by_button=by_button,
            diverted=diverted[:32] if direction == "out" else "",
            sip_id=f"{event.sip_id} {cseq}" if event.sip_id else "",
        )

    def _remember(self, attempt: Attempt, event: CallOffered) -> OngoingCall:
        progress = Progress(event.leg, transferred=event.up, joinable=not event.up)
        call = self.ongoing.add(attempt.call_id, progress, event.at, attempt.started_at)
        call.endpoints.add(event.endpoint)
        return call

    async def _carry(self, call: OngoingCall, attempt: Attempt, event: CallOffered) -> None:
        decided = await self._decided(call, attempt)
        if isinstance(decided, Admitted):
            await self._subscribe(call, event.endpoint)
        await self._send_on(attempt.gate_leg, dialplan.go_on(decided, attempt.direction, event.caller_name))
        call.sent_on = True
        if isinstance(decided, Admitted):
            self._go_on_with(attempt)
            await self._follow(call)

    async def _decided(self, call: OngoingCall, attempt: Attempt) -> Admitted | Refusal | Emergency:
        """What is decided of a call; one that is not carried is forgotten."""
        decided = await self._decide(attempt)
        call.epoch = self.recovery.epoch
        if isinstance(decided, Admitted):
            call.profile, call.dials = decided.profile, decided.dials
            call.guard_s = decided.guard_s if attempt.direction is Direction.OUT else None
        if not isinstance(decided, Admitted):
            why = decided.code if isinstance(decided, Refusal) else "it is an emergency call"
            log.info("not carried %s %s: %s", attempt.direction, attempt.gate_leg, why)
            self.ongoing.remove(call)
        if isinstance(decided, Emergency):
            return replace(decided, left_s=self._left_s(attempt.gate_leg))
        return decided

    def _left_s(self, leg: str) -> int:
        """How long the other calls of a leg have, one that was transferred; 0 if there are none."""
        now = self.clock.now_ms()
        others = self.ongoing.of_leg(leg)
        left = [self._longest_ms(call, now) for call in others if call.paid_until is None]
        left += [self._paid_ms(leg, now)] * any(call.paid_until is not None for call in others)
        return max(1, min(left) // 1000) if left else 0

    def _go_on_with(self, attempt: Attempt) -> None:
        for other in self.ongoing.of_leg(attempt.gate_leg):
            other.timer_s = None  # the dialplan sets the leg's timer for this call: the other's may be shorter

    async def _decide(self, attempt: Attempt) -> Admitted | Refusal | Emergency:
        try:
            await asyncio.wait_for(self.ready.wait(), READY_LIMIT_S)
        except TimeoutError:
            return _helps(attempt) or await self._refuse_unasked(attempt, refusals.NOT_READY)
        try:
            return await self.store(self._admit, attempt)
        except StoreUnavailable as error:
            helps = _helps(attempt)
            if helps is not None:
                return helps
            self._say("refused, for the store takes nothing: %s", error)
            self._to_refuse.append(attempt)
            if len(self._to_refuse) == 1:
                self._start(self._record_refusals())
            return refusals.STORE_UNAVAILABLE
        except ConnectorError as error:
            self._say("refused, for what the store says cannot be used: %s", error)
            return _helps(attempt) or await self._refuse_unasked(attempt, refusals.NOT_READY)

    async def _record_refusals(self) -> None:
        """Those that the store did not take, one after the other, when it takes them again."""
        while self._to_refuse:
            await self._insist(calls.refuse, self._to_refuse[0], self.node, refusals.STORE_UNAVAILABLE)
            self._to_refuse.popleft()

    def _say(self, text: str, error: Exception) -> None:
        """What goes wrong for many calls at once is said once in a while, not once a call."""
        now = self.clock.running_ms()
        if now - self._said_at.get(text, -SAY_AGAIN_MS) >= SAY_AGAIN_MS:
            self._said_at[text] = now
            log.error(text, error)

    def _admit(self, attempt: Attempt) -> Admitted | Refusal | Emergency:
        """On the writer's thread. Whoever waited longer than the gate lets them is gone, and must not get a channel."""
        if self.clock.now_ms() - attempt.asked_at > GATE_LIMIT_MS:
            calls.refuse(attempt, self.node, refusals.NOT_READY)
            return refusals.NOT_READY
        return calls.admit(attempt, self.node, self.slicing, self.recovery.epoch)

    async def _refuse_unasked(self, attempt: Attempt, why: Refusal) -> Refusal:
        try:
            await self.store(calls.refuse, attempt, self.node, why)
        except StoreUnavailable as error:
            self._say("a refusal could not be recorded: %s", error)
        return why

    async def _send_on(self, leg: str, to: GoOn) -> None:
        """Give a leg back to the dialplan. All requests leave at once; Asterisk keeps their order."""
        channels = self.client.channels
        if self.recovery.sets_many and to.variables:
            requests = [channels.setChannelVars(channelId=leg, body={"variables": dict(to.variables)})]
        else:
            requests = [
                channels.setChannelVar(channelId=leg, variable=name, value=value) for name, value in to.variables
            ]
        requests.append(
            channels.continueInDialplan(channelId=leg, context=to.context, extension=to.extension, priority=1)
        )
        for answer in await asyncio.gather(*requests, return_exceptions=True):
            if isinstance(answer, AriRefused) and answer.status in (404, 409):
                return  # the caller gave up meanwhile, or the gate's timeout took the call: its end will be told
            if isinstance(answer, BaseException):
                log.warning("leg %s stays at the gate, whose timeout refuses it: %r", leg, answer)
                return

    async def _follow(self, call: OngoingCall) -> None:
        """Until the last leg is gone, then the CDR. A hang-up is never lost: the store is asked until it takes it."""
        progress = call.progress
        while not progress.over:
            event = await call.mailbox.get()
            if isinstance(event, LegDialled):
                if not event.by_us:
                    call.guard_s = None
                if progress.leg_dialled(event.leg):
                    for other in self.ongoing.of_leg(progress.gate_leg):
                        if other is not call:
                            other.timer_s = None  # the dialplan set the leg's timer anew for this try
                    self._check_endpoint(call, event)
                    await self._insist(calls.dialled, call.call_id, event.leg, trunk_of(event.endpoint))
                    self._start(self._leave_if_silent(call, event))
            elif isinstance(event, LegAnswered | LegFoundUp):
                await self._answered(call, event)
            elif isinstance(event, LegHungUp):
                progress.leg_hung_up(event.leg, silent=event.silent, soft=event.soft)
            elif isinstance(event, TrunkTried):
                progress.leg_tried(event.sip_status, rang_out=event.rang_out)
            elif isinstance(event, LegEnded):
                if event.up and progress.answers(event.leg):
                    await self._answered(call, await self.recovery.missed_answer(call, event.leg))
                progress.leg_ended(event.leg, event.at, event.cause)
            elif isinstance(event, LegLost):
                progress.leg_ended(event.leg, event.at, None, seen=False)
            call.seen_at = max(call.seen_at, event.at)
        await self._insist(calls.ended, call.call_id, progress, self.clock.now_ms())
        self.ongoing.remove(call)  # only now: while its row is there, a call without a place in memory would be adopted

    async def _answered(self, call: OngoingCall, event: LegAnswered | LegFoundUp) -> None:
        progress = call.progress
        if progress.leg_answered(event.leg, event.at, seen=isinstance(event, LegAnswered)):
            call.held_s = await self._insist(calls.answered, call.call_id, event.at, progress.other_leg, self.slicing)
            by_dialplan = call.guard_s is not None and call.guard_s == call.held_s
            await self._set_timers(call, spared=progress.other_leg if by_dialplan else None)

    async def _leave_if_silent(self, call: OngoingCall, dialled: LegDialled) -> None:
        """A trunk that gives no answer at all, not even 100, is left for the next one (BRIEF, rule 16), and so is a PBX
        whose contact is gone.

        SIP itself waits 32 s (timer B). Asterisk cannot wait for less: it takes no timer B below 64 times timer T1.
        """
        await asyncio.sleep(SILENT_TRUNK_S)
        leg = dialled.leg
        if leg in call.ringing or leg not in call.progress.up or call.progress.answered_at is not None:
            return
        try:
            if not await self.recovery.said(call.progress.gate_leg, leg):
                log.warning("%s gave no answer for %.0f s: it is left", dialled.endpoint, SILENT_TRUNK_S)
                await self.client.channels.hangup(channelId=leg)
        except AsteriskError as error:
            log.info("whether %s answers is not known: %s", dialled.endpoint, error)

    def _check_endpoint(self, call: OngoingCall, event: LegDialled) -> None:
        """A leg of an endpoint that nobody dialled took the place of one that rang (INVITE with Replaces of a dialog
        that is not answered yet): it is another's, and is ended. Asterisk does not compare the two endpoints (22.10).
        """
        local = "@" in event.endpoint  # a Local leg's name has its context
        if event.by_us and not local and call.dials is not None and event.endpoint not in {"", *call.dials}:
            log.error("%s took over call %s, which is not its own: it is ended", event.endpoint, call.call_id)
            self._start(self._end(event.leg))

    async def _joined(self, event: LegAnswered) -> None:
        """A leg is up that never came to the gate: an INVITE with Replaces took a leg's place in a call.

        The call's own PBX may do that. For anybody else it is another's call, at the other's cost: that leg is ended.
        Asterisk does not compare the two endpoints (22.10).
        """
        try:
            joined = await self.recovery.joined(event.leg)
        except AsteriskError as error:
            log.error("leg %s was not looked at: %s", event.leg, error)
            return
        if not joined:
            log.error("leg %s of %s is up, and did not come to the gate: it is ended", event.leg, event.endpoint)
            await self._end(event.leg)
        for call in joined:
            if event.endpoint not in {call.profile, *call.endpoints}:
                log.error("%s took over call %s, which is not its own: it is ended", event.endpoint, call.call_id)
                await self._end(event.leg)
            elif event.leg not in call.legs:
                self.ongoing.attach(call, LegDialled(call.progress.gate_leg, event.leg, event.at))
                call.timer_s = None  # its leg has no timer yet

    def _calls_joined(self, event: CallsJoined) -> None:
        """A PBX joined two calls (REFER with Replaces). Both have to be of one profile: else all their legs are ended.

        Asterisk names those that talk now, but right after an answer only one of them or none, for the bridge has one
        leg yet (main/bridge.c, 22.10). Calls that are not ours are left alone.
        """
        first, second = (self.ongoing.of_leg(leg) for _, leg in (event.first, event.second))
        if not first or not second or {call.profile for call in first} & {call.profile for call in second}:
            return
        log.error("%s transferred a call to one of %s: both are ended", event.first[0], event.second[0])
        for leg in {*event.talking, *(leg for call in (*first, *second) for leg in call.legs)}:
            self._start(self._end(leg))

    async def _gone_before_the_gate(self, event: LegEnded, offer: CallOffered) -> None:
        """The caller gave up before the gate was asked: a CANCEL right behind the INVITE. It has a CDR all the same."""
        trunk = trunk_of(offer.endpoint)
        attempt = self._attempt(replace(offer, args=("in", trunk) if trunk else ("out", offer.endpoint)))
        if attempt is not None:
            await self._insist(calls.given_up, attempt, self.node, event.at, event.cause)

    async def _pay(self, call: OngoingCall) -> None:
        """One slice more, and then the timer. In this order: should we die between, the call ends at what it had."""
        try:
            await self._pay_once(call)
        finally:
            call.paying = False

    async def _pay_once(self, call: OngoingCall) -> None:
        try:
            if call.held_s is not None and call.timer_s == call.held_s:
                now = self.clock.now_ms()
                held_s = await self.store(calls.extend, call.call_id, call.held_s, now, self.slicing)
                if held_s == call.held_s:
                    call.pay_again_at = now + PAY_AGAIN_MS  # a top-up may come in time
                    if not call.last_slice:
                        log.info("call %s: there is money for %d s and no more", call.call_id, held_s)
                call.last_slice = held_s == call.held_s
                call.held_s = held_s
        except StoreUnavailable as error:
            self._say("calls cannot be paid further, and end at what is held for them: %s", error)
            return
        if call.timer_s != call.held_s:
            await self._set_timers(call)

    async def _set_timers(self, call: OngoingCall, spared: str | None = None) -> None:
        """Have Asterisk end the call when what is held is talked: the gate leg exactly then, the other right after.

        `spared`: the leg whose timer the dialplan has just set to that.
        """
        held_s, progress = call.held_s, call.progress
        if held_s is None or progress.answered_at is None:
            return
        now = self.clock.now_ms()
        legs = {
            leg: self._paid_ms(leg, now) + (0 if leg == progress.gate_leg else OTHER_LEG_LATER_MS)
            for leg in set(progress.up) - {spared}
        }
        try:
            there = await asyncio.gather(*(self.timer.end_leg_in(leg, ms) for leg, ms in legs.items()))
        except AsteriskError as error:
            self._say("timers are not moved yet: %s", error)
            return
        call.timer_s = held_s
        # No leg is there, and that is not told yet, for the websocket is away: the call needs no more money.
        call.gone = spared is None and not any(there)

    async def _warn(self, call: OngoingCall) -> None:
        """A tone into the ear of who called: the money ends. It is whispered, for the call is not in Stasis."""
        channels = self.client.channels
        try:
            whisper = await channels.snoopChannel(
                channelId=call.progress.gate_leg, whisper="out", app=self.client.settings.app, appArgs=WARNING
            )
            await channels.play(channelId=whisper["id"], media=WARNING_TONE)
            await asyncio.sleep(WARNING_LASTS_S)
            await channels.hangup(channelId=whisper["id"])
        except AsteriskError as error:
            log.info("call %s ends without its warning tone: %s", call.call_id, error)

    def _paid_ms(self, leg: str, now: int) -> int:
        """How long a leg may talk on: it ends with the first of its calls whose money does.

        Never longer than was ever held, should the clock have been stepped back.
        """
        left = [
            min(call.paid_until - now, (call.held_s or 0) * 1000, self._longest_ms(call, now))
            for call in self.ongoing.of_leg(leg)
            if call.paid_until is not None
        ]
        return max(1, min(left, default=1))

    def _longest_ms(self, call: OngoingCall, now: int) -> int:
        return (call.progress.answered_at or now) + self.slicing.longest_s * 1000 - now

    async def _insist(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        while True:
            try:
                return await self.store(function, *args, **kwargs)
            except StoreUnavailable as error:
                self._say("the store did not take what happened to a call, trying again: %s", error)
                await asyncio.sleep(STORE_RETRY_S)

    async def _take_up_fallen(self) -> None:
        """A row that no call in memory has, now and at the last look: a defect of ours dropped it."""
        missing = {call_id for call_id in await self.store(calls.live_ids, self.node) if call_id not in self.ongoing}
        if missing & self._fallen:
            await self._adopt_rows(missing & self._fallen)
        self._fallen = missing

    async def _end_the_dead(self) -> None:
        """A call whose channel was freed, while the store was away from us, has no right to talk on."""
        for call_id in await self.store(calls.dead_ids, self.node):
            call = self.ongoing.get(call_id)
            for leg in call.progress.up if call else ():
                log.error("call %s has lost its channel to another: it is ended", call_id)
                self._start(self._end(leg))

    def _look_at_the_clock(self) -> None:
        """Has somebody set it? Asterisk's timers go by it: set back, calls would talk on beyond what is paid."""
        set_by = self.clock.now_ms() - self.clock.running_ms()
        step_ms, self._set_by = set_by - self._set_by, set_by
        if abs(step_ms) < CLOCK_STEP_MS:
            return
        log.error("the clock was set by %.1f s: calls keep their length, their timers are set again", step_ms / 1000)
        for call in self.ongoing:
            call.clock_stepped(step_ms)
        times = {call.call_id: (call.progress.answered_at, call.seen_at) for call in self.ongoing}
        self._start(self._insist(calls.clock_stepped, times))

    async def _end(self, leg: str) -> None:
        try:
            await self.client.channels.hangup(channelId=leg)
        except AsteriskError as error:
            log.info("leg %s is not ended by us: %s", leg, error)

    async def _endpoints(self) -> set[str]:
        return await self.store(reachability.endpoints)

    async def _in_books(self, call_id: str) -> bool:
        return await self.store(calls.is_live, call_id)

    async def _look(self) -> None:
        """Which calls are alive, by Asterisk's own word; what it knows and we did not hear is told meanwhile."""
        now = self.clock.now_ms()
        try:
            await self._take_up_fallen()
            await self.subscriptions.renew()
            alive = await self.recovery.look()
            await self.store(calls.seen, [call.call_id for call in alive], now)
            await self.store(nodes.here, self.node, self.recovery.epoch, now)
            await self._end_the_dead()
        except (AsteriskError, StoreUnavailable) as error:
            log.error("cannot note which calls are alive: %s", error)
            return
        for call in alive:
            call.seen_at = max(call.seen_at, now)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a defect of the connector", exc_info=task.exception())

    async def _guarded(self, call: OngoingCall, work: Coroutine[Any, Any, None]) -> None:
        """Whatever goes wrong with one call: it is found again from its row, and its channel is not lost."""
        try:
            await work
        except Exception:
            log.exception("call %s fell out of our hands: a defect of the connector; taking it up again", call.call_id)
            self.ongoing.remove(call)


def _new_id(call_id: str, ongoing: OngoingCalls) -> bool:
    """Whether a call may have this id, which came by the dialplan."""
    return len(call_id) == 32 and call_id.isalnum() and call_id.isascii() and call_id not in ongoing


def _helps(attempt: Attempt) -> Emergency | None:
    """An emergency number, in a form that the dialplan did not know, when nothing can be decided."""
    if attempt.direction is not Direction.OUT:
        return None
    dialled = normalise(attempt.dialled).emergency
    return Emergency(dialled) if dialled else None
