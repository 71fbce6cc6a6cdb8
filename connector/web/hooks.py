"""What payment providers post: that a payment is on its way, arrived, failed, or was taken back (docs/payments.md).

The signature alone says that it is the provider (core/signatures.py; Stripe signs the same way). An answer of 2xx
means: it is written down, or is about nothing of ours. On any other the provider posts it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from aiohttp import web
from limits import parse
from pydantic import Field, SecretStr

from connector.billing import payments, recharges
from connector.billing.payments import GATEWAY, STRIPE, PaymentView, Told
from connector.clock import Clock
from connector.config import PaymentSettings, StripeSettings
from connector.core import signatures, stripe, times
from connector.core.money import amount
from connector.core.payments import Happened
from connector.core.recharges import Answer, Card
from connector.database.audit import Doer, acting
from connector.database.store import writing
from connector.web.bodies import read_all, read_json
from connector.web.endpoint import Shape, Word
from connector.web.guard import Guard
from connector.web.problems import Problem
from connector.web.rest import PREFIX, World, checked_body

MOST_BODY = 64 * 1024
_BAD_SIGNATURES = parse("600/minute")
_Id = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$")]


class OfPayment(Shape):
    """A payment. `amount`: what the event is about, as in `100.00`; of a refund or chargeback the part that is taken
    back, all of it if it is left out. `reference` and `currency` are needed where money is announced or received.
    """

    id: _Id
    amount: Annotated[str, Field(max_length=20)] = ""
    currency: Annotated[str, Field(max_length=3)] = ""
    reference: Annotated[str, Field(max_length=40)] = ""
    received_on: Annotated[str, Field(max_length=10)] = ""
    why: Word = ""


class Event(Shape):
    """What happened to a payment: `id` is the event's own, and is the same whenever it is posted again."""

    id: _Id
    type: Literal[
        "payment.announced",
        "payment.received",
        "payment.failed",
        "payment.refunded",
        "payment.charged_back",
        "payment.reinstated",
    ]
    payment: OfPayment


@dataclass(frozen=True)
class Said:
    """What a body says, None for nothing of ours: of a payment; of an auto-recharge by its key; and which card was
    given for one.
    """

    happened: Happened | None
    charge: tuple[str, Answer] | None = None
    card: Card | None = None


class Hook:
    """An address that a provider posts to. `read`: what a body says."""

    def __init__(
        self,
        world: World,
        clock: Clock,
        provider: str,
        header: str,
        secret: SecretStr,
        read: Callable[[bytes], Said],
    ) -> None:
        self._world = world
        self._clock = clock
        self._provider = provider
        self._header = header
        self._secret = secret
        self._read = read

    async def told(self, request: web.Request) -> web.Response:
        """An event came."""
        guard: Guard = self._world.guard
        raw = await read_all(request, MOST_BODY)
        now = self._clock.now_ms()
        signature = request.headers.get(self._header, "")
        if not signatures.is_good(signature, self._secret.get_secret_value(), raw, now):
            guard.slow_down(_BAD_SIGNATURES, "bad signature", guard.network(request))
            raise Problem("not_signed_in", f"The header {self._header} is missing, too old, or wrong.")
        said = self._read(read_json(raw))
        doer = Doer(f"payment provider {self._provider}", now, address=guard.address(request))
        found = await self._world.store(_done, self._provider, said, doer, now)
        return web.json_response(_shown(found) if found else {"payment": None})


def add_to(
    router: web.UrlDispatcher, world: World, clock: Clock, paid: PaymentSettings, by_card: StripeSettings | None
) -> None:
    """Have those providers answered that the settings know."""
    if paid.hook_secret is not None:
        own = Hook(world, clock, GATEWAY, "Connector-Signature", paid.hook_secret, _own)
        router.add_post(f"{PREFIX}/hooks/payments", own.told)
    if by_card is not None:
        other = Hook(world, clock, STRIPE, "Stripe-Signature", by_card.webhook_secret, _stripes)
        router.add_post(f"{PREFIX}/hooks/stripe", other.told)


def _own(raw: bytes) -> Said:
    """An event as we document it. Problem invalid; BadInput."""
    event = checked_body(Event, raw)
    found = event.payment
    kind = event.type.removeprefix("payment.")
    needed = kind in ("announced", "received")
    return Said(
        Happened(
            kind,
            event.id,
            found.id,
            amount(found.amount) if found.amount or needed else None,
            found.currency,
            found.reference,
            times.checked_day(found.received_on) if found.received_on else "",
            found.why,
        )
    )


def _stripes(raw: bytes) -> Said:
    """An event of Stripe's. Problem invalid."""
    event = json.loads(raw)
    if not isinstance(event, dict):
        raise Problem("invalid", "The body is not an object.")
    return Said(stripe.happened(event), stripe.charge_told(event), stripe.card_given(event))


def _done(provider: str, said: Said, doer: Doer, now: int) -> PaymentView | None:
    """Write down what was said, all of it or nothing; the payment, if it is about one. BadInput, NotFound."""
    if said == Said(None):
        return None
    with writing(), acting(doer):
        found = None if said.happened is None else _paid(provider, said.happened, now)
        if said.charge is not None:
            happened = said.happened
            reference, micros = (happened.reference, happened.micros) if happened else ("", None)
            recharges.told(*said.charge, now, by_event=True, reference=reference, micros=micros)
        if said.card is not None:
            recharges.card_given(said.card)
        return found


def _paid(provider: str, happened: Happened, now: int) -> PaymentView | None:
    told, micros, currency = Told(provider, happened.event, happened.number), happened.micros, happened.currency
    if happened.kind == "announced":
        return payments.announced(told, happened.reference, micros or 0, currency, now)
    if happened.kind == "received":
        return payments.received(told, happened.reference, micros or 0, currency, now, happened.received_on)
    if happened.kind == "failed":
        return payments.failed(told, happened.why, now)
    change = payments.reinstated if happened.kind == "reinstated" else payments.taken_back
    return change(told, micros, happened.why or happened.kind.replace("_", " "), now, currency)


def _shown(found: PaymentView) -> dict[str, Any]:
    return {
        "payment": found.number,
        "state": found.state,
        "amount_micros": found.amount_micros,
        "taken_back_micros": found.taken_back_micros,
        "owed_micros": found.owed_micros,
    }
