"""Measures how calls sound while they are up: a few legs a second, those first that were never measured.

It costs Asterisk and us a request for each leg, and one more the first time. So it is a sample: the fewer calls are up,
the more often each is measured, and with 300 of them each is about once in 75 seconds. What was measured last is kept
when the call is over; a call that ends before its turn has none.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from connector.asterisk.ari_http import Asterisk
from connector.billing import media
from connector.billing.media import Measured, Talking
from connector.clock import Clock
from connector.core.media import Leg, leg
from connector.database.store import StoreDoor
from connector.errors import AsteriskError

log = logging.getLogger(__name__)

AGAIN_MS = 3_000
MOST_KEPT_AT_ONCE = 500


@dataclass
class _Known:
    """What is known of a leg: its codec, when it was asked for last, and how it sounded."""

    codec: str = ""
    asked_at: int = 0
    sound: Leg | None = None


class Measuring:
    """One node's calls. `a_look`: how many legs are measured by one look."""

    def __init__(
        self, node: str, a_look: int, asterisk: Asterisk, store: StoreDoor, reads: StoreDoor, clock: Clock
    ) -> None:
        self._node = node
        self._a_look = a_look
        self._asterisk = asterisk
        self._store = store
        self._reads = reads
        self._clock = clock
        self._calls: dict[str, Talking] = {}
        self._legs: dict[str, _Known] = {}

    async def look(self) -> None:
        """Keep what is known of calls that are over, and measure some of those that are up. ConnectorError."""
        up = {each.id: each for each in await self._reads(media.talking, self._node)}
        over = [call for call_id, call in self._calls.items() if call_id not in up][:MOST_KEPT_AT_ONCE]
        known = [found for call in over if (found := self._measured(call)) is not None]
        if known:
            await self._store(media.keep, known)
        for call in over:
            del self._calls[call.id]
        self._calls |= up
        legs = {leg_id: side for call in self._calls.values() for leg_id, side in _legs_of(call).items()}
        self._legs = {leg_id: self._legs.get(leg_id, _Known()) for leg_id in legs}
        now = self._clock.now_ms()
        sounding = {leg_id for call in up.values() for leg_id in _legs_of(call)}
        due = sorted(
            (self._legs[each].asked_at, each) for each in sounding if self._legs[each].asked_at <= now - AGAIN_MS
        )
        await asyncio.gather(*(self._measure(leg_id, legs[leg_id], now) for _, leg_id in due[: self._a_look]))

    async def _measure(self, leg_id: str, side: str, now: int) -> None:
        known = self._legs[leg_id]
        known.asked_at = now
        try:
            said = await self._asterisk.statistics(leg_id)
            if said is None:
                return
            known.codec = known.codec or await self._asterisk.codec(leg_id)
            known.sound = leg(side, known.codec, said) or known.sound
        # It is asked again; what was measured before stays.
        except (AsteriskError, ValueError, TypeError, KeyError, OverflowError) as error:
            log.debug("the sound of %s cannot be measured: %s", leg_id, error)

    def _measured(self, call: Talking) -> Measured | None:
        known = [self._legs[leg_id] for leg_id in _legs_of(call) if leg_id in self._legs]
        sounds = tuple(each.sound for each in known if each.sound is not None)
        return Measured(call.id, max(each.asked_at for each in known), sounds) if sounds else None


def _legs_of(call: Talking) -> dict[str, str]:
    return {leg_id: side for leg_id, side in ((call.pbx, "pbx"), (call.trunk, "trunk")) if leg_id}
