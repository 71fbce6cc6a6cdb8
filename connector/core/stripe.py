"""Stripe's Checkout: what is asked of it for a payment by card, and what its events say of a payment. Pure.

API: https://docs.stripe.com/api/checkout/sessions/create, /api/events/types, and /currencies for those of no and of
three decimals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.core.money import MICROS, minor_digits
from connector.core.payments import Happened
from connector.errors import BadInput

# Of its API, as of when events and answers are understood here.
VERSION = "2024-06-20"
# Where Stripe counts other coins than ISO 4217 has.
_DIGITS = {"ISK": 2, "UGX": 2, "MGA": 0}
_ID = 100


def session(reference: str, micros: int, currency: str, company: str, back: str) -> list[tuple[str, str]]:
    """The fields of a new Checkout Session. `back`: the page to come back to. BadInput for a sum of parts of coins."""
    price = "line_items[0][price_data]"
    return [
        ("mode", "payment"),
        ("client_reference_id", reference),
        ("line_items[0][quantity]", "1"),
        (f"{price}[currency]", currency.lower()),
        (f"{price}[unit_amount]", str(coins(micros, currency))),
        (f"{price}[product_data][name]", f"Credit for {company}"),
        ("payment_intent_data[description]", f"Credit for {company}, {reference}"),
        ("success_url", f"{back}?paid=1"),
        ("cancel_url", back),
    ]


def coins(micros: int, currency: str) -> int:
    """A sum in the coins that Stripe counts. BadInput if it has parts of one."""
    number, rest = divmod(micros * _coins_a_unit(currency), MICROS)
    if rest:
        raise BadInput("A payment by card is in whole coins of {currency}.", currency=currency)
    return number


def happened(event: Mapping[str, Any]) -> Happened | None:
    """What a signed event says of a payment of ours; None for any other event. BadInput if it is not Stripe's shape."""
    try:
        kind, found = str(event["type"]), event["data"]["object"]
        known = _KNOWN.get(kind)
        return None if known is None else known(str(event["id"])[:_ID], found)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            "The event is not as Stripe's are: {name} {error!s:.60}", name=type(error).__name__, error=error
        ) from None


def _of_session(event: str, found: Mapping[str, Any]) -> Happened | None:
    """The payer has left Stripe's page: by card it is paid, by a bank it is on its way."""
    reference = found.get("client_reference_id") or ""
    if found["mode"] != "payment" or not str(reference).startswith("RF"):
        return None  # somebody sells something else by the same account
    kind = {"paid": "received", "unpaid": "announced"}.get(found["payment_status"])
    if kind is None:
        return None
    currency = str(found["currency"]).upper()
    number = _id(found["payment_intent"])
    return Happened(kind, event, number, _micros(found["amount_total"], currency), currency, str(reference))


def _failed(event: str, found: Mapping[str, Any]) -> Happened | None:
    before = _of_session(event, {**found, "payment_status": "unpaid"})
    return None if before is None else Happened("failed", event, before.number, why="the bank did not pay")


def _refund(event: str, found: Mapping[str, Any]) -> Happened | None:
    """A refund; it is told when it is made and when it is done, and counts once, by its own number."""
    if found["status"] != "succeeded" or not found.get("payment_intent"):
        return None
    return _back("refunded", _id(found["id"]), found, "refund")


def _withdrawn(event: str, found: Mapping[str, Any]) -> Happened | None:
    return _back("charged_back", f"{_id(found['id'])}:withdrawn", found, f"dispute: {found.get('reason') or 'unknown'}")


def _reinstated(event: str, found: Mapping[str, Any]) -> Happened | None:
    return _back("reinstated", f"{_id(found['id'])}:reinstated", found, "the dispute was won")


def _back(kind: str, event: str, found: Mapping[str, Any], why: str) -> Happened:
    currency = str(found["currency"]).upper()
    return Happened(kind, event, _id(found["payment_intent"]), _micros(found["amount"], currency), currency, why=why)


def _micros(amount: Any, currency: str) -> int:
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise TypeError("amount")
    return amount * MICROS // _coins_a_unit(currency)


def _coins_a_unit(currency: str) -> int:
    return int(10 ** _DIGITS.get(currency, minor_digits(currency)))


def _id(value: Any) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not 1 <= len(value) <= _ID:
        raise ValueError("id")
    return value


_KNOWN = {
    "checkout.session.completed": _of_session,
    "checkout.session.async_payment_succeeded": _of_session,
    "checkout.session.async_payment_failed": _failed,
    "refund.created": _refund,
    "refund.updated": _refund,
    "charge.dispute.funds_withdrawn": _withdrawn,
    "charge.dispute.funds_reinstated": _reinstated,
}
