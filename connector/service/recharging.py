"""Recharges companies by card: begins charges that are due, and asks Stripe for them until it answers."""

from __future__ import annotations

import logging

from connector.billing import recharges
from connector.clock import Clock
from connector.database.store import StoreDoor
from connector.service.card_payments import CardPayments

log = logging.getLogger(__name__)

NAME_EVERY_MS = 60_000


class Recharging:
    """One node's part. Each node may do all of it: a charge is claimed before Stripe is asked."""

    def __init__(self, cards: CardPayments, store: StoreDoor, reads: StoreDoor, clock: Clock) -> None:
        self._cards = cards
        self._store = store
        self._reads = reads
        self._clock = clock
        self._named_at = 0

    async def look(self) -> None:
        """Do what is due. ConnectorError if the store is away: then a charge is asked for again with the same key."""
        work = await self._reads(recharges.work, self._clock.now_ms())
        for company in work.low:
            await self._store(recharges.begin, company, self._clock.now_ms())
        if work.low:
            work = await self._reads(recharges.work, self._clock.now_ms())
        for charge in work.asked:
            await self._ask(charge)
        if work.unnamed and self._clock.now_ms() - self._named_at >= NAME_EVERY_MS:
            self._named_at = self._clock.now_ms()
            for method in work.unnamed:
                if name := await self._cards.name_of(method):
                    await self._store(recharges.named, method, name)

    async def _ask(self, number: int) -> None:
        charge = await self._store(recharges.claim, number, self._clock.now_ms())
        if charge is None:
            return
        answer = await self._cards.charge(charge)
        log.info("auto-recharge %d: Stripe says %s %s", charge.id, answer.said, answer.number)
        await self._store(recharges.told, charge.key, answer, self._clock.now_ms())
