"""Asks Stripe: for pages on which a company pays or gives a card, and to charge a card that it gave (docs/payments.md).
What was paid is told by its events alone (web/hooks.py).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp

from connector.config import StripeSettings
from connector.core import kept, stripe
from connector.core.recharges import Answer, Charge, Said
from connector.core.stripe import Fields
from connector.errors import BadInput
from connector.web.bodies import read_answer

LIMIT_S = 15
PAGE_LIMIT_S = 30
MOST_ANSWER = 256 * 1024
_SESSIONS = "/v1/checkout/sessions"


class CardPayments:
    """Stripe's API, as far as it is needed. `pages`: where people find our pages. The functions that pages call wait
    for Stripe, 15 s for each question at most, and are called from a thread. BadInput if Stripe says no, or does not
    answer; the same `key` again is the same page.
    """

    def __init__(self, settings: StripeSettings, pages: str) -> None:
        self._settings = settings
        self._back = f"{pages}/money/add"
        self._recharge = f"{pages}/money/auto-recharge"

    def begin(self, reference: str, micros: int, currency: str, company: str, key: str) -> str:
        """The address of the page on which a company pays a sum."""
        fields = stripe.session(reference, micros, currency, company, self._back)
        return _in_time(self._page(fields, key))

    def keep(self, word: str, customer: str, reference: str, company: str, key: str) -> str:
        """The address of the page on which a company gives the card for an auto-recharge, which has this `word`, and
        its `customer` at Stripe, "" for none yet.
        """
        return _in_time(
            self._of_customer(
                customer, reference, company, key, lambda whose: stripe.keeping(word, whose, self._recharge)
            )
        )

    def confirm(
        self, word: str, customer: str, reference: str, micros: int, currency: str, company: str, key: str
    ) -> str:
        """The address of the page on which a company pays a recharge that its bank wants to be confirmed."""
        fields = stripe.session(reference, micros, currency, company, self._recharge)
        return _in_time(
            self._of_customer(
                customer, reference, company, key, lambda whose: [*fields, *stripe.confirming(word, whose, reference)]
            )
        )

    async def charge(self, charge: Charge) -> Answer:
        """Charge a card. It raises nothing: no answer is one too."""
        try:
            fields = stripe.charging(charge)
            status, found = await self._asked("/v1/payment_intents", fields, charge.key)
        except BadInput as error:
            return Answer(Said.REFUSED, words=str(error))
        except _NO_ANSWER:
            return Answer(Said.NOTHING, words=kept.NO_STRIPE.write())
        return stripe.charged(status, found)

    async def name_of(self, method: str) -> str:
        """What people call a card; "" if Stripe does not say."""
        try:
            status, found = await self._asked(f"/v1/payment_methods/{method}", None, "")
        except _NO_ANSWER:
            return ""
        return stripe.card_named(found) if status == 200 else ""

    async def _of_customer(
        self, customer: str, reference: str, company: str, key: str, fields: Callable[[str], Fields]
    ) -> str:
        """A page of a customer: of a new one, if there is none, or somebody removed it at Stripe."""
        if customer:
            status, found = await self._asked(_SESSIONS, fields(customer), key)
            if not stripe.lacks_customer(status, found):
                return _page_of(status, found)
        status, found = await self._asked("/v1/customers", stripe.customer(reference, company), f"{key}-customer")
        made = str(found.get("id") or "")
        if status != 200 or not made.startswith("cus_"):
            raise _not_begun(status, found)
        return await self._page(fields(made), f"{key}-new")

    async def _page(self, fields: Fields, key: str) -> str:
        return _page_of(*await self._asked(_SESSIONS, fields, key))

    async def _asked(self, path: str, fields: Fields | None, key: str) -> tuple[int, dict[str, Any]]:
        """Its answer to a question, or to a look for None. `_NO_ANSWER`."""
        headers = {
            "Authorization": f"Bearer {self._settings.secret_key.get_secret_value()}",
            "Stripe-Version": stripe.VERSION,
        }
        if key:
            headers["Idempotency-Key"] = key
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S), auto_decompress=False) as client,
            client.request(
                "GET" if fields is None else "POST",
                f"{self._settings.api}{path}",
                data=fields,
                headers=headers,
                allow_redirects=False,
            ) as answer,
        ):
            return answer.status, _json(await read_answer(answer, MOST_ANSWER))


_NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


def _in_time(page: Coroutine[Any, Any, str]) -> str:
    """A page that somebody waits for. BadInput if Stripe does not answer, or if all questions for it take too long."""
    try:
        return asyncio.run(asyncio.wait_for(page, PAGE_LIMIT_S))
    except _NO_ANSWER:
        raise BadInput("Stripe does not answer. Nothing was paid: try again in a minute.") from None


def _json(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (RecursionError, ValueError):
        found = None
    return found if isinstance(found, dict) else {}


def _page_of(status: int, found: dict[str, Any]) -> str:
    url = found.get("url")
    if status == 200 and isinstance(url, str) and url.startswith(("https://", "http://127.0.0.1:")):
        return url
    raise _not_begun(status, found)


def _not_begun(status: int, found: dict[str, Any]) -> BadInput:
    words = stripe.words_of(status, found)
    return BadInput("Stripe did not open its page: {words} Nothing was paid.", words=words)
