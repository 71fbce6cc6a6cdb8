"""Recharges companies by card: begins charges that are due, and asks Stripe for them until it answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from connector.billing import payments, recharges
from connector.billing.payments import STRIPE, Told
from connector.clock import Clock
from connector.core.recharges import Charge, Said
from connector.database.store import StoreDoor
from connector.errors import ConnectorError
from connector.service.card_payments import CardPayments

log = logging.getLogger(__name__)

NAME_EVERY_MS = 60_000
AT_ONCE = 10


class Recharging:
    """One node's part. Each node may do all of it: a charge is claimed before Stripe is asked. `cards`: None if no
    payment by card is set up any more, which companies that are recharged by card are told of.
    """

    def __init__(self, cards: CardPayments | None, store: StoreDoor, reads: StoreDoor, clock: Clock) -> None:
        self._cards = cards
        self._store = store
        self._reads = reads
        self._clock = clock
        self._named_at = 0

    async def look(self) -> None:
        """Do what is due, each company by itself. ConnectorError if the store cannot be asked what that is."""
        work = await self._reads(recharges.work, self._clock.now_ms())
        if self._cards is None:
            await _each(self._store(recharges.not_possible, company, self._clock.now_ms()) for company in work.low)
            return
        if work.low:
            await _each(self._store(recharges.begin, company, self._clock.now_ms()) for company in work.low)
            work = await self._reads(recharges.work, self._clock.now_ms())
        await _each(self._store(recharges.give_up, charge, self._clock.now_ms()) for charge in work.taken)
        await _each(self._ask(self._cards, charge) for charge in work.asked[:AT_ONCE])
        if work.unnamed and self._clock.now_ms() - self._named_at >= NAME_EVERY_MS:
            self._named_at = self._clock.now_ms()
            await _each(self._name(self._cards, method) for method in work.unnamed[:AT_ONCE])

    async def _ask(self, cards: CardPayments, number: int) -> None:
        charge: Charge | None = await self._store(recharges.claim, number, self._clock.now_ms())
        if charge is None:
            return
        answer = await cards.charge(charge)
        log.info("auto-recharge %d: Stripe says %s %s", charge.id, answer.said, answer.number)
        now = self._clock.now_ms()
        if answer.said is Said.TAKEN:  # it is on its way until its event comes
            told = Told(STRIPE, f"{answer.number}:taken", answer.number)
            await self._store(payments.announced, told, charge.reference, charge.micros, charge.currency, now)
        await self._store(recharges.told, charge.key, answer, now)

    async def _name(self, cards: CardPayments, method: str) -> None:
        if name := await cards.name_of(method):
            await self._store(recharges.named, method, name)


async def _each(work: Iterable[Coroutine[Any, Any, Any]]) -> None:
    """All of it at once; what fails for one company keeps no other waiting, and is done by the next look."""
    for error in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(error, ConnectorError):
            log.error("a recharge by card waits: %s", error)
        elif isinstance(error, Exception):
            log.error("a recharge by card waits: a defect of the connector", exc_info=error)
        elif isinstance(error, BaseException):
            raise error
