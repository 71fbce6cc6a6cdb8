"""A company pays by card: Stripe is asked for a page, and its event alone credits the balance. The API is a fake."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from connector.billing import credit
from connector.config import StripeSettings
from connector.core import signatures
from connector.core.money import MICROS
from connector.errors import BadInput
from connector.service.card_payments import CardPayments
from tests.conftest import NOW
from tests.core.test_stripe import DISPUTE, REFUND, SESSION, event
from tests.web.browsing import Client, get, send, welcomed
from tests.web.conftest import Town

KEY, SECRET = "rk_test_a-key-of-stripes-api", "whsec_a-secret-of-stripes"
Begin = Callable[[str, int, str, str, str], str]


@dataclass
class Fake:
    """Stripe's API: what it was asked, and what it answers."""

    asked: list[tuple[dict[str, str], dict[str, str]]] = field(default_factory=list)
    status: int = 200
    answer: Any = field(default_factory=lambda: {"id": "cs_1", "url": "https://checkout.stripe.com/c/pay/cs_1"})

    async def sessions(self, request: web.Request) -> web.Response:
        """A new Checkout Session."""
        given = await request.post()
        self.asked.append((dict(request.headers), {name: str(value) for name, value in given.items()}))
        text = self.answer if isinstance(self.answer, str) else json.dumps(self.answer)
        return web.Response(status=self.status, text=text, content_type="application/json")


@pytest.fixture
async def fake() -> AsyncIterator[tuple[Fake, StripeSettings]]:
    """The fake, on loopback, and the settings that name it."""
    found, app = Fake(), web.Application()
    app.router.add_post("/v1/checkout/sessions", found.sessions)
    async with TestServer(app) as server:
        settings = StripeSettings(
            secret_key=SecretStr(KEY), webhook_secret=SecretStr(SECRET), api=str(server.make_url("")).rstrip("/")
        )
        yield found, settings


@pytest.fixture
def by_card() -> StripeSettings:
    """Stripe is known."""
    return StripeSettings(secret_key=SecretStr(KEY), webhook_secret=SecretStr(SECRET))


@pytest.fixture
def card(fake: tuple[Fake, StripeSettings]) -> Begin:
    """Payments by card begin at the fake."""
    return CardPayments(fake[1], "https://pbx.example.com").begin


def free() -> int:
    """Acme's balance, in micros."""
    return credit.balance("Acme").available_micros


async def post(client: Client, said: Any) -> tuple[int, Any]:
    """An event, signed as Stripe does."""
    body = json.dumps(said).encode()
    headers = {"Stripe-Signature": signatures.made(SECRET, body, NOW)}
    async with client.post("/api/v1/hooks/stripe", data=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_an_owner_pays_by_card(client: Client, town: Town, fake: tuple[Fake, StripeSettings]) -> None:
    """The page leads to Stripe's, whose events alone move money: paid, refunded in part, disputed, and won."""
    await welcomed(client, "owner@example.com")
    assert 'href="/money/card"' in await get(client, "/money/add")
    before = free()
    status, text = await send(client, "/money/card", amount="£20.00")
    assert (status, free()) == (200, before), text
    assert 'href="https://checkout.stripe.com/c/pay/cs_1"' in text
    assert "Pay £20.00 at Stripe" in text
    ((headers, fields),) = fake[0].asked
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert len(headers["Idempotency-Key"]) == 32
    wanted = {
        "mode": "payment",
        "client_reference_id": "RF56C000001",
        "line_items[0][price_data][currency]": "gbp",
        "line_items[0][price_data][unit_amount]": "2000",
        "success_url": "https://pbx.example.com/money/add?paid=1",
    }
    assert {name: fields[name] for name in wanted} == wanted
    assert "as soon as the payment is confirmed" in await get(client, "/money/add?paid=1")
    assert free() == before
    for said, then in (
        (event("checkout.session.completed", {**SESSION, "payment_status": "unpaid"}), 0),
        ({**event("checkout.session.async_payment_succeeded", SESSION), "id": "evt_2"}, 20),
        (event("refund.created", REFUND), 15),
        (event("refund.updated", REFUND), 15),
        (event("charge.dispute.funds_withdrawn", {**DISPUTE, "amount": 1500}), 0),
        (event("charge.dispute.funds_reinstated", {**DISPUTE, "amount": 1500}), 15),
        (event("customer.created", {}), 15),
    ):
        for _ in range(2):
            status, answer = await post(client, said)
            assert (status, free()) == (200, before + then * MICROS), (said, answer)


async def test_what_stripe_did_not_sign_moves_nothing(client: Client, town: Town) -> None:
    """Neither our own signature's header, nor a body that was changed on its way."""
    before, body = free(), json.dumps(event("checkout.session.completed", SESSION)).encode()
    good = signatures.made(SECRET, body, NOW)
    for headers, sent in (
        ({}, body),
        ({"Connector-Signature": good}, body),
        ({"Stripe-Signature": good}, body.replace(b"2000", b"9000")),
    ):
        async with client.post("/api/v1/hooks/stripe", data=sent, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, "not_signed_in")
    wrong: tuple[Any, ...] = ([], "x", event("refund.created", {**REFUND, "amount": "1"}))
    for said in wrong:
        status, problem = await post(client, said)
        assert (status, problem["code"]) in ((422, "invalid"), (409, "bad_input")), said
    assert free() == before


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (402, {"error": {"message": "Your card\x1b[31m was declined."}}, "Your card[31m was declined."),
        (401, {"error": {"message": "Invalid API Key provided"}}, "Invalid API Key provided"),
        (500, "<html>", "it answered 500"),
        (200, {"url": "javascript:alert(1)"}, "it answered 200"),
        (200, {"url": "http://checkout.example.com/"}, "it answered 200"),
        (200, [], "it answered 200"),
        (303, {}, "it answered 303"),
    ],
)
async def test_a_payment_that_cannot_begin_is_said_to(
    card: Begin, fake: tuple[Fake, StripeSettings], status: int, answer: Any, words: str
) -> None:
    """In one line, with what Stripe said, and that nothing was paid; no key of ours is in it."""
    fake[0].status, fake[0].answer = status, answer
    with pytest.raises(BadInput) as caught:
        await asyncio.to_thread(card, "RF56C000001", 20 * MICROS, "GBP", "Acme", "k")
    assert words in str(caught.value)
    assert "Nothing was paid" in str(caught.value)
    assert KEY not in str(caught.value)


async def test_who_may_not_move_money_pays_nothing(client: Client, town: Town) -> None:
    """A viewer sees how the company pays, and has no button."""
    await welcomed(client, "viewer@example.com")
    assert "/money/card" not in await get(client, "/money/add")
    await get(client, "/money/card", 403)


async def test_nobody_there_is_said_to_be_nobody() -> None:
    """Stripe away: a line, and not a Traceback."""
    nowhere = StripeSettings(secret_key=SecretStr(KEY), webhook_secret=SecretStr(SECRET), api="http://127.0.0.1:9")
    begin = CardPayments(nowhere, "https://pbx.example.com").begin
    with pytest.raises(BadInput, match="does not answer"):
        await asyncio.to_thread(begin, "RF56C000001", 20 * MICROS, "GBP", "Acme", "k")
