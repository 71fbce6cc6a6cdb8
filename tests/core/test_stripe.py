"""What Stripe's events say of a payment, and how sums are counted there."""

from __future__ import annotations

from typing import Any

import pytest

from connector.core import stripe
from connector.core.money import MICROS
from connector.core.payments import Happened
from connector.core.recharges import Answer, Card, Said
from connector.errors import BadInput
from tests.stripe import event

SESSION = {
    "id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid", "amount_total": 2000,
    "currency": "gbp", "client_reference_id": "RF56C000001", "payment_intent": "pi_1",
}  # fmt: skip
REFUND = {"id": "re_1", "object": "refund", "status": "succeeded", "amount": 500, "currency": "gbp",
          "payment_intent": "pi_1"}  # fmt: skip
DISPUTE = {"id": "dp_1", "object": "dispute", "amount": 2000, "currency": "gbp", "payment_intent": "pi_1",
           "reason": "fraudulent"}  # fmt: skip


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
        event("refund.created", {**REFUND, "amount": 0}),
        event("refund.created", {**REFUND, "amount": 10**18}),
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


INTENT = {
    "id": "pi_2", "object": "payment_intent", "amount": 5000, "amount_received": 5000, "currency": "gbp",
    "customer": "cus_1", "payment_method": "pm_1", "metadata": {"reference": "RF56C000001", "charge": "k1"},
}  # fmt: skip
GIVEN = {**INTENT, "metadata": {"reference": "RF56C000001", "auto_recharge": "w1"}}
FAILED = {**INTENT, "last_payment_error": {"code": "card_declined", "message": "Your card was declined."}}
CONFIRM = {**INTENT, "last_payment_error": {"code": "card_declined", "decline_code": "authentication_required"}}
SETUP = {"id": "seti_1", "customer": "cus_1", "payment_method": "pm_1", "metadata": {"auto_recharge": "w1"}}
OTHERS = {**INTENT, "metadata": {}}


@pytest.mark.parametrize(
    ("kind", "found", "happened", "charge", "card"),
    [
        ("payment_intent.processing", INTENT,
         Happened("announced", "evt_1", "pi_2", 50 * MICROS, "GBP", "RF56C000001"), None, None),
        ("payment_intent.succeeded", INTENT,
         Happened("received", "evt_1", "pi_2", 50 * MICROS, "GBP", "RF56C000001"), ("k1", Answer(Said.TAKEN, "pi_2")),
         None),
        ("payment_intent.payment_failed", FAILED,
         Happened("failed", "evt_1", "pi_2", why="The card was not charged."),
         ("k1", Answer(Said.REFUSED, "pi_2", "Your card was declined.")), None),
        ("payment_intent.payment_failed", CONFIRM,
         Happened("failed", "evt_1", "pi_2", why="The card was not charged."),
         ("k1", Answer(Said.CONFIRM, "pi_2", "The card was not charged.")), None),
        ("payment_intent.succeeded", GIVEN,
         Happened("received", "evt_1", "pi_2", 50 * MICROS, "GBP", "RF56C000001"), None,
         Card("w1", "cus_1", "pm_1", 1_795_000_000_000)),
        ("setup_intent.succeeded", SETUP, None, None, Card("w1", "cus_1", "pm_1", 1_795_000_000_000)),
        # Not of an auto-recharge.
        ("payment_intent.succeeded", OTHERS, None, None, None),
        ("payment_intent.succeeded", {**INTENT, "metadata": None}, None, None, None),
        ("payment_intent.payment_failed", OTHERS, None, None, None),
        ("setup_intent.succeeded", {**SETUP, "metadata": {}}, None, None, None),
        ("setup_intent.setup_failed", SETUP, None, None, None),
        ("customer.created", {}, None, None, None),
    ],
)  # fmt: skip
def test_what_an_event_says_of_an_auto_recharge(
    kind: str, found: Any, happened: Happened | None, charge: Any, card: Card | None
) -> None:
    """That the money came, which charge it was, and which card may be charged."""
    said = event(kind, found)
    assert (stripe.happened(said), stripe.charge_told(said), stripe.card_given(said)) == (happened, charge, card)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"type": "setup_intent.succeeded"},
        event("setup_intent.succeeded", None),
        event("setup_intent.succeeded", {**SETUP, "customer": None}),
        event("setup_intent.succeeded", {**SETUP, "payment_method": {"id": "pm_1"}}),
        event("setup_intent.succeeded", {**SETUP, "metadata": "x"}),
        event("setup_intent.succeeded", {**SETUP, "metadata": {"auto_recharge": "w" * 101}}),
        {**event("setup_intent.succeeded", SETUP), "created": "soon"},
        {**event("setup_intent.succeeded", SETUP), "created": 10**18},
        {**event("setup_intent.succeeded", SETUP), "created": 1e300},
    ],
)
def test_a_card_that_is_not_as_stripes_events_are_is_refused(said: dict[str, Any]) -> None:
    """In words, and nothing comes of it."""
    with pytest.raises(BadInput, match="not as Stripe's are"):
        stripe.card_given(said)


@pytest.mark.parametrize(
    ("status", "found", "answer"),
    [
        (200, {"id": "pi_1", "status": "succeeded"}, Answer(Said.TAKEN, "pi_1")),
        (200, {"id": "pi_1", "status": "processing"}, Answer(Said.TAKEN, "pi_1")),
        (200, {"id": "pi_1", "status": "requires_action"},
         Answer(Said.CONFIRM, "pi_1", "The payment is in the state requires_action.")),
        (402, {"error": {"code": "authentication_required", "message": "No.", "payment_intent": {"id": "pi_1"}}},
         Answer(Said.CONFIRM, "pi_1", "No.")),
        (402, {"error": {"code": "card_declined", "decline_code": "authentication_required", "message": "No"}},
         Answer(Said.CONFIRM, "", "No.")),
        (402, {"error": {"code": "card_declined", "message": "Your card\x1b was declined."}},
         Answer(Said.REFUSED, "", "Your card was declined.")),
        (400, {"error": {"type": "invalid_request_error", "message": "No such customer."}},
         Answer(Said.REFUSED, "", "No such customer.")),
        # Whether the card was charged is not said.
        (400, {"error": {"type": "idempotency_error", "message": "Keys."}}, Answer(Said.NOTHING, "", "Keys.")),
        (401, {"error": {"message": "Invalid API Key sk_***1."}},
         Answer(Said.NOTHING, "", "Stripe does not accept the key of the platform.")),
        (403, {"error": {"message": "No."}},
         Answer(Said.NOTHING, "", "Stripe does not accept the key of the platform.")),
        (200, {"id": "pi_1\0\n", "status": "succeeded"}, Answer(Said.TAKEN, "pi_1")),
        (409, {"error": {"code": "idempotency_key_in_use"}}, Answer(Said.NOTHING, "", "It answered 409.")),
        (429, {}, Answer(Said.NOTHING, "", "It answered 429.")),
        (500, {}, Answer(Said.NOTHING, "", "It answered 500.")),
        (303, {}, Answer(Said.NOTHING, "", "It answered 303.")),
        (200, {}, Answer(Said.NOTHING, "", "It answered without a number.")),
        (200, {"id": "ch_1", "status": "succeeded"}, Answer(Said.NOTHING, "", "It answered without a number.")),
        (402, {"error": "x"}, Answer(Said.NOTHING, "", "It answered 402.")),
        (402, {}, Answer(Said.NOTHING, "", "It answered 402.")),
    ],
)  # fmt: skip
def test_what_an_answer_to_a_charge_says(status: int, found: Any, answer: Answer) -> None:
    """Charged, needs its holder, refused; all else says nothing of the card."""
    assert stripe.charged(status, found) == answer


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ({"card": {"brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2031}}, "Visa 4242, 04/2031"),
        ({"card": {"brand": "visa\n", "last4": "4242", "exp_month": "4", "exp_year": 2031}}, "Visa 4242, 04/2031"),
        ({"card": {"brand": "visa"}}, ""),
        ({"card": {"brand": "visa", "last4": "4242", "exp_month": float("inf"), "exp_year": 2031}}, ""),
        ({"card": None}, ""),
        ({"card": "x"}, ""),
        ({}, ""),
    ],
)
def test_a_card_has_a_name_for_people(found: Any, name: str) -> None:
    """Brand, last four digits, and until when it is good."""
    assert stripe.card_named(found) == name


@pytest.mark.parametrize(
    ("micros", "currency", "coins"),
    [
        (12_500_000, "GBP", 1_250),
        (10_000, "EUR", 1),
        (500 * MICROS, "JPY", 500),
        (1_230_000, "KWD", 1_230),
        (5 * MICROS, "ISK", 500),  # Stripe's own count: two decimals, where ISO 4217 has none
        (5 * MICROS, "UGX", 500),
    ],
)
def test_sums_are_in_the_coins_of_a_currency(micros: int, currency: str, coins: int) -> None:
    """Pence of pounds, whole yen, fils of dinars."""
    assert stripe.coins(micros, currency) == coins


def test_parts_of_a_coin_cannot_be_paid() -> None:
    """No card pays half a penny; of three decimals Stripe takes two."""
    for micros, currency in ((5_000, "GBP"), (1_234_000, "KWD"), (500_200_000, "MGA")):
        with pytest.raises(BadInput, match="whole coins"):
            stripe.coins(micros, currency)
