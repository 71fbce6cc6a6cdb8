"""What a payment gateway posts: that a payment is on its way, arrived, failed, or was taken back (docs/payments.md).

The signature alone says that it is the gateway (core/signatures.py). An answer of 2xx means: it is written down. On any
other the gateway posts it again; what cannot become right by that says so in its problem.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aiohttp import web
from limits import parse
from pydantic import Field, SecretStr, ValidationError

from connector.billing import payments
from connector.billing.payments import PaymentView, Told
from connector.clock import Clock
from connector.core import signatures, times
from connector.core.money import amount
from connector.database.audit import Doer, acting
from connector.web.bodies import read_all, read_json
from connector.web.endpoint import Shape, Word
from connector.web.guard import Guard
from connector.web.problems import Problem
from connector.web.rest import PREFIX, World

PATH = f"{PREFIX}/hooks/payments"
HEADER = "Connector-Signature"
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
    type: Literal["payment.announced", "payment.received", "payment.failed", "payment.refunded", "payment.charged_back"]
    payment: OfPayment


class PaymentHook:
    """The address that a gateway posts to; there is none without a secret in the settings."""

    def __init__(self, world: World, clock: Clock, secret: SecretStr | None, provider: str) -> None:
        self._world = world
        self._clock = clock
        self._secret = secret
        self._provider = provider

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Have it answered."""
        if self._secret is not None:
            router.add_post(PATH, self._told)

    async def _told(self, request: web.Request) -> web.Response:
        assert self._secret is not None
        guard: Guard = self._world.guard
        raw = await read_all(request, MOST_BODY)
        now = self._clock.now_ms()
        signature = request.headers.get(HEADER, "")
        if not signatures.is_good(signature, self._secret.get_secret_value(), raw, now):
            guard.slow_down(_BAD_SIGNATURES, "bad signature", guard.network(request))
            raise Problem("not_signed_in", f"The header {HEADER} is missing, more than five minutes old, or wrong.")
        try:
            event = Event.model_validate_json(read_json(raw), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise Problem("invalid", f"{field}: {first['msg']}") from None
        doer = Doer(f"payment gateway {self._provider}", now, address=guard.address(request))
        found = await self._world.store(_done, self._provider, event, doer, now)
        return web.json_response(times.timed(_shown(found)))


def _done(provider: str, event: Event, doer: Doer, now: int) -> PaymentView:
    """Write down what happened. BadInput, NotFound."""
    told, payment = Told(provider, event.id, event.payment.id), event.payment
    with acting(doer):
        if event.type == "payment.announced":
            return payments.announced(told, payment.reference, amount(payment.amount), payment.currency, now)
        if event.type == "payment.received":
            on = times.checked_day(payment.received_on) if payment.received_on else ""
            return payments.received(told, payment.reference, amount(payment.amount), payment.currency, now, on)
        if event.type == "payment.failed":
            return payments.failed(told, payment.why, now)
        why = payment.why or ("refund" if event.type == "payment.refunded" else "chargeback")
        part = amount(payment.amount) if payment.amount else None
        return payments.taken_back(told, part, why, now, payment.currency)


def _shown(found: PaymentView) -> dict[str, Any]:
    return {
        "payment": found.number,
        "state": found.state,
        "amount_micros": found.amount_micros,
        "taken_back_micros": found.taken_back_micros,
        "owed_micros": found.owed_micros,
    }
