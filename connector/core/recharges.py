"""Auto-recharge of a company by card: how Stripe's answer to a charge is taken, and how long it is asked. Pure.

A charge is asked for with a key of its own. Stripe answers the same key the same way for 24 hours at least
(https://docs.stripe.com/api/idempotent_requests), so a question without an answer is asked again, and the card
is charged once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connector.errors import BadInput

# It is asked again for so long after the first time, and then no more: nobody knows what Stripe would do with the key.
ASKED_FOR_MS = 20 * 3_600_000
# People get a notice when an answer has not come for so long.
LATE_MS = 10 * 60_000
# Stripe posts an event again for three days (https://docs.stripe.com/webhooks).
TAKEN_FOR_MS = 4 * 24 * 3_600_000
_FIRST_MS = 15_000
_LAST_MS = 15 * 60_000


class Parked(StrEnum):
    """Why nothing is charged to a card until somebody acts: the bank asks its holder, it was refused, nobody knows
    whether it was charged, or a payment by card was refunded or disputed.
    """

    CONFIRM = "confirm"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    TAKEN_BACK = "taken_back"


class Said(StrEnum):
    """What Stripe answers to a charge: the card was charged (`taken`, which its event has to confirm), its holder has
    to confirm it, it is refused; or nothing that says either.
    """

    TAKEN = "taken"
    CONFIRM = "confirm"
    REFUSED = "refused"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Answer:
    """An answer to a charge. `number`: that of the payment at Stripe, "" if it names none; `words`: Stripe's own."""

    said: Said
    number: str = ""
    words: str = ""


@dataclass(frozen=True)
class Card:
    """A card that may be charged without its holder. `setting`: the word of the auto-recharge that it was given for;
    `customer` and `method`: Stripe's numbers; `at`: when it was given, by Stripe's clock, in ms.
    """

    setting: str
    customer: str
    method: str
    at: int


@dataclass(frozen=True)
class Charge:
    """What Stripe is asked to charge: the same each time that it is asked. `key` is the charge's own."""

    id: int
    key: str
    reference: str
    micros: int
    currency: str
    customer: str
    method: str


def checked(amount: int, threshold: int, monthly_limit: int) -> None:
    """BadInput for an auto-recharge that would never be made. All in micros."""
    if amount <= 0 or threshold <= 0:
        raise BadInput("The amount and the balance below which to recharge are above 0.")
    if monthly_limit < amount:
        raise BadInput("The limit of a month is less than one recharge.")


def again_in_ms(tries: int) -> int:
    """How long to wait after so many questions without an answer, in milliseconds."""
    return min(_LAST_MS, _FIRST_MS << min(tries, 10))
