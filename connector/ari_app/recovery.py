"""What is found after a silence, and looked for all the while: at start, whenever the websocket was gone, and every few
seconds, for an event may be lost on an open one too.

The event stream is open before Asterisk is asked what is alive, so nothing can happen between the two unseen. A leg
that is gone unheard has its story in Asterisk's own journal, and its call is told it as if it were heard now. If
Asterisk or the journal cannot be asked, the error goes up: nothing is admitted and nothing is ended then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from connector.ari_app import events
from connector.ari_app.client import AriClient
from connector.ari_app.events import Leg, LegAnswered, LegDialled, LegEnded, LegEvent, LegFoundUp, LegLost
from connector.ari_app.journal import Journal, LegStory
from connector.ari_app.ongoing import OngoingCall, OngoingCalls
from connector.ari_app.subscriptions import Subscriptions
from connector.core.refusals import NOT_READY
from connector.core.sip import convertible
from connector.core.times import from_asterisk, from_epoch
from connector.errors import AriRefused, AsteriskError

log = logging.getLogger(__name__)

# Asterisk writes its journal a moment after the fact, and an event of the fact may be under way.
JOURNAL_LATE_S = 0.5
JOIN_LATE_S = 0.1
# A leg that is left at the gate for so long is refused: longer than its event, or our answer, may be under way.
LEFT_LIMIT_S = 4.0
_TIMES_JOINED = 20
_TIMES = 4


class Recovery:
    """Holds the calls in memory against what Asterisk has. Raises AsteriskError or StoreUnavailable where it cannot.

    `in_books` says whether a call has a row. `epoch`: when the Asterisk that was asked last had started, in
    milliseconds; 0 before it was asked. `sets_many`: it sets several variables by one request.
    """

    def __init__(
        self,
        ongoing: OngoingCalls,
        client: AriClient,
        journal: Journal,
        in_books: Callable[[str], Awaitable[bool]],
        subscriptions: Subscriptions,
    ) -> None:
        self.ongoing = ongoing
        self.client = client
        self.journal = journal
        self.in_books = in_books
        self.subscriptions = subscriptions
        self.epoch = 0
        self.sets_many = False
        self._suspects: set[tuple[str, str]] = set()
        self._strangers: set[str] = set()
        self._left: dict[str, float] = {}  # legs that were left at the gate, and since when, by the loop's clock

    async def after_silence(self) -> None:
        """Tell every call what it missed, and end legs of ours that are in no book."""
        known = [(call, set(call.progress.up)) for call in self.ongoing]
        info = await self.client.asterisk.getInfo()
        self.sets_many = events.sets_many(info)
        started = from_asterisk(info["status"]["startup_time"])
        if self.epoch and started != self.epoch:
            log.warning("Asterisk was started anew: the calls of before are gone")
        self.epoch = started
        alive = await self._alive()
        self._strangers.clear()
        await self._adopt_strangers(alive)
        await self._subscribe(alive)
        await self._refuse_forgotten(alive)
        gone = {call: {leg for leg in legs if self._is_gone(call, leg, alive)} for call, legs in known}
        await self._tell_gone(gone, alive)
        for call, legs in known:
            await self._tell_up(call, [alive[leg] for leg in legs - gone[call]])
        self._suspects.clear()

    async def look(self) -> list[OngoingCall]:
        """Compare once more; the calls that are known alive. What is amiss twice is no event under way: it is told."""
        known = [(call, set(call.progress.up)) for call in self.ongoing]
        alive = await self._alive()
        await self._adopt_strangers(alive)
        await self._subscribe(alive)
        await self._refuse_left(alive)
        suspects, gone = set(), {}
        for call, legs in known:
            missing = {leg for leg in legs if leg not in alive}
            suspects |= {(call.call_id, leg) for leg in missing}
            gone[call] = {leg for leg in missing if (call.call_id, leg) in self._suspects}
            unheard = [alive[leg] for leg in legs - missing if alive[leg].up and call.progress.answers(leg)]
            suspects |= {(call.call_id, f"{leg.id} up") for leg in unheard}
            await self._tell_up(call, [leg for leg in unheard if (call.call_id, f"{leg.id} up") in self._suspects])
        self._suspects = suspects
        await self._tell_gone(gone, alive)
        return [call for call, legs in known if any(leg in alive for leg in legs)]

    async def missed_answer(self, call: OngoingCall, leg: str) -> LegAnswered | LegFoundUp:
        """When a leg was answered that is up, or was at its end, and that nobody heard answered.

        The journal knows, or Asterisk's CDR of a leg that is still there. If none does: when the call was last known
        alive, too early rather than too late, for its money runs from there.
        """
        try:
            story = (await self.journal.stories({leg}, set(), call.began_at, self.epoch)).get(leg)
        except AsteriskError as error:
            log.error("when leg %s was answered is not in the journal: %s", leg, error)
            story = None
        at = story.answered_at if story is not None and story.answered_at is not None else await self._answered_at(leg)
        return LegFoundUp(leg, call.seen_at) if at is None else LegAnswered(leg, at)

    async def codecs(self) -> tuple[str, ...]:
        """The codecs that this Asterisk can convert. AsteriskError if it cannot be asked."""
        listed = await self.client.asterisk.listModules()
        return convertible({module["name"] for module in listed if module["status"] == "Running"})

    async def said(self, caller_leg: str, leg: str) -> str:
        """The last SIP answer on a leg that is being dialled, as "SIP 100 Trying"; "" for none. AsteriskError."""
        name = await self._variable(leg, "CHANNEL(name)")
        if not name.startswith("PJSIP/"):
            return "not SIP"
        return await self._variable(caller_leg, f"HANGUPCAUSE({name},tech)")

    async def joined(self, leg: str) -> list[OngoingCall]:
        """The calls that a leg talks in which it was not dialled for. AsteriskError if Asterisk cannot be asked."""
        for _ in range(_TIMES_JOINED):
            peers = (await self._variable(leg, "BRIDGEPEER")).split(",")
            if peers != [""]:
                alive = await self._alive()
                legs = [each.id for each in alive.values() if each.name in peers]
                return [call for each in legs for call in self.ongoing.of_leg(each)]
            await asyncio.sleep(JOIN_LATE_S)
        return []

    async def _alive(self) -> dict[str, Leg]:
        return events.legs(await self.client.channels.list())

    def _is_gone(self, call: OngoingCall, leg: str, alive: dict[str, Leg]) -> bool:
        """No leg outlives its Asterisk."""
        return leg not in alive or call.epoch not in (0, self.epoch)

    async def tell_gone(self, call: OngoingCall, leg: str) -> None:
        """Tell a call that one of its legs is gone, unheard. AsteriskError if the journal cannot be read."""
        await self._tell_gone({call: {leg}}, {})

    async def _adopt_strangers(self, alive: dict[str, Leg]) -> None:
        """A leg that no call knows, and that passed our gate, belongs to a call of the books, or it is ended."""
        self._strangers &= set(alive)
        for leg in alive:
            if leg in self._strangers or self.ongoing.of_leg(leg):
                continue
            call_id = await self._variable(leg, "CONNECTOR_CALL")
            call = self.ongoing.get(call_id)
            if call is not None:
                self.ongoing.attach(call, LegDialled(call.progress.gate_leg, leg, call.seen_at))
            elif call_id and not await self.in_books(call_id):
                log.error("leg %s is of call %s, which is not in the books: it is ended", leg, call_id)
                await _unless_gone(leg, self.client.channels.hangup(channelId=leg))
            elif not call_id:
                self._strangers.add(leg)

    async def _subscribe(self, alive: dict[str, Leg]) -> None:
        """Have the events of every leg of our calls come."""
        self.subscriptions.keep(alive)
        for leg in alive.values():
            if self.ongoing.of_leg(leg.id):
                await self.subscriptions.to_leg(leg.id, events.endpoint_in(leg.name))

    async def _refuse_forgotten(self, alive: dict[str, Leg]) -> None:
        """Who still stands at the gate from before the silence hears no answer any more: refused now, not by and by."""
        for leg in self._left_at_the_gate(alive):
            await self._refuse(leg)

    async def _refuse_left(self, alive: dict[str, Leg]) -> None:
        """Refuse legs that have been left at the gate for a while: they were not heard, or their answer was lost. The
        gate's own timeout would refuse them too, but goes by the clock, which may have been set back.
        """
        now = asyncio.get_running_loop().time()
        self._left = {leg: self._left.get(leg, now) for leg in self._left_at_the_gate(alive)}
        for leg, since in self._left.items():
            if now - since >= LEFT_LIMIT_S:
                await self._refuse(leg)

    def _left_at_the_gate(self, alive: dict[str, Leg]) -> set[str]:
        """Legs at the gate for which nothing is being done."""
        at_the_gate = [leg.id for leg in alive.values() if leg.stasis == self.client.settings.app]
        return {leg for leg in at_the_gate if all(call.sent_on for call in self.ongoing.of_leg(leg))}

    async def _refuse(self, leg: str) -> None:
        log.warning("leg %s was left at the gate: it is refused", leg)
        refusal = self.client.channels.continueInDialplan(
            channelId=leg, context="connector-refuse", extension=str(NOT_READY.cause), priority=1
        )
        await _unless_gone(leg, refusal)

    async def _tell_up(self, call: OngoingCall, legs: list[Leg]) -> None:
        """A leg that is up may have been answered unheard."""
        for leg in legs:
            if leg.up and call.progress.answers(leg.id):
                call.mailbox.put_nowait(await self.missed_answer(call, leg.id))

    async def _answered_at(self, leg: str) -> int | None:
        """When a leg that is up was answered, by Asterisk's own CDR."""
        return from_epoch(await self._variable(leg, "CDR(answer,u)")) or None  # 0 is "not answered"

    async def _variable(self, leg: str, name: str) -> str:
        """A channel variable, "" if the leg has none of that name or is gone."""
        try:
            answer = await self.client.channels.getChannelVar(channelId=leg, variable=name)
        except AriRefused:
            return ""
        return str(answer.get("value") or "")

    async def _tell_gone(self, gone: dict[OngoingCall, set[str]], alive: dict[str, Leg]) -> None:
        """Legs that are gone: their ends from the journal, else that they are lost."""
        gone = {call: legs for call, legs in gone.items() if legs}
        if not gone:
            return
        legs_gone, call_ids = set().union(*gone.values()), {call.call_id for call in gone}
        since = min(call.began_at for call in gone)
        stories: dict[str, LegStory] = {}
        for _ in range(_TIMES):
            stories = await self.journal.stories(legs_gone, call_ids, since, self.epoch)
            if not any(_unwritten(call, legs, stories, self.epoch) for call, legs in gone.items()):
                break
            await asyncio.sleep(JOURNAL_LATE_S)
        for call, legs in gone.items():
            for event in _missed(call, legs & call.progress.up, stories, alive):
                if isinstance(event, LegDialled):
                    self.ongoing.attach(call, event)
                else:
                    call.mailbox.put_nowait(event)


async def _unless_gone(leg: str, request: Awaitable[Any]) -> None:
    try:
        await request
    except AriRefused as error:
        log.info("leg %s is gone already: %s", leg, error)


def _unwritten(call: OngoingCall, legs: set[str], stories: dict[str, LegStory], epoch: int) -> bool:
    """Whether the end of a leg may still come: the Asterisk that had it lives, and its call has not heard of it."""
    return call.epoch in (0, epoch) and any(
        leg in call.progress.up and (leg not in stories or stories[leg].ended_at is None) for leg in legs
    )


def _missed(call: OngoingCall, gone: set[str], stories: dict[str, LegStory], alive: dict[str, Leg]) -> list[LegEvent]:
    """What a call did not hear of the legs that are gone, and of those that they dialled unheard, in order."""
    missed: list[tuple[int, int, LegEvent]] = []
    told = [stories[leg] for leg in gone if leg in stories]
    for story in stories.values():
        if story.call_id == call.call_id and story.leg not in call.legs:
            missed.append((story.began_at, 0, LegDialled(call.progress.gate_leg, story.leg, story.began_at)))
            told.append(story)
    for story in told:
        if story.answered_at is not None:
            missed.append((story.answered_at, 1, LegAnswered(story.leg, story.answered_at)))
        if story.ended_at is None:
            if story.leg not in alive:
                missed.append((story.alive_at, 2, LegLost(story.leg, max(story.alive_at, call.seen_at))))
            continue
        up = story.answered_at is not None
        missed.append((story.ended_at, 3, LegEnded(story.leg, story.ended_at, story.cause, up)))
    for leg in gone - set(stories):
        missed.append((call.seen_at, 2, LegLost(leg, call.seen_at)))
    return [event for _, _, event in sorted(missed, key=lambda one: one[:2])]
