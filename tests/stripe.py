"""A fake of Stripe's API: what it is asked, and what it answers, by the card that is charged.

`pm_good` pays; `pm_confirm` needs its holder; `pm_refused` is declined; `pm_lost` pays, and the first answer is lost;
`pm_broken` is answered 500. The same Idempotency-Key is answered as before, as Stripe does.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from connector.config import StripeSettings

KEY, SECRET = "rk_test_a-key-of-stripes-api", "whsec_a-secret-of-stripes"
ERRORS: dict[str, tuple[int, dict[str, Any]]] = {
    "pm_confirm": (402, {"code": "authentication_required", "message": "Your card was declined. It needs its holder."}),
    "pm_refused": (402, {"code": "card_declined", "message": "Your card was declined."}),
    "pm_gone": (400, {"type": "invalid_request_error", "message": "No such PaymentMethod: 'pm_gone'"}),
    "pm_broken": (500, {"type": "api_error"}),
}


@dataclass
class Fake:
    """What it was asked, in order: path, headers and fields; the sessions' answer; the payments that it made. `odd`:
    what it answers instead; `without_customer`: the first one was removed.
    """

    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    status: int = 200
    answer: Any = field(default_factory=lambda: {"id": "cs_1", "url": "https://checkout.stripe.com/c/pay/cs_1"})
    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    odd: str | None = None
    without_customer: bool = False

    def fields(self, path: str) -> list[dict[str, str]]:
        """What was sent to an address, each time."""
        return [fields for asked, _, fields in self.asked if asked == path]

    def charged(self) -> list[dict[str, Any]]:
        """The payments that were made."""
        return [each for each in self.payments.values() if each.get("status") == "succeeded"]

    async def told(self, request: web.Request) -> web.StreamResponse:
        """A question."""
        given = {name: str(value) for name, value in (await request.post()).items()}
        headers = dict(request.headers)
        again = any(
            path == request.path and headers["Idempotency-Key"] == before.get("Idempotency-Key") and given != fields
            for path, before, fields in self.asked
            if "Idempotency-Key" in headers
        )
        assert not again, "the same Idempotency-Key with other fields"
        self.asked.append((request.path, headers, given))
        if self.odd is not None:
            return web.Response(text=self.odd, content_type="application/json")
        if self.without_customer and given.get("customer") == "cus_1":
            error = {"type": "invalid_request_error", "code": "resource_missing", "param": "customer"}
            return web.json_response({"error": error}, status=400)
        if request.path == "/v1/payment_intents":
            return self._charge(request, headers["Idempotency-Key"], given)
        if request.path == "/v1/customers":
            return web.json_response({"id": f"cus_{len(self.fields('/v1/customers'))}"})
        if request.path.startswith("/v1/payment_methods/"):
            return web.json_response(
                {"card": {"brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2031}, "type": "card"}
            )
        text = self.answer if isinstance(self.answer, str) else json.dumps(self.answer)
        return web.Response(status=self.status, text=text, content_type="application/json")

    def _charge(self, request: web.Request, key: str, given: dict[str, str]) -> web.StreamResponse:
        card = given["payment_method"]
        number = self.payments.get(key, {}).get("id", f"pi_{len(self.payments) + 1}")
        made: dict[str, Any] = {
            "id": number, "object": "payment_intent", "status": "succeeded", "amount": int(given["amount"]),
            "amount_received": int(given["amount"]), "currency": given["currency"],
            "metadata": {"reference": given["metadata[reference]"], "charge": given["metadata[charge]"]},
        }  # fmt: skip
        if card in ERRORS:
            status, error = ERRORS[card]
            self.payments[key] = {**made, "status": "requires_payment_method", "last_payment_error": error}
            if status == 402:
                error = {**error, "type": "card_error", "payment_intent": {"id": number}}
            return web.json_response({"error": error}, status=status)
        self.payments[key] = made
        if card == "pm_lost" and key not in self.lost:
            self.lost.add(key)
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(made)


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Fake, StripeSettings]]:
    """The fake, on loopback, and the settings that name it."""
    found, app = Fake(), web.Application()
    app.router.add_route("*", "/{path:.*}", found.told)
    async with TestServer(app) as server:
        settings = StripeSettings(
            secret_key=SecretStr(KEY), webhook_secret=SecretStr(SECRET), api=str(server.make_url("")).rstrip("/")
        )
        yield found, settings


def event(kind: str, found: Any, number: str = "evt_1", created: int = 1_795_000_000) -> dict[str, Any]:
    """An event as Stripe posts it, as far as it is read."""
    return {"id": number, "object": "event", "type": kind, "created": created, "data": {"object": found}}


def given_card(word: str, method: str, created: int = 1_795_000_000) -> dict[str, Any]:
    """The event of a card that was given for an auto-recharge."""
    intent = {
        "id": "seti_1", "object": "setup_intent", "customer": "cus_1", "payment_method": method,
        "metadata": {"auto_recharge": word},
    }  # fmt: skip
    return event("setup_intent.succeeded", intent, f"evt_{method}_{created}", created)
