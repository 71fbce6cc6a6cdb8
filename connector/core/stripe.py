"""Stripe: what is asked of it for payments by card and for charges to a card that is kept, and what its answers and
events say of them. Pure.

API: https://docs.stripe.com/api/checkout/sessions/create, /api/payment_intents/create, /api/errors, /api/events/types,
and /currencies for those of no and of three decimals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connector.core.money import MICROS, minor_digits
from connector.core.payments import Happened
from connector.core.recharges import Answer, Card, Charge, Said
from connector.errors import BadInput

# Of its API, as of when events and answers are understood here.
VERSION = "2024-06-20"
# Where Stripe counts other coins than ISO 4217 has.
_DIGITS = {"ISK": 2, "UGX": 2, "MGA": 0}
_ID = 100
_MOST_COINS = 10**12
_LATEST_S = 10**11
_WORDS = 200
# What is kept with a SetupIntent or PaymentIntent: which auto-recharge its card is for, and which charge it is.
_CARD_FOR, _CHARGE = "auto_recharge", "charge"
# Instead of Stripe's own words, which name our key: that is nothing for a company.
_KEY_REFUSED = "Stripe does not accept the key of the platform."
_NOT_CHARGED = "The card was not charged."

Fields = list[tuple[str, str]]


def session(reference: str, micros: int, currency: str, company: str, back: str) -> Fields:
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


def customer(reference: str, company: str) -> Fields:
    """The fields of a new Customer, which a card that is kept belongs to."""
    return [("name", company), ("metadata[reference]", reference)]


def keeping(setting: str, customer: str, back: str) -> Fields:
    """The fields of a Checkout Session on which somebody gives a card that may be charged without them."""
    return [
        ("mode", "setup"),
        ("customer", customer),
        ("payment_method_types[0]", "card"),
        (f"setup_intent_data[metadata][{_CARD_FOR}]", setting),
        ("success_url", f"{back}?card=1"),
        ("cancel_url", back),
    ]


def confirming(setting: str, customer: str, reference: str) -> Fields:
    """What a Checkout Session for a payment (`session`) says besides, where its card is kept for charges to come."""
    return [
        ("customer", customer),
        ("payment_intent_data[metadata][reference]", reference),
        ("payment_method_types[0]", "card"),
        ("payment_intent_data[setup_future_usage]", "off_session"),
        (f"payment_intent_data[metadata][{_CARD_FOR}]", setting),
    ]


def charging(charge: Charge) -> Fields:
    """The fields of a PaymentIntent that charges a card without its holder. BadInput for a sum of parts of coins."""
    return [
        ("amount", str(coins(charge.micros, charge.currency))),
        ("currency", charge.currency.lower()),
        ("customer", charge.customer),
        ("payment_method", charge.method),
        ("payment_method_types[0]", "card"),
        ("off_session", "true"),
        ("confirm", "true"),
        ("description", f"Auto-recharge, {charge.reference}"),
        ("metadata[reference]", charge.reference),
        (f"metadata[{_CHARGE}]", charge.key),
    ]


def charged(status: int, found: Mapping[str, Any]) -> Answer:
    """What the answer to `charging` says. A card that needs its holder, and one that is refused, is an error of 402;
    what is wrong with the question, one of 400 or 404. All others say nothing of the card.
    """
    if status == 200:
        state, number = found.get("status"), _line(found.get("id") or "")
        if not number.startswith("pi_"):
            return Answer(Said.NOTHING, words="It answered without a number.")
        if state in ("succeeded", "processing"):
            return Answer(Said.TAKEN, number)
        return Answer(Said.CONFIRM, number, f"The payment is in the state {_line(state)}.")
    said, words = _error_of(found), words_of(status, found)
    intent = said.get("payment_intent")
    number = _line(intent.get("id") or "") if isinstance(intent, dict) else ""
    if status == 402 and said:
        return Answer(_refusal(said), number, words)
    if status in (400, 404) and said.get("type") == "invalid_request_error":
        return Answer(Said.REFUSED, number, words)
    return Answer(Said.NOTHING, number, words)


def words_of(status: int, found: Mapping[str, Any]) -> str:
    """What an answer that is an error says, in one sentence."""
    if status in (401, 403):
        return _KEY_REFUSED
    return _sentence(_error_of(found).get("message") or f"It answered {status}.")


def lacks_customer(status: int, found: Mapping[str, Any]) -> bool:
    """Whether an answer says that the customer is not there, who was removed at Stripe or is of another account."""
    said = _error_of(found)
    return status in (400, 404) and (said.get("code"), said.get("param")) == ("resource_missing", "customer")


def card_named(found: Mapping[str, Any]) -> str:
    """What people call the card of a PaymentMethod: `Visa 4242, 12/2027`; "" if it is none."""
    card = found.get("card")
    try:
        brand, last, month, year = (card[name] for name in ("brand", "last4", "exp_month", "exp_year"))  # type: ignore[index]
        return _line(f"{str(brand).capitalize()} {last}, {int(month):02d}/{int(year)}")
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return ""


def card_given(event: Mapping[str, Any]) -> Card | None:
    """The card that somebody gave for an auto-recharge, as a signed event says; None for any other event. BadInput if
    it is not Stripe's shape.
    """
    try:
        if event["type"] not in ("setup_intent.succeeded", "payment_intent.succeeded"):
            return None
        found = event["data"]["object"]
        setting = (found.get("metadata") or {}).get(_CARD_FOR)
        if not setting:
            return None
        created = event["created"]
        if isinstance(created, bool) or not isinstance(created, int) or not 0 < created < _LATEST_S:
            raise TypeError("created")
        return Card(_id(setting), _id(found["customer"]), _id(found["payment_method"]), created * 1000)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _not_stripes(error) from None


def charge_told(event: Mapping[str, Any]) -> tuple[str, Answer] | None:
    """Of which charge an event speaks, by its key, and what it says; None for any other event. BadInput if it is not
    Stripe's shape. That the money came is said by `happened`.
    """
    try:
        kind, found = event["type"], event["data"]["object"]
        if kind not in ("payment_intent.succeeded", "payment_intent.payment_failed"):
            return None
        key = (found.get("metadata") or {}).get(_CHARGE)
        if not key:
            return None
        number = _id(found["id"])
        if kind == "payment_intent.succeeded":
            return _id(key), Answer(Said.TAKEN, number)
        error = found.get("last_payment_error") or {}
        return _id(key), Answer(_refusal(error), number, _sentence(error.get("message") or _NOT_CHARGED))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _not_stripes(error) from None


def _error_of(found: Mapping[str, Any]) -> Mapping[str, Any]:
    error = found.get("error")
    return error if isinstance(error, dict) else {}


def _refusal(error: Mapping[str, Any]) -> Said:
    needed = "authentication_required"
    return Said.CONFIRM if needed in (error.get("code"), error.get("decline_code")) else Said.REFUSED


def _sentence(text: object) -> str:
    """Stripe's words as one sentence of one line."""
    line = _line(text).strip()
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _line(text: object) -> str:
    """A text of Stripe's in one line, with no control characters."""
    return "".join(char for char in str(text) if char.isprintable())[:_WORDS]


def coins(micros: int, currency: str) -> int:
    """A sum in the coins that Stripe counts. BadInput if it has parts of one."""
    number, rest = divmod(micros * _coins_a_unit(currency), MICROS)
    if rest or (_coins_a_unit(currency) == 1000 and number % 10):  # Stripe wants the last of three decimals to be 0
        raise BadInput("A payment by card is in whole coins of {currency}.", currency=currency)
    return number


def happened(event: Mapping[str, Any]) -> Happened | None:
    """What a signed event says of a payment of ours; None for any other event. BadInput if it is not Stripe's shape."""
    try:
        kind, found = str(event["type"]), event["data"]["object"]
        known = _KNOWN.get(kind)
        return None if known is None else known(str(event["id"])[:_ID], found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _not_stripes(error) from None


def _not_stripes(error: Exception) -> BadInput:
    name = type(error).__name__
    return BadInput("The event is not as Stripe's are: {name} {error!s:.60}", name=name, error=error)


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


def _of_charge(kind: str) -> Callable[[str, Mapping[str, Any]], Happened | None]:
    """Reads a PaymentIntent of an auto-recharge. Other payments are reported by their Checkout Session."""

    def read(event: str, found: Mapping[str, Any]) -> Happened | None:
        """What an event says of it."""
        about = found.get("metadata") or {}
        if not (about.get(_CHARGE) or about.get(_CARD_FOR)) or not str(about.get("reference") or "").startswith("RF"):
            return None
        number, currency = _id(found["id"]), str(found["currency"]).upper()
        if kind == "failed":
            return Happened("failed", event, number, why=_NOT_CHARGED)
        micros = _micros(found["amount_received" if kind == "received" else "amount"], currency)
        return Happened(kind, event, number, micros, currency, str(about["reference"]))

    return read


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
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 < amount <= _MOST_COINS:
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
    "payment_intent.processing": _of_charge("announced"),
    "payment_intent.succeeded": _of_charge("received"),
    "payment_intent.payment_failed": _of_charge("failed"),
    "refund.created": _refund,
    "refund.updated": _refund,
    "charge.dispute.funds_withdrawn": _withdrawn,
    "charge.dispute.funds_reinstated": _reinstated,
}
