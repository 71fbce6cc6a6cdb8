"""What Stripe's events say of a payment, and how sums are counted there."""

from __future__ import annotations

from typing import Any

import pytest

from connector.core import stripe
from connector.core.money import MICROS
from connector.core.payments import Happened
from connector.errors import BadInput

SESSION = {
    "id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid", "amount_total": 2000,
    "currency": "gbp", "client_reference_id": "RF56C000001", "payment_intent": "pi_1",
}  # fmt: skip
REFUND = {"id": "re_1", "object": "refund", "status": "succeeded", "amount": 500, "currency": "gbp",
          "payment_intent": "pi_1"}  # fmt: skip
DISPUTE = {"id": "dp_1", "object": "dispute", "amount": 2000, "currency": "gbp", "payment_intent": "pi_1",
           "reason": "fraudulent"}  # fmt: skip


def event(kind: str, found: Any) -> dict[str, Any]:
    """An event as Stripe posts it, as far as it is read."""
    return {"id": "evt_1", "object": "event", "type": kind, "data": {"object": found}}


@pytest.mark.parametrize(
    ("kind", "found", "happened"),
    [
        ("checkout.session.completed", SESSION,
         Happened("received", "evt_1", "pi_1", 20 * MICROS, "GBP", "RF56C000001")),
        ("checkout.session.completed", {**SESSION, "payment_status": "unpaid"},
         Happened("announced", "evt_1", "pi_1", 20 * MICROS, "GBP", "RF56C000001")),
        ("checkout.session.async_payment_succeeded", SESSION,
         Happened("received", "evt_1", "pi_1", 20 * MICROS, "GBP", "RF56C000001")),
        ("checkout.session.async_payment_failed", {**SESSION, "payment_status": "unpaid"},
         Happened("failed", "evt_1", "pi_1", why="the bank did not pay")),
        ("checkout.session.completed", {**SESSION, "currency": "jpy", "amount_total": 2000},
         Happened("received", "evt_1", "pi_1", 2000 * MICROS, "JPY", "RF56C000001")),
        ("refund.created", REFUND, Happened("refunded", "re_1", "pi_1", 5 * MICROS, "GBP", why="refund")),
        ("refund.updated", REFUND, Happened("refunded", "re_1", "pi_1", 5 * MICROS, "GBP", why="refund")),
        ("charge.dispute.funds_withdrawn", DISPUTE,
         Happened("charged_back", "dp_1:withdrawn", "pi_1", 20 * MICROS, "GBP", why="dispute: fraudulent")),
        ("charge.dispute.funds_reinstated", DISPUTE,
         Happened("reinstated", "dp_1:reinstated", "pi_1", 20 * MICROS, "GBP", why="the dispute was won")),
        # Not about a payment of ours.
        ("refund.created", {**REFUND, "status": "pending"}, None),
        ("refund.created", {**REFUND, "payment_intent": None}, None),
        ("checkout.session.completed", {**SESSION, "client_reference_id": None}, None),
        ("checkout.session.completed", {**SESSION, "client_reference_id": "order 77"}, None),
        ("checkout.session.completed", {**SESSION, "mode": "subscription"}, None),
        ("checkout.session.completed", {**SESSION, "payment_status": "no_payment_required"}, None),
        ("invoice.paid", {}, None),
    ],
)  # fmt: skip
def test_what_an_event_says(kind: str, found: Any, happened: Happened | None) -> None:
    """Each of those that are asked for; every other one says nothing."""
    assert stripe.happened(event(kind, found)) == happened


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"id": "evt_1", "type": "refund.created"},
        {"id": "evt_1", "type": "refund.created", "data": []},
        event("refund.created", None),
        event("refund.created", {**REFUND, "amount": "500"}),
        event("refund.created", {**REFUND, "amount": True}),
        event("refund.created", {**REFUND, "id": ""}),
        event("refund.created", {**REFUND, "payment_intent": "p" * 101}),
        event("refund.created", {**REFUND, "payment_intent": {"id": "pi_1"}}),
        event("checkout.session.completed", {**SESSION, "payment_intent": None}),
        event("checkout.session.completed", {**SESSION, "amount_total": 20.5}),
    ],
)
def test_what_is_not_as_stripes_events_are_is_refused(said: dict[str, Any]) -> None:
    """In words, and nothing comes of it."""
    with pytest.raises(BadInput, match="not as Stripe's are"):
        stripe.happened(said)


@pytest.mark.parametrize(
    ("micros", "currency", "coins"),
    [
        (12_500_000, "GBP", 1_250),
        (10_000, "EUR", 1),
        (500 * MICROS, "JPY", 500),
        (1_234_000, "KWD", 1_234),
        (5 * MICROS, "ISK", 500),  # Stripe's own count: two decimals, where ISO 4217 has none
        (5 * MICROS, "UGX", 500),
    ],
)
def test_sums_are_in_the_coins_of_a_currency(micros: int, currency: str, coins: int) -> None:
    """Pence of pounds, whole yen, fils of dinars."""
    assert stripe.coins(micros, currency) == coins


def test_parts_of_a_coin_cannot_be_paid() -> None:
    """No card pays half a penny."""
    with pytest.raises(BadInput, match="whole coins"):
        stripe.coins(5_000, "GBP")
