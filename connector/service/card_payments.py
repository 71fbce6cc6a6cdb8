"""Begins payments by card: asks Stripe for a page on which a company pays (docs/payments.md). What was paid is told by
its events alone (web/hooks.py).
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from connector.config import StripeSettings
from connector.core import stripe
from connector.errors import BadInput
from connector.web.bodies import read_answer

LIMIT_S = 15
MOST_ANSWER = 256 * 1024


class CardPayments:
    """Stripe's API, as far as it is needed. `pages`: where people find our pages."""

    def __init__(self, settings: StripeSettings, pages: str) -> None:
        self._settings = settings
        self._back = f"{pages}/money/add"

    def begin(self, reference: str, micros: int, currency: str, company: str, key: str) -> str:
        """The address of the page on which a company pays a sum. Called from a thread: it waits 15 s at most. BadInput
        if Stripe says no, or does not answer; the same `key` again is the same page.
        """
        fields = stripe.session(reference, micros, currency, company, self._back)
        return asyncio.run(self._asked(fields, key))

    async def _asked(self, fields: list[tuple[str, str]], key: str) -> str:
        headers = {
            "Authorization": f"Bearer {self._settings.secret_key.get_secret_value()}",
            "Stripe-Version": stripe.VERSION,
            "Idempotency-Key": key,
        }
        limit = aiohttp.ClientTimeout(total=LIMIT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, auto_decompress=False) as client,
                client.post(
                    f"{self._settings.api}/v1/checkout/sessions", data=fields, headers=headers, allow_redirects=False
                ) as answer,
            ):
                return _page_of(answer.status, _json(await read_answer(answer, MOST_ANSWER)))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise BadInput("Stripe does not answer. Nothing was paid: try again in a minute.") from None


def _json(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _page_of(status: int, found: dict[str, Any]) -> str:
    url = found.get("url")
    if status == 200 and isinstance(url, str) and url.startswith(("https://", "http://127.0.0.1:")):
        return url
    error = found.get("error")
    said = error.get("message") if isinstance(error, dict) else None
    words = "".join(char for char in str(said or f"it answered {status}") if char.isprintable())[:200]
    raise BadInput("Stripe did not begin the payment: {words} Nothing was paid.", words=words)
